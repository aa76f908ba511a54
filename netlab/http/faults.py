"""Faults on HTTP's legs: what a condition is told of a request, who is struck, and that it is said on its flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netlab.cores.http1 import Request
from netlab.flow import Flow
from netlab.http.exchange import Exchange, Handler, Work
from netlab.http.roles import Asker
from netlab.net.connection import Connection
from netlab.net.faulty import FaultyLink, link_of
from netlab.policy.faults import Fault, Faults, Leg, Notice, Strike, Towards
from netlab.text import peer_text

if TYPE_CHECKING:
    from netlab.http.upstream import FarEnd

WITHOUT_CONTENT = frozenset((204, 205, 304))
FIELD = "Netlab-Fault"
"""In every answer that a fault has put in place of another: which."""


class Struck:
    """Stands before a server's handler while faults are set: what strikes the client's side of each request."""

    def __init__(self, faults: Faults, handler: Handler) -> None:
        self._faults, self._handler = faults, handler

    def __call__(self, exchange: Exchange) -> Work:
        flow = exchange.flow
        strikes = self._faults.strike(Leg.DOWNSTREAM, facts(flow, exchange.request))
        if strikes:
            mark(strikes, flow)
            shape_answer(exchange, strikes)
            if (fault := answered_by(strikes, exchange.request)) is not None:
                flow.note("fault.injected", fault=fault.name, effect="status", status=fault.status, rule=fault.text)
                if exchange.request.method == "CONNECT":
                    exchange.connection.core.will_close()  # what was sent ahead for the far end is no request
                answer(exchange, fault)
                return None
        return self._handler(exchange)


def facts(flow: Flow, request: Request | None = None, **details: Any) -> Mapping[str, Any]:
    """A flow's record (docs/contracts.md) as far as it is known when a conversation begins; `path` and what is given
    besides are found like its details.
    """
    known: dict[str, Any] = {**(flow.details or {}), **details}
    events: Sequence[Mapping[str, Any]] = ()
    if request is not None:
        known["path"] = request.path.partition("?")[0]
        events = ({"fields": {"version": request.version, "fields": request.fields}},)
    return {
        "id": str(flow.id),
        "kind": flow.kind,
        "service": flow.service,
        "parent": None if flow.parent is None else str(flow.parent.id),
        "level": flow.level.name.lower(),
        "client": peer_text(flow.client),
        "server": peer_text(flow.server),
        "started": flow.log.wall(flow.started),
        "label": flow.label,
        "details": known,
        "events": events,
    }


# -- saying so ---------------------------------------------------------------------------------------------------


def mark(strikes: Iterable[Strike], *flows: Flow) -> None:
    """Whoever looks at these flows, at whatever level, sees that they were struck."""
    for flow in flows:
        before = (flow.details or {}).get("faults", [])
        flow.detail(faults=[*before, *(f"{strike.fault.name}: {strike.fault.text}" for strike in strikes)])


def noticing(flow: Flow) -> Notice:
    """Says on a flow what each strike did."""

    def notice(strike: Strike, effect: str, facts: dict[str, Any]) -> None:
        fault = strike.fault
        flow.note(
            "fault.injected", fault=fault.name, effect=effect, rule=fault.text, towards=fault.towards.value, **facts
        )

    return notice


# -- the client's leg --------------------------------------------------------------------------------------------


def shape_answer(exchange: Exchange, strikes: Sequence[Strike]) -> None:
    """From here to the end of the exchange (of the tunnel, if it becomes one), bytes meet what has struck it."""
    shaping = [strike for strike in strikes if strike.fault.shapes_bytes]
    connection = exchange.connection
    if not shaping or connection.transport.is_closing():
        return
    connection.flush()  # answers to requests before this one are not struck
    link = client_link(connection, shaping, exchange.flow)

    def over() -> None:
        if connection.delegate is None and not connection.transport.is_closing():
            connection.flush()
            link.leave()

    exchange.when_over(over)


def client_link(connection: Connection, strikes: Sequence[Strike], flow: Flow) -> FaultyLink:
    """The client's connection, struck from the next byte on."""
    link = link_of(connection) or FaultyLink(connection, cut=connection.linger)
    down, up = by_direction(strikes)
    link.begin(down, up, noticing(flow))
    return link


def by_direction(strikes: Sequence[Strike]) -> tuple[list[Strike], list[Strike]]:
    """(towards the client, towards the server)."""
    down = [strike for strike in strikes if strike.fault.towards is Towards.CLIENT]
    return down, [strike for strike in strikes if strike.fault.towards is Towards.SERVER]


def answered_by(strikes: Sequence[Strike], request: Request) -> Fault | None:
    """The first fault that answers in place of everybody behind it. No fault grants a tunnel."""
    least = 300 if request.method == "CONNECT" else 200
    return next((strike.fault for strike in strikes if strike.fault.status >= least), None)


def answer(exchange: Asker, fault: Fault) -> None:
    """The fault's status, and that it is one."""
    fields = [(FIELD, fault.name), ("Cache-Control", "no-store")]
    if fault.status in WITHOUT_CONTENT:
        exchange.respond(fault.status, fields)
    else:
        exchange.refuse(fault.status, f"this answer is a fault that was injected: {fault.text}", fields)


# -- tunnels -----------------------------------------------------------------------------------------------------


def strike_near_end(faults: Faults, connection: Connection, asked: Flow, host: str) -> None:
    """The client's side of a tunnel that was not asked for over HTTP; for as long as it lasts, as its far end."""
    strikes = faults.strike(Leg.DOWNSTREAM, facts(asked, host=host))
    if shaping := [strike for strike in strikes if strike.fault.shapes_bytes]:
        mark(shaping, asked)
        client_link(connection, shaping, asked)


def strike_far_end(faults: Faults, far: FarEnd, asked: Flow, host: str) -> None:
    """The upstream's side of a tunnel, however it was asked for."""
    strikes = faults.strike(Leg.UPSTREAM, facts(asked, host=host, upstream=peer_text(far.flow.server)))
    if shaping := [strike for strike in strikes if strike.fault.shapes_bytes]:
        mark(shaping, asked, far.flow)
        down, up = by_direction(shaping)
        FaultyLink(far).begin(up, down, noticing(far.flow))
