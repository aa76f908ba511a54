"""Who may use a proxy, how often, and where they may go: asked by HTTP and SOCKS alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.config import about
from netlab.http.permission import SOCKS, Names, Permission
from netlab.http.proxy_settings import Admission as Settings
from netlab.http.socks import Permitted, Recognise
from netlab.policy.gateway_errors import Failure
from netlab.service import Context

if TYPE_CHECKING:
    from netlab.http.authentication import Authenticator
    from netlab.http.quotas import Quotas
    from netlab.http.rules import LimitRule


class Admission:
    """What was set up of it; what was not is None and costs nothing, not even its import."""

    def __init__(self, config: Settings, context: Context, lab: Names) -> None:
        self.permission = Permission(config.rule, connect_ports=config.connect_ports, lab=lab, exposed=config.expose)
        self.quotas = quotas(context, [rule for rule in config.limit if rule.key != "user"])
        self.user_quotas = quotas(context, [rule for rule in config.limit if rule.key == "user"])
        self.authenticator = authenticator(config, context) if config.users is not None else None

    @property
    def all_quotas(self) -> tuple[Quotas | None, Quotas | None]:
        return self.quotas, self.user_quotas

    def denied(self, client: str, host: str, port: int, method: str) -> Failure | None:
        """By the rules, as far as the name tells."""
        refusal = self.permission.refusal(client, host, port, method)
        return None if refusal is None else Failure(403, "http_request_denied", refusal.reason)

    # -- SOCKS ---------------------------------------------------------------------------------------------------

    @property
    def recognise(self) -> Recognise | None:
        """How a SOCKS client's user and password are checked, if anybody has to have them."""
        return None if self.authenticator is None else self._recognise

    async def _recognise(self, name: str, password: str, client: str) -> bool:
        known = self.authenticator
        assert known is not None
        user = known.users.get(name) if known.users is not None else None
        return await known.passwords.check(user.scrypt if user is not None else None, password, client)

    def permit(self, client: str, user: str | None, host: str, port: int) -> Failure | Permitted:
        """Whether a SOCKS client may be connected."""
        denied = self.denied(client, host, port, SOCKS)
        if denied is not None:
            return denied
        releases: list[Callable[[], None]] = []
        for limits in (self.quotas, self.user_quotas):
            if limits is None:
                continue
            from netlab.http.quotas import Asking

            found = limits.ask(Asking(client, user, host))
            releases += [quota.release for quota in found if quota.release is not None]
            if found and not found[-1].verdict.admitted:
                for release in releases:
                    release()
                return Failure(429, "http_request_denied", f"{found[-1].rule.words} are allowed here")
        return Permitted(self.permission.check(client, host, port, SOCKS), releases)

    def close(self) -> None:
        if self.authenticator is not None:
            self.authenticator.passwords.close()


def quotas(context: Context, rules: list[LimitRule]) -> Quotas | None:
    if not rules:
        return None
    from netlab.http.quotas import Quotas

    return Quotas(rules, context.clock)


def authenticator(config: Settings, context: Context) -> Authenticator:
    """Proxy-Authenticate and its answers, by the users of a file."""
    import secrets

    from netlab.http.authentication import PROXY, Authenticator
    from netlab.policy.auth.digest import Digest
    from netlab.stores.users import Users

    assert config.users is not None
    with about("--users"):
        users = Users(config.users)
    return Authenticator(
        config.realm,
        context.clock,
        users=users,
        # not of the lab's Random: what a request can make it print would let others foresee nonces
        digest=Digest(config.realm, secrets.token_bytes(32)) if "digest" in config.auth else None,
        side=PROXY,
    )
