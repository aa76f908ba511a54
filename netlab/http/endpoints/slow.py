"""Paths that take their time: a delayed answer, content that drips, a range at its own pace."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from netlab.http.endpoints.answers import LIMIT, TEXT, answering, respond, respond_json, stream
from netlab.http.endpoints.arguments import Arguments, seconds, segment
from netlab.http.endpoints.data import BINARY, CHUNK, MOST
from netlab.http.endpoints.mirror import DELAYED, mirror
from netlab.http.exchange import Exchange, Work
from netlab.http.routes import Routes
from netlab.policy.ranges import Span, select
from netlab.service import Context

LONGEST_DELAY = 10.0
MOST_DRIPPED = 10 << 20
TICK = 0.01
"""Seconds between two pieces at least; what is due sooner leaves together."""
PIECE = 64 << 10
BACKWARD = re.compile(r"\s*bytes=(\d{1,18})-(\d{1,18})\s*")


def register(routes: Routes, context: Context) -> None:
    about = "the request, after so many seconds (10 at most)"
    routes.add("GET POST PUT DELETE PATCH TRACE", "/delay/{delay}", delay, about)
    routes.add("GET", "/drip", drip, "?numbytes= over ?duration= seconds, after ?delay=, with ?code=")
    routes.add("GET", "/range/{n}", ranged, "n letters, with Range, ?chunk_size= and ?duration=")


@answering
def delay(exchange: Exchange, delay: str) -> Coroutine[Any, Any, None]:
    return answer_late(exchange, min(seconds("the delay", delay), LONGEST_DELAY))


async def answer_late(exchange: Exchange, delay: float) -> None:
    body = await exchange.body(LIMIT)
    await exchange.pause(delay)
    respond_json(exchange, mirror(exchange, DELAYED, body))


@answering
def drip(exchange: Exchange) -> Coroutine[Any, Any, None]:
    arguments = Arguments(exchange.request)
    count = arguments.whole("numbytes", 10, least=1)
    code = arguments.whole("code", 200, least=200, most=999)
    return dripped(
        exchange,
        code,
        min(count, MOST_DRIPPED),
        arguments.seconds("duration", 2.0),
        arguments.seconds("delay", 0.0),
    )


async def dripped(exchange: Exchange, code: int, count: int, duration: float, delay: float) -> None:
    if delay:
        await exchange.pause(delay)
    await stream(exchange, code, [BINARY], drops(exchange, count, duration), length=count)


async def drops(exchange: Exchange, count: int, duration: float) -> AsyncIterator[bytes]:
    """So many bytes, evenly over the duration; the rest at once when the server is to end."""
    now = exchange.connection.loop.time
    begun, gap, sent, patient = now(), duration / count, 0, duration > 0
    while sent < count:
        due = min(int((now() - begun) / gap) + 1, count) if patient else count
        due = min(max(due, sent + 1), sent + PIECE)
        yield b"*" * (due - sent)
        sent = due
        if patient and sent < count:
            patient = await exchange.pause(max(begun + sent * gap - now(), TICK))


@answering
def ranged(exchange: Exchange, n: str) -> Work:
    size = segment(n)
    fields = [("ETag", f"range{size}"), ("Accept-Ranges", "bytes")]
    if not 0 < size <= MOST:
        respond(exchange, 404, [TEXT, *fields], f"number of bytes must be in the range (0, {MOST}]".encode())
        return None
    arguments = Arguments(exchange.request)
    pace = arguments.seconds("duration", 0.0) / size
    chunk = max(arguments.whole("chunk_size", CHUNK), 1)
    span = selected(exchange.request.fields.get("range") or "", size)
    if span is None:
        respond(exchange, 416, [TEXT, *fields, ("Content-Range", f"bytes */{size}")])
        return None
    fields += [BINARY, ("Content-Range", span.of(size))]
    status = 200 if span.length == size else 206
    return stream(exchange, status, fields, letters(exchange, span, chunk, pace), length=span.length)


def selected(field: str, size: int) -> Span | None:
    """The one range asked for, the whole for several or none; None where it cannot be had."""
    backward = BACKWARD.fullmatch(field)
    if backward and int(backward[1]) > int(backward[2]):
        return None  # invalid, and refused rather than ignored, as httpbin does (RFC 9110 14.2 allows both)
    spans = select(field, size)
    if spans is None or len(spans) > 1:
        return Span(0, size - 1)
    return spans[0] if spans else None


async def letters(exchange: Exchange, span: Span, chunk: int, pace: float) -> AsyncIterator[bytes]:
    """a to z, again and again, by position, so that every range of it is known; `pace` is in seconds a byte."""
    owed = 0.0
    for start in range(span.first, span.last + 1, chunk):
        piece = bytes(97 + position % 26 for position in range(start, min(start + chunk, span.last + 1)))
        owed += pace * len(piece)
        if owed >= TICK:
            pace = pace if await exchange.pause(owed) else 0.0
            owed = 0.0
        yield piece
