"""Forwarding while faults are set: the upstream's leg of each request may be struck, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netlab.cores.http1 import Data, End, Response
from netlab.errors import ConnectionLost, NetlabError
from netlab.flow import Flow, Outcome
from netlab.http.faults import answer, answered_by, by_direction, facts, mark, noticing
from netlab.http.forwarding import Forwarding
from netlab.http.roles import Asker
from netlab.http.upstream import Upstream
from netlab.net.faulty import FaultyLink, link_of
from netlab.net.pool import Origin
from netlab.policy.faults import Fault, Leg
from netlab.text import host_port

if TYPE_CHECKING:
    from netlab.http.gateway import Gateway, Way


class FaultyForwarding(Forwarding):
    """Decides once what strikes this leg, whichever connections it takes; then the connection fails as it was told."""

    __slots__ = ("_fault", "_link", "_strikes")

    def __init__(self, gateway: Gateway, exchange: Asker, way: Way, leg: Flow) -> None:
        super().__init__(gateway, exchange, way, leg)
        faults, origin = gateway.faults, way.origin
        assert faults is not None  # nobody comes here without
        known = facts(exchange.flow, exchange.request, upstream=host_port(origin.host, origin.port))
        self._strikes = faults.strike(Leg.UPSTREAM, known)
        self._fault = answered_by(self._strikes, exchange.request)
        self._link: FaultyLink | None = None
        if self._strikes:
            mark(self._strikes, self.leg, exchange.flow)

    def dial(self) -> None:
        if self._fault is not None:
            self.exchange.connection.in_turn(self._substitute, self._fault)
        else:
            super().dial()

    def begin(self, upstream: Upstream, *, fresh: bool) -> None:
        if self._fault is not None:
            self.gateway.pool.release(self.way.origin, upstream)
            self.exchange.connection.in_turn(self._substitute, self._fault)
            return
        shaping = [strike for strike in self._strikes if strike.fault.shapes_bytes]
        if shaping or link_of(upstream) is not None:
            link = self._link = link_of(upstream) or FaultyLink(upstream)
            down, up = by_direction(shaping)
            link.begin(up, down, noticing(self.leg))
        super().begin(upstream, fresh=fresh)

    def _substitute(self, fault: Fault) -> None:
        """As if the upstream had answered so."""
        self.leg.note("fault.injected", fault=fault.name, effect="status", status=fault.status, rule=fault.text)
        self.leg.end(Outcome.OK if fault.status < 400 else Outcome.REFUSED, str(fault.status))
        answer(self.exchange, fault)
        self._over(None)

    def whole(self, response: Response, content: bytes) -> None:
        """The long way, that lets go of the connection in one place."""
        self.answered([response, Data(content), End()])

    def _release(self, origin: Origin | None = None) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.leave()
        super()._release(origin)

    def upstream_lost(self, error: Exception | None) -> None:
        struck = [strike.fault.name for strike in self._strikes if strike.fault.reset]
        if struck and isinstance(error, ConnectionResetError):
            names = ", ".join(struck)
            error = ConnectionLost(f"the connection was reset by a fault that was injected ({names})")
        super().upstream_lost(error)

    def fail(self, error: NetlabError, *, ours: bool = False) -> None:
        self._link = None  # it ends with its connection
        super().fail(error, ours=ours)

    def _switch(self, upstream: Upstream, response: Any) -> None:
        self._link = None  # it stays, for as long as the tunnel does
        super()._switch(upstream, response)
