"""Faults of the connection: it ends, or is reset, before the answer is complete."""

from __future__ import annotations

from netlab.http.broken.fault import Fault, Wish, begin, message, say
from netlab.http.exchange import Exchange

ARRIVED = 0.05
"""Seconds that bytes have to reach the client before RST overtakes them in its buffers."""


async def nothing(exchange: Exchange, wish: Wish) -> None:
    await say(exchange, b"")


async def half_a_head(exchange: Exchange, wish: Wish) -> None:
    await say(exchange, b"HTTP/1.1 200 OK\r\nServer: netlab\r\nContent-Le")


async def reset_at_once(exchange: Exchange, wish: Wish) -> None:
    exchange.raw(b"")
    exchange.cut(reset=True)


async def reset_in_body(exchange: Exchange, wish: Wish) -> None:
    data = message("Content-Length: 1000", "X-Broken: reset-mid-body") + b"x" * 500
    begin(exchange, data)
    exchange.raw(data)
    await exchange.pause(ARRIVED)
    exchange.cut(reset=True)


FAULTS = (
    Fault(
        name="empty-reply",
        script=nothing,
        wrong="the connection ends without an answer",
        client="report it; try again only if the method is idempotent or it knows that nothing was done",
        section="RFC 9110 9.2.2",
    ),
    Fault(
        name="cut-head",
        script=half_a_head,
        wrong="the connection ends inside the head",
        client="report an incomplete response",
        section="RFC 9112 8",
    ),
    Fault(
        name="reset",
        script=reset_at_once,
        wrong="the connection is reset (RST) instead of an answer",
        client="report it; try again only if the method is idempotent",
        section="RFC 9112 9.6",
    ),
    Fault(
        name="reset-mid-body",
        script=reset_in_body,
        wrong="the connection is reset (RST) in the middle of the content",
        client="report an incomplete response, and not lose what had arrived to the error",
        section="RFC 9112 9.6",
    ),
)
