"""Who may come in, and what a client may say and hear there."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from netlab.cores.mqtt_codes import Reason
from netlab.cores.mqtt_packets import Connect
from netlab.stores.passwords import Passwords, TooManyChecks
from netlab.stores.users import Users
from servers.mqtt.acl import AccessList
from servers.mqtt.config import Config

if TYPE_CHECKING:
    from servers.mqtt.client import Client
    from servers.mqtt.link import Link

Verdict = Reason | None
"""Why not; None: it may."""


class Admission:
    """Users by their passwords or their certificates, and the access list that is about them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._users = Users(config.users) if config.users is not None else None
        self._passwords = Passwords()
        self.acl = AccessList.read(config.acl) if config.acl is not None else None

    def check(self, link: Link, packet: Connect) -> Verdict | Awaitable[Verdict]:
        """Whether a client may connect as who it says it is; at once where that is possible."""
        if self._config.certificate_user and certificate_user(link):
            return None
        if self._users is None:
            return None
        if packet.user is None:
            return None if self._config.anonymous else Reason.NOT_AUTHORIZED
        try:
            password = (packet.password or b"").decode()
        except UnicodeDecodeError:
            return Reason.BAD_CREDENTIALS
        user = self._users.get(packet.user)
        verifier = user.scrypt if user is not None else None
        if self._passwords.known(verifier, password):
            return None
        return self._look_up(verifier, password, link)

    async def _look_up(self, verifier: str | None, password: str, link: Link) -> Verdict:
        peer = link.flow.client if link.flow is not None else None
        try:
            right = await self._passwords.check(verifier, password, peer[0] if isinstance(peer, tuple) else peer)
        except TooManyChecks:
            return Reason.SERVER_BUSY
        return None if right else Reason.BAD_CREDENTIALS

    def user(self, link: Link, packet: Connect) -> str:
        """As whom a client was let in."""
        if self._config.certificate_user and (name := certificate_user(link)):
            return name
        return packet.user or ""

    def may(self, wish: str, client: Client, topic: str) -> bool:
        """Whether it may get (`r`) or publish (`w`) a message of this topic; our own everybody may get."""
        return self.acl is None or self.acl.may(wish, client.user, client.client_id, topic)

    def may_subscribe(self, client: Client, pattern: str) -> bool:
        return self.acl is None or self.acl.may_subscribe(client.user, client.client_id, pattern)

    def close(self) -> None:
        self._passwords.close()


def certificate_user(link: Link) -> str:
    """The common name of the client's certificate, which TLS has verified; empty without one."""
    tls = link.transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    for group in (certificate or {}).get("subject", ()):
        for name, value in group:
            if name == "commonName":
                return str(value)
    return ""
