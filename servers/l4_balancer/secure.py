"""Connections whose TLS ends here: what the handshake told is passed on, and the bytes are relayed decrypted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from netlab.cores.proxy_protocol_header import CLIENT_CERT_CONN, CLIENT_SSL, TlsFacts
from netlab.errors import PeerUnreachable
from netlab.flow import Outcome
from netlab.http.tunnel import Tunnel, recognised
from netlab.http.upstream import FarEnd
from netlab.net.connection import Connection
from servers.l4_balancer.choice import Choice
from servers.l4_balancer.pool import Member
from servers.l4_balancer.telling import Known

if TYPE_CHECKING:
    from servers.l4_balancer.server import Server

UNVERIFIED = 1
"""In an SSL TLV: no certificate was shown. One that does not hold ends the handshake."""


class Early:
    """What the client has said before there is an upstream to hear it."""

    def __init__(self) -> None:
        self.held = b""

    def rest(self) -> bytes:
        held, self.held = self.held, b""
        return held


class SecureSession(Connection):
    """The application above a TLS layer: dials an upstream, and then a tunnel relays."""

    def __init__(self, server: Server) -> None:
        config = server.config
        super().__init__(server.gate, server.context.flows, "l4-balancer", write_timeout=config.idle_timeout)
        self._server = server
        self.core = Early()
        self._choice: Choice | None = None
        self._tunnel: Tunnel | None = None
        self._dialing: asyncio.Task[None] | None = None

    # -- its upstream ------------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """TLS is established: the name and protocol it agreed on may decide where it goes."""
        server, tls = self._server, self.transport.get_extra_info("ssl_object")
        assert self.flow is not None
        name, protocol = self.transport.get_extra_info("server_name"), tls.selected_alpn_protocol()
        group = server.pools.group_for(name, (protocol,) if protocol else ())
        if group is None:
            self._refuse(Outcome.REFUSED, f"no route takes SNI {name or '(none)'}, ALPN {protocol or '(none)'}")
            return
        known = Known(self.flow.client, self.flow.server, self.told, name or "", protocol or "", tls_facts(tls))
        if server.herald.names:
            known.unique_id = server.unique_id()
            self.flow.detail(unique_id=known.unique_id)
        self._choice = Choice(group, self, self.flow, str(known.ends[0][0]).encode(), server.now)
        self._dialing = server.tasks.start(self._dial(self._choice, known), "dial an upstream")

    async def _dial(self, choice: Choice, known: Known) -> None:
        """Connect to an upstream that takes it, or to another."""
        while len(choice.tried) <= self._server.config.retries and (member := choice.pick()) is not None:
            try:
                far = await self._far_end(member)
            except PeerUnreachable as error:
                choice.give_up(str(error))
                continue
            if header := self._server.herald.header(known):
                far.write(header)
            self._relay(choice, far)
            return
        self._refuse(Outcome.UNREACHABLE, choice.nobody())

    async def _far_end(self, member: Member) -> FarEnd:
        address = member.target
        _, far, _ = await self._server.dialer.dial(address.host, address.port, FarEnd, parent=self.flow)
        return far

    def _relay(self, choice: Choice, far: FarEnd) -> None:
        if (faults := self._server.context.faults) and self.flow is not None:
            from netlab.http.faults import strike_far_end, strike_near_end

            host = self.transport.get_extra_info("server_name") or ""
            strike_near_end(faults, self, self.flow, host)
            strike_far_end(faults, far, self.flow, host)
        tunnel = self._tunnel = Tunnel(far, far.flow, idle=self._server.config.idle_timeout)
        if self.flow is not None:
            tunnel.recognise = partial(recognised, self.flow)
        tunnel.begin(self)

    def release(self) -> None:
        """The tunnel reads from now on."""
        self.transport.resume_reading()

    # -- what a connection is told -------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.feed(data)
        elif data:
            self.core.held += data
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._tunnel is not None:
            self._tunnel.writable()

    def timed_out(self, stage: str) -> None:
        if self._tunnel is not None:
            self._tunnel.timed_out(stage)
        else:
            self.abort()

    def drain(self) -> None:
        if self._tunnel is not None:
            self._tunnel.drain()
        else:
            self.close()

    def ended(self, error: Exception | None) -> None:
        tunnel, choice, flow = self._tunnel, self._choice, self.flow
        if self._dialing is not None:
            self._dialing.cancel()
        if tunnel is not None:
            tunnel.ended(error)
            assert flow is not None
            flow.received, flow.sent = tunnel.up, tunnel.down
        if choice is not None:
            if tunnel is not None and tunnel.down:
                choice.succeeded()
            choice.release()
            self._server.released()

    def cut(self, reason: str) -> None:
        """Its upstream has no more time."""
        self._refuse(Outcome.CANCELLED, reason)

    def _refuse(self, outcome: str, reason: str) -> None:
        assert self.flow is not None
        self.flow.outcome, self.flow.result = outcome, reason
        self.reset()


def tls_facts(tls: Any) -> TlsFacts:
    """An established connection as an SSL TLV tells it (2.2.6)."""
    shown = tls.getpeercert()
    names = [value for part in (shown or {}).get("subject", ()) for key, value in part if key == "commonName"]
    return TlsFacts(
        client=CLIENT_SSL | (CLIENT_CERT_CONN if shown else 0),
        verify=0 if shown else UNVERIFIED,
        version=tls.version(),
        cipher=tls.cipher()[0],
        common_name=names[-1] if names else "",
    )
