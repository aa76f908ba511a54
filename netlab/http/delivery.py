"""Delivery of a representation: its preconditions, its ranges, its bytes, to GET and HEAD alike."""

from __future__ import annotations

import os

from netlab.cores.http1 import encode_fields
from netlab.http.byteranges import byteranges
from netlab.http.exchange import Exchange, Work
from netlab.http.representation import Representation, Version
from netlab.policy.conditional import Verdict, evaluate, range_applies
from netlab.policy.ranges import Span, select

"""What a handler leaves to be waited for."""

AT_ONCE = 64 << 10
"""Content up to this leaves in one write with its head; more goes by sendfile."""
PIECE = 256 << 10
"""Bytes that are read or handed over at once where more is to follow."""


class Changed(Exception):
    """The file is not any more what it was when it was found; raised before anything is sent."""


def deliver(exchange: Exchange, representation: Representation, *, now: float) -> Work:
    """Answer GET or HEAD with what a 200 would carry, in the order of RFC 9110 13.2.2; may raise Changed.

    `now` is in seconds since the epoch.
    """
    request = exchange.request
    fields = request.fields
    verdict = evaluate(request.method, fields, representation.current, now=now)
    if verdict is not None:
        _refuse(exchange, representation, verdict)
        return None
    # RFC 9110 14.2: Range means something to GET alone
    asked = fields.get("range") if request.method == "GET" else None
    if asked is not None:
        if_range = fields.get("if-range")
        if range_applies(if_range, representation.current, now=now):
            spans = select(asked, representation.size)
            if spans is not None:
                return _partial(exchange, representation, spans, brief=if_range is not None)
    return _whole(exchange, representation)


def _refuse(exchange: Exchange, representation: Representation, verdict: Verdict) -> None:
    if verdict.status == 304:
        exchange.respond(304, representation.retold)
    else:
        exchange.refuse(verdict.status, f"{verdict.reason} ({verdict.section})")


def _whole(exchange: Exchange, representation: Representation) -> Work:
    if exchange.request.method == "HEAD":
        exchange.start(200, representation.fields, length=representation.size)
        exchange.finish()
        return None
    if representation.body is not None:
        return _from_memory(exchange, 200, representation.fields, representation.body)
    descriptor = open_version(representation)
    exchange.start(200, representation.fields, length=representation.size)
    exchange.send_file(descriptor, 0, representation.size)
    return None


def _partial(exchange: Exchange, representation: Representation, spans: tuple[Span, ...], *, brief: bool) -> Work:
    """206 with one range or several, 416 without any; `brief` leaves out what the client has (RFC 9110 15.3.7)."""
    size = representation.size
    if not spans:
        exchange.refuse(
            416, f"none of these ranges lies within the {size} bytes", [("Content-Range", f"bytes */{size}")]
        )
        return None
    if len(spans) > 1:
        return _parts(exchange, representation, spans, brief=brief)
    (span,) = spans
    block = representation.retold if brief else representation.fields
    block += b"Content-Range: %b\r\n" % span.of(size).encode()
    if representation.body is not None:
        return _from_memory(exchange, 206, block, representation.body[span.first : span.last + 1])
    descriptor = open_version(representation)
    exchange.start(206, block, length=span.length)
    exchange.send_file(descriptor, span.first, span.length)
    return None


def _parts(exchange: Exchange, representation: Representation, spans: tuple[Span, ...], *, brief: bool) -> Work:
    """Several ranges as multipart/byteranges (RFC 9110 14.6)."""
    boundary = "netlab-" + representation.current.etags[0].strip('"')
    media_type, heads, tail, length = byteranges(spans, representation.size, representation.media_type, boundary)
    block = encode_fields([("Content-Type", media_type)])
    block += representation.retold if brief else representation.untyped
    body = representation.body
    if body is not None:
        pieces = [head + body[span.first : span.last + 1] for head, span in zip(heads, spans, strict=True)]
        return _from_memory(exchange, 206, block, b"".join([*pieces, tail]))
    descriptor = open_version(representation)
    exchange.start(206, block, length=length)
    return _send_parts(exchange, descriptor, heads, spans, tail)


def _from_memory(exchange: Exchange, status: int, block: bytes, body: bytes) -> Work:
    """At once where it is little; else piece by piece, as the client takes it."""
    if len(body) <= PIECE:
        exchange.respond(status, block, body)
        return None
    exchange.start(status, block, length=len(body))
    return _send_pieces(exchange, body)


async def _send_pieces(exchange: Exchange, body: bytes) -> None:
    for at in range(0, len(body), PIECE):
        exchange.send(body[at : at + PIECE])
        await exchange.ready()
    exchange.finish()


async def _send_parts(
    exchange: Exchange, descriptor: int, heads: list[bytes], spans: tuple[Span, ...], tail: bytes
) -> None:
    try:
        for head, span in zip(heads, spans, strict=True):
            exchange.send(head)
            at = span.first
            while at <= span.last:
                piece = os.pread(descriptor, min(PIECE, span.last + 1 - at), at)
                if not piece:  # the file became shorter, and its length is promised: only a cut says so
                    exchange.connection.abort()
                    return
                exchange.send(piece)
                at += len(piece)
                await exchange.ready()
        exchange.send(tail)
        exchange.finish()
    finally:
        os.close(descriptor)


def open_version(representation: Representation) -> int:
    """A descriptor of exactly the version that was found."""
    try:
        descriptor = os.open(representation.location, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        raise Changed from None
    if Version.of(os.fstat(descriptor)) != representation.version:
        os.close(descriptor)
        raise Changed
    return descriptor
