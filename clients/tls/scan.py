"""What a server accepts, found out by hellos of our own: each offers less than the one before, until none is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clients.tls.wire import Server
from netlab.cores.tls_hello_answer import Answer
from netlab.cores.tls_hello_names import CIPHER_SUITES, GROUPS
from netlab.cores.tls_hello_offer import TLS_1_2, TLS_1_3, Offer

SSL_3, TLS_1_0, TLS_1_1 = 0x0300, 0x0301, 0x0302
VERSIONS = (TLS_1_3, TLS_1_2, TLS_1_1, TLS_1_0, SSL_3)
NO_SUITES = frozenset((0x0000, 0x00FF, 0x5600))
"""Numbers among the suites that nobody agrees on: none at all, and signals (RFC 5746 3.3, RFC 7507 2)."""
SUITES_1_3 = tuple(number for number in CIPHER_SUITES if number >> 8 == 0x13)
SUITES = tuple(number for number in CIPHER_SUITES if number >> 8 != 0x13 and number not in NO_SUITES)
EPHEMERAL = tuple(number for number in SUITES if "_ECDHE_" in CIPHER_SUITES[number])
NAMED = tuple(GROUPS)


@dataclass(slots=True)
class Version:
    """What is accepted with one version, in the order in which the server prefers it.

    ordered  whether the order is the server's own; else it takes ours
    """

    number: int
    suites: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    ordered: bool = False


@dataclass(slots=True)
class Found:
    """What a server accepts; `staple` is an OCSP response in DER, if it sends one with TLS 1.2."""

    versions: list[Version] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    staple: bytes = b""
    questions: int = 0


class Scan:
    """The questions to one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.found = Found()

    async def run(self) -> Found:
        for number in VERSIONS:
            suites = SUITES_1_3 if number == TLS_1_3 else SUITES
            first = await self._ask(number, suites, NAMED)
            if first.version != number:
                self.found.refused.append(number)
                continue
            version = Version(number)
            self.found.versions.append(version)
            await self._suites(version, suites)
            if number >= TLS_1_2:
                await self._groups(version)
        return self.found

    async def _suites(self, version: Version, offered: Sequence[int]) -> None:
        left = list(offered)
        while left:
            answer = await self._ask(version.number, left, NAMED)
            if answer.suite not in left:
                break
            left.remove(answer.suite)
            version.suites.append(answer.suite)
            self.found.staple = self.found.staple or answer.staple
        if len(version.suites) > 1:
            again = await self._ask(version.number, version.suites[::-1], NAMED)
            version.ordered = again.suite == version.suites[0]

    async def _groups(self, version: Version) -> None:
        suites = version.suites if version.number == TLS_1_3 else [one for one in version.suites if one in EPHEMERAL]
        while suites and (group := await self._another_group(version, suites)):
            version.groups.append(group)

    async def _another_group(self, version: Version, suites: Sequence[int]) -> int:
        """One that was not found yet; 0 if there is none. Those that were found are offered last, for the certificate's
        own curve may have to be among them (RFC 8422 5.1); a server with an order of its own wants them away.
        """
        left = [group for group in NAMED if group not in version.groups]
        for offered in ([*left, *version.groups], left) if version.groups else (left,):
            answer = await self._ask(version.number, suites, offered)
            if answer.group in left:
                return answer.group
        return 0

    async def _ask(self, version: int, suites: Sequence[int], groups: Sequence[int]) -> Answer:
        self.found.questions += 1
        offer = Offer(versions=(version,), suites=suites, groups=groups, server_name=self._server.name, staple=True)
        return await self._server.ask(offer)
