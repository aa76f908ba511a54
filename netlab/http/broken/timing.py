"""Faults of time and amount: what drips, stalls, or never ends (here within bounds: `?seconds=`, `?count=`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from netlab.http.broken.fault import HELLO, Fault, Wish, begin, message, say
from netlab.http.exchange import Exchange

MOST = 64 << 20
"""Bytes after which what never ends ends even so."""
PIECE = 16 << 10
LENGTH = "Content-Length: 13"
OWN_TIMEOUT = "give up after a time of its own"
OWN_BOUND = "stop at a bound of its own, in bytes and in time"


async def drip_head(exchange: Exchange, wish: Wish) -> None:
    head = message(LENGTH, "X-Broken: dripped-head")
    begin(exchange, head)
    await drip(exchange, head, wish.gap)
    exchange.raw(HELLO)
    exchange.cut()


async def drip_body(exchange: Exchange, wish: Wish) -> None:
    head = message(LENGTH, "X-Broken: dripped-body")
    begin(exchange, head)
    exchange.raw(head)
    await drip(exchange, HELLO, wish.gap)
    exchange.cut()


async def drip(exchange: Exchange, data: bytes, gap: float) -> None:
    """Byte by byte; all the rest at once when the server is to end."""
    for index in range(len(data)):
        exchange.raw(data[index : index + 1])
        if not await exchange.pause(gap):
            exchange.raw(data[index + 1 :])
            return


async def stall(exchange: Exchange, wish: Wish) -> None:
    await say(exchange, b"", stay=wish.stay)


async def stall_in_head(exchange: Exchange, wish: Wish) -> None:
    await say(exchange, message("X-Broken: stalled-head")[:-2], stay=wish.stay)


async def stall_in_body(exchange: Exchange, wish: Wish) -> None:
    await say(exchange, message("Content-Length: 1000", "X-Broken: stalled-body") + b"x" * 500, stay=wish.stay)


async def storm(exchange: Exchange, wish: Wish) -> None:
    """Interim responses, all of them correct, then the final one."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"
    left = wish.count
    while left > 0:
        some = min(left, 100)
        exchange.raw(interim * some)
        left -= some
        await exchange.ready()
        if not await exchange.pause(0):
            break
    await say(exchange, message(LENGTH, "X-Broken: 1xx-storm") + HELLO)


async def endless_head(exchange: Exchange, wish: Wish) -> None:
    await pour(
        exchange, wish.pour, message()[:-2], (f"X-Field-{number}: {'x' * 1000}\r\n".encode() for number in count())
    )


async def endless_line(exchange: Exchange, wish: Wish) -> None:
    await pour(exchange, wish.pour, message()[:-2] + b"X-Field: ", (b"x" * 1000 for _ in count()))


async def endless_extension(exchange: Exchange, wish: Wish) -> None:
    await pour(
        exchange, wish.pour, message("Transfer-Encoding: chunked") + b"d", (b";x=" + b"x" * 1000 for _ in count())
    )


async def endless_trailers(exchange: Exchange, wish: Wish) -> None:
    begun = message("Transfer-Encoding: chunked") + b"d\r\nHello, World!\r\n0\r\n"
    await pour(exchange, wish.pour, begun, (f"X-Field-{number}: {'x' * 1000}\r\n".encode() for number in count()))


async def endless_body(exchange: Exchange, wish: Wish) -> None:
    await pour(exchange, wish.pour, message("Connection: close"), (HELLO * 100 for _ in count()))


async def pour(exchange: Exchange, seconds: float, begun: bytes, lines: Iterator[bytes]) -> None:
    """Send lines as fast as the client takes them, until time or amount are up."""
    clock = exchange.connection.loop.time
    until = clock() + seconds
    begin(exchange, begun)
    exchange.raw(begun)
    while exchange.sent < MOST and clock() < until:
        piece = b""
        while len(piece) < PIECE:
            piece += next(lines)
        exchange.raw(piece)
        await exchange.ready()
        if not await exchange.pause(0.001):
            break
    exchange.cut()


FAULTS = (
    Fault(
        name="dripped-head",
        script=drip_head,
        wrong="a correct response whose head comes byte by byte (?gap=0.1)",
        client="take it, or give up after a time for the whole head",
        section="RFC 9112 9.5",
    ),
    Fault(
        name="dripped-body",
        script=drip_body,
        wrong="a correct response whose content comes byte by byte (?gap=0.1)",
        client="take it; a timeout between two reads does not bound the whole",
        section="RFC 9112 9.5",
    ),
    Fault(
        name="stalled",
        script=stall,
        wrong="no answer, and the connection stays open (?seconds=30)",
        client=OWN_TIMEOUT,
        section="RFC 9112 9.5",
    ),
    Fault(
        name="stalled-head",
        script=stall_in_head,
        wrong="a head that never ends, and the connection stays open (?seconds=30)",
        client=OWN_TIMEOUT,
        section="RFC 9112 9.5",
    ),
    Fault(
        name="stalled-body",
        script=stall_in_body,
        wrong="1000 bytes are declared, and after 500 no more comes (?seconds=30)",
        client=OWN_TIMEOUT + "; what came is not the whole",
        section="RFC 9112 9.5",
    ),
    Fault(
        name="1xx-storm",
        script=storm,
        wrong="a thousand interim responses in front of the final one (?count=)",
        client="read over them, or stop at a bound of its own",
        section="RFC 9110 15.2",
    ),
    Fault(
        name="endless-head",
        script=endless_head,
        wrong="fields without end (?seconds=10, 64 MiB)",
        client=OWN_BOUND,
        section="RFC 9110 5.4",
    ),
    Fault(
        name="endless-line",
        script=endless_line,
        wrong="one field without end (?seconds=10, 64 MiB)",
        client=OWN_BOUND,
        section="RFC 9110 5.4",
    ),
    Fault(
        name="endless-chunk-extension",
        script=endless_extension,
        wrong="a chunk's extensions without end (?seconds=10, 64 MiB)",
        client=OWN_BOUND,
        section="RFC 9112 7.1.1",
    ),
    Fault(
        name="endless-trailers",
        script=endless_trailers,
        wrong="trailers without end (?seconds=10, 64 MiB)",
        client=OWN_BOUND,
        section="RFC 9112 7.1.2",
    ),
    Fault(
        name="endless-body",
        script=endless_body,
        wrong="content without end, and without a length (?seconds=10, 64 MiB)",
        client=OWN_BOUND,
        section="RFC 9110 17.5",
    ),
)
