"""One look at one server: a handshake, another that resumes it, one that verifies, and the questions of a scan."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clients.tls.chain import Anchors, Link, is_address, judge, staple_says
from clients.tls.handshake import Made, handshake
from clients.tls.scan import Found, Scan
from clients.tls.show import as_json, lines
from clients.tls.staple import stapled
from clients.tls.wire import Server
from netlab.errors import RemoteProtocolError
from netlab.flow import FlowLog, Level
from netlab.http.trust import lab_authority
from netlab.net.addresses import AddressMap
from netlab.net.dial import Dialer, Timeouts
from netlab.net.tls_context import client_context

if TYPE_CHECKING:
    from clients.tls import Addresses, Config


@dataclass(slots=True)
class Seen:
    """All that was found; `verdict` is why the certificates do not hold, empty if they do."""

    name: str
    made: Made
    links: list[Link] = field(default_factory=list)
    verdict: str = ""
    resumed: Made | None = None
    protocols: list[str] = field(default_factory=list)
    found: Found | None = None
    staple: str = ""

    @property
    def ok(self) -> bool:
        return not self.made.error and not self.verdict


DEPRECATED = ("SSLv3", "TLSv1", "TLSv1.1")


class Command:
    """`netlab tls`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._verifying = client_context(
            cafile=config.cacert,
            authority=lab_authority(None) if config.cacert is None else None,
            alpn=config.alpn,
        )
        self._verifying.hostname_checks_common_name = False  # RFC 9525 6.3: the names in it alone count

    async def run(self, addresses: Addresses | None) -> int:
        config = self._config
        known = AddressMap() if addresses is None else AddressMap.from_json(await addresses())
        timeouts = Timeouts().within(config.timeout)
        name = config.server_name or config.target.host
        server = Server(
            dialer=Dialer(FlowLog(Level.OFF), addresses=known, timeouts=timeouts, service="tls"),
            host=config.target.host,
            port=config.target.port,
            name="" if is_address(name) else name,
            seconds=config.timeout,
        )
        seen = await self.look(server, name)
        if config.json:
            print(json.dumps(as_json(seen)))
        else:
            print("\n".join(lines(seen, full=config.full)))
        return 0 if seen.ok else 1

    async def look(self, server: Server, name: str) -> Seen:
        """Everything that was asked for; PeerUnreachable where there is no connection."""
        config = self._config
        context = any_certificate(config.alpn)
        seen = Seen(name, await handshake(server, context))
        if not seen.made.error:
            seen.verdict = await self._verdict(server, name, seen.made.version)
            anchors = Anchors(self._verifying.get_ca_certs(binary_form=True))
            try:
                seen.links = judge(seen.made.chain, name, anchors)
            except ValueError as error:  # OpenSSL takes some that cryptography does not
                seen.verdict = seen.verdict or f"a certificate cannot be read: {error}"
            session = seen.made.session
            if session is not None and (session.has_ticket or (session.id and seen.made.version != "TLSv1.3")):
                seen.resumed = await handshake(server, context, seen.made.session)
        if config.scan and not seen.made.silent:  # every question would wait as long
            await self._scan(server, seen)
        return seen

    async def _verdict(self, server: Server, name: str, version: str) -> str:
        """What OpenSSL says when it verifies; with versions that it will not speak, it says nothing of certificates."""
        if version in DEPRECATED:
            return f"the server speaks {version} at best, which must not be used any more (RFC 8996)"
        return (await handshake(server, self._verifying, verified_as=name)).error

    async def _scan(self, server: Server, seen: Seen) -> None:
        try:
            seen.found = await Scan(server).run()
        except RemoteProtocolError as error:
            seen.made.error = seen.made.error or f"what answers is no TLS: {error}"
            return
        if staple := seen.found.staple or await stapled(server):
            seen.staple = staple_says(staple)
        for protocol in self._config.alpn:
            alone = await handshake(server, any_certificate((protocol,)))
            if alone.alpn == protocol:
                seen.protocols.append(protocol)


def any_certificate(alpn: tuple[str, ...]) -> ssl.SSLContext:
    """A context that looks at the server, and does not judge it; of any version and suite that OpenSSL still knows."""
    context = client_context(insecure=True, alpn=alpn)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
