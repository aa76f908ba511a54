"""CONNECT: a tunnel to a host and port, granted once the far end stands (RFC 9110 9.3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.cores.fields import EMPTY, Fields
from netlab.errors import ConnectionLost, NetlabError
from netlab.flow import Flow
from netlab.http.destination import Destination
from netlab.http.exchange import Exchange
from netlab.http.gateway import Gateway
from netlab.http.tunnel import Tunnel, recognised
from netlab.http.upstream import FarEnd
from netlab.net.dial import Check
from netlab.net.splice import Pipes
from netlab.policy.gateway_errors import Failure, failure

if TYPE_CHECKING:
    from netlab.http.interception import Interception, Peek


class Tunnels:
    """What the tunnels of one proxy share: the way out, how long they may be idle, which of them are looked into, and
    the kernel's pipes, where bytes may go past us.
    """

    def __init__(
        self, gateway: Gateway, *, idle: float, past_us: bool = True, interception: Interception | None = None
    ) -> None:
        self.gateway, self.idle, self.interception = gateway, idle, interception
        self.remark = ""  # what is to be known of a tunnel that is not looked into
        self.pipes = Pipes() if past_us else None

    async def connect(self, exchange: Exchange, to: Destination, allow: Check | None) -> None:
        """Answer a CONNECT: 200 and a tunnel, or why there is none."""
        try:
            far = await self.reach(to, allow, exchange.flow)
        except NetlabError as error:
            self.refuse(exchange, failure(error))
            return
        exchange.upgrade(200, [], self.join(far, to, exchange.flow, exchange.request.fields))
        if (log := exchange.connection.http.settings.on_answered) is not None:
            log(exchange)

    def refuse(self, exchange: Exchange, why: Failure) -> None:
        """No tunnel. What the client may have sent ahead for the far end is no request: the connection ends."""
        exchange.connection.core.will_close()
        self.gateway.refuse(exchange, why)

    async def reach(self, to: Destination, allow: Check | None, asked: Flow) -> FarEnd | None:
        """The far end; None where there is none, but TLS with it is opened here: then that is where the client is told
        so, because browsers show nothing of a CONNECT that is refused.
        """
        try:
            return await self.dial(to, allow, asked)
        except NetlabError as error:
            why = failure(error)
            if self.interception is None or not self.interception.wants(to.host) or why.status == 403:
                raise
            asked.note("tunnel.unreached", error=why.error, reason=why.reason)
            return None

    async def dial(self, to: Destination, allow: Check | None, parent: Flow) -> FarEnd:
        """The far end, connected; its flow is the tunnel's leg."""
        _, far, _ = await self.gateway.dialer.dial(to.host, to.port, FarEnd, parent=parent, allow=allow)
        if far.transport.is_closing():
            raise ConnectionLost(f"{to.authority} closed the connection as soon as it stood")
        return far

    def join(self, far: FarEnd | None, to: Destination, asked: Flow, said: Fields = EMPTY) -> Tunnel | Peek:
        """Who has the client's connection from here on; the last two are the flow and fields of the request for it."""
        if far is None:
            assert self.interception is not None  # or `reach` would have raised
            return self.interception.look_into(None, to, asked, said)
        if self.gateway.faults:
            from netlab.http.faults import strike_far_end

            strike_far_end(self.gateway.faults, far, asked, to.host)
        tunnel = Tunnel(far, far.flow, idle=self.idle, pipes=self.pipes)
        tunnel.recognise = lambda said: recognised(asked, said)
        if self.interception is None or not self.interception.wants(to.host):
            if self.remark:
                asked.note("tunnel.unopened", reason=self.remark)
            return tunnel
        from netlab.http.interception import Reached

        return self.interception.look_into(Reached(far, tunnel), to, asked, said)

    def close(self) -> None:
        if self.pipes is not None:
            self.pipes.close()
