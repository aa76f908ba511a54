"""Who may come in, and what a client may say and hear there."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from netlab.cores.mqtt_codes import Reason
from netlab.cores.mqtt_packets import Connect
from netlab.policy.auth.sasl import ScramVerifier, Script, scram_sha_256
from netlab.policy.auth.users import unknown_scram
from netlab.stores.passwords import Passwords, TooManyChecks
from netlab.stores.users import Users
from servers.mqtt.acl import AccessList
from servers.mqtt.config import Config
from servers.mqtt.listeners import NAMES, ListenerRights

if TYPE_CHECKING:
    from servers.mqtt.client import Client
    from servers.mqtt.link import Link

Verdict = Reason | None
"""Why not; None: it may."""


class Admission:
    """Users by their passwords or their certificates, and the access list that is about them, at one listener."""

    def __init__(self, rights: ListenerRights, *, certificate_user: bool = False) -> None:
        self._rights, self._certificate_user = rights, certificate_user
        self._users = Users(rights.users) if rights.users is not None else None
        self._passwords = Passwords()
        self._decoy = secrets.token_bytes(16)
        self.acl = AccessList.read(rights.acl) if rights.acl is not None else None

    @property
    def listener(self) -> str:
        return self._rights.listener

    def check(self, link: Link, packet: Connect) -> Verdict | Awaitable[Verdict]:
        """Whether a client may connect as who it says it is; at once where that is possible."""
        if self._certificate_user and (name := certificate_user(link)):
            link.user = name
            return None
        link.user = packet.user or ""
        if self._users is None:
            return None
        if packet.user is None:
            return None if self._rights.anonymous else Reason.NOT_AUTHORIZED
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

    @property
    def proves(self) -> bool:
        """Whether clients can show that they know their passwords, without telling them."""
        return self._users is not None

    def script(self) -> Script:
        """The server's side of SCRAM-SHA-256."""
        return scram_sha_256(secrets.token_urlsafe(18), self._verifier)

    def _verifier(self, name: str) -> ScramVerifier:
        """Of somebody unknown too, always the same, so that nobody can tell."""
        user = self._users.get(name) if self._users is not None else None
        return (user.scram if user is not None else None) or unknown_scram(self._decoy, name)

    def same_users(self, other: Admission) -> bool:
        """Whether a name means the same user at both."""
        return self._rights.users == other._rights.users

    def close(self) -> None:
        self._passwords.close()


class Doors:
    """The admission at each listener; a client has the rights of the one that it came in by last."""

    def __init__(self, config: Config) -> None:
        self._at = {
            name: Admission(config.rights_at(name), certificate_user=config.certificate_user and name == "tls")
            for name in NAMES
        }
        self.listed = any(admission.acl is not None for admission in self._at.values())

    def at(self, listener: str) -> Admission:
        return self._at[listener]

    def may(self, wish: str, client: Client, topic: str) -> bool:
        """Whether it may get (`r`) or publish (`w`) a message of this topic; our own everybody may get."""
        acl = self._at[client.listener].acl
        return acl is None or acl.may(wish, client.user, client.client_id, topic)

    def may_subscribe(self, client: Client, pattern: str) -> bool:
        acl = self._at[client.listener].acl
        return acl is None or acl.may_subscribe(client.user, client.client_id, pattern)

    def close(self) -> None:
        for admission in self._at.values():
            admission.close()


def certificate_user(link: Link) -> str:
    """The common name of the client's certificate, which TLS has verified; empty without one."""
    tls = link.transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if tls is not None else None
    for group in (certificate or {}).get("subject", ()):
        for name, value in group:
            if name == "commonName":
                return str(value)
    return ""
