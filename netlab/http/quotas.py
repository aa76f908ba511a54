"""Rate limits of a proxy: for each client, user and host that is asked for, and for all; HTTP and SOCKS alike."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, NamedTuple

from netlab.clock import Clock
from netlab.cores.http1 import encode_fields
from netlab.http.exchange import Exchange
from netlab.http.limits import NETWORK, make, refuse
from netlab.http.rules import LimitRule
from netlab.policy.limit import Concurrency, PerKey, Verdict


class Asking(NamedTuple):
    """Whose quotas a request counts against."""

    client: str | None
    user: str | None
    host: str


class Quota(NamedTuple):
    """What one rule says of one request."""

    rule: LimitRule
    verdict: Verdict
    release: Callable[[], None] | None  # when it is over, for limits on what runs at the same time


class Quotas:
    """All rules have to admit a request. Paths are not looked at: a tunnel has none."""

    def __init__(self, rules: Sequence[LimitRule], clock: Clock) -> None:
        self._limits = [(rule, PerKey(partial(make, rule))) for rule in rules]
        self._clock = clock

    def ask(self, asking: Asking) -> list[Quota]:
        """What each rule says, up to the first that says no."""
        now, found = self._clock.now(), list[Quota]()
        for rule, limits in self._limits:
            limit = limits.limit(KEY_OF[rule.key](asking), now)
            verdict = limit.admit(now)
            release = limit.release if verdict.admitted and isinstance(limit, Concurrency) else None
            found.append(Quota(rule, verdict, release))
            if not verdict.admitted:
                break
        return found

    def admit(self, exchange: Exchange, host: str) -> bool:
        """Whether an exchange may go on; if not, it is answered (RFC 6585 4). If so, its answer says how it stands."""
        client = exchange.flow.client
        address = str(client[0]) if isinstance(client, tuple) else client
        quotas = self.ask(Asking(address, exchange.user, host))
        for quota in quotas:
            if quota.release is not None:
                _when_over(exchange, quota.release)
        refused = next((quota for quota in quotas if not quota.verdict.admitted), None)
        if refused is not None:
            refuse(exchange, refused.rule, refused.verdict)
            return False
        block = encode_fields([pair for quota in quotas for pair in quota.verdict.fields(quota.rule.name)])
        exchange.amend(lambda before: before + block)
        return True


def _when_over(exchange: Exchange, release: Callable[[], None]) -> None:
    """A CONNECT is over when its tunnel is."""

    def over() -> None:
        tunnel: Any = exchange.connection.delegate
        if tunnel is None:
            release()
        else:
            tunnel.when_over(release)

    exchange.when_over(over)


def network_of(address: str | None) -> Hashable:
    """An address; of IPv6 its network."""
    if address is None or ":" not in address:
        return address
    whole = ipaddress.IPv6Address(address.partition("%")[0])
    return whole.ipv4_mapped or whole.packed[: NETWORK // 8]


def _user(asking: Asking) -> Hashable:
    return network_of(asking.client) if asking.user is None else ("user", asking.user)


KEY_OF: dict[str, Callable[[Asking], Hashable]] = {
    "client": lambda asking: network_of(asking.client),
    "user": _user,
    "host": lambda asking: asking.host,
    "all": lambda asking: None,
}
