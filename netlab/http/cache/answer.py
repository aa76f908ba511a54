"""Answering a request from what is stored: conditions, ranges, and the content as the client takes it."""

from __future__ import annotations

from netlab.cores.http1 import encode_fields
from netlab.http.byteranges import byteranges
from netlab.http.cache.stored import Stored
from netlab.http.exchange import Exchange
from netlab.policy.conditional import evaluate
from netlab.policy.http_cache.partial import covering, strong_validator
from netlab.policy.http_cache.validation import CONDITIONS
from netlab.policy.ranges import Span, select

AT_ONCE = 256 << 10
"""Content up to this is handed over with its head; of more, so much at a time."""


def answer(exchange: Exchange, stored: Stored, member: str, now: float) -> None:
    """Answer GET or HEAD with a stored response that may be used; `member` is what Cache-Status says of it."""
    request = exchange.request
    fields = request.fields
    news = b"Age: %d\r\nCache-Status: %b\r\n" % (stored.fresh.age(now), member.encode())
    if stored.status == 200:  # RFC 9110 13.2.1, 14.2: conditions and ranges are about representations
        if any(name in fields for name in CONDITIONS):
            verdict = evaluate(request.method, fields, stored.current, now=now)
            if verdict is not None:
                exchange.respond(verdict.status, stored.retold + news, own=False)
                return
        spans = ranges_asked(exchange, stored, now)
        if spans is not None:
            _partial(exchange, stored, spans, news, member)
            return
    _whole(exchange, stored, stored.block + news)


def ranges_asked(exchange: Exchange, stored: Stored, now: float) -> tuple[Span, ...] | None:
    """The ranges that a request wants of what is stored; None where it wants all of it."""
    request = exchange.request
    asked = request.fields.get("range") if request.method == "GET" else None
    if asked is None:
        return None
    if_range = request.fields.get("if-range")
    if if_range is not None and if_range != strong_validator(stored.fields, now):
        return None
    return select(asked, stored.size)


def can_answer(exchange: Exchange, stored: Stored, now: float) -> bool:
    """Whether all that a request wants is here; always so where it is complete."""
    if stored.complete:
        return True
    if exchange.request.method == "HEAD":
        return True
    spans = ranges_asked(exchange, stored, now)
    return bool(spans) and all(covering(stored.parts, *span) is not None for span in spans or ())


def _whole(exchange: Exchange, stored: Stored, block: bytes) -> None:
    if exchange.request.method == "HEAD":
        exchange.start(stored.status, block, length=stored.size, own=False)
        exchange.finish()
        return
    content = stored.content
    if len(content) <= AT_ONCE:
        exchange.respond(stored.status, block, content, own=False)
        return
    exchange.start(stored.status, block, length=len(content), own=False)
    Pouring(exchange, content).go_on()


def _partial(exchange: Exchange, stored: Stored, spans: tuple[Span, ...], news: bytes, member: str) -> None:
    """206; and 416 where no range lies within it."""
    size = stored.size
    if not spans:
        refused = [("Content-Range", f"bytes */{size}"), ("Cache-Status", member)]
        exchange.refuse(416, f"none of these ranges lies within the {size} bytes", refused)
        return
    found = [covering(stored.parts, *span) or b"" for span in spans]
    if len(spans) == 1:
        block, content = stored.block + b"Content-Range: %b\r\n" % spans[0].of(size).encode(), found[0]
    else:
        media_type = stored.fields.get("content-type") or "application/octet-stream"
        boundary = f"netlab-{hash((stored.key, stored.fresh.answered)) & (1 << 64) - 1:016x}"
        parted = byteranges(spans, size, media_type, boundary)
        untyped = [pair for pair in stored.fields if pair[0].lower() != "content-type"]
        block = encode_fields([("Content-Type", parted.media_type), *untyped])
        content = b"".join([*(piece for both in zip(parted.heads, found, strict=True) for piece in both), parted.tail])
    exchange.start(206, block + news, length=len(content), own=False)
    Pouring(exchange, content).go_on()


class Pouring:
    """Content on its way to one client, as fast as it is taken."""

    __slots__ = ("_at", "_content", "_exchange")

    def __init__(self, exchange: Exchange, content: bytes) -> None:
        self._exchange, self._content, self._at = exchange, content, 0

    def go_on(self) -> None:
        """A piece; the next when the client has taken it."""
        exchange, content = self._exchange, self._content
        connection = exchange.connection
        connection.source = None
        while self._at < len(content):
            exchange.send(content[self._at : self._at + AT_ONCE])
            self._at += AT_ONCE
            if self._at < len(content):
                connection.flush()
                if connection.writing_paused:
                    connection.source = self
                    return
        exchange.finish()

    def cancel(self) -> None:
        """The client is gone."""
