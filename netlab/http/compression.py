"""Compression of responses on their way: coded piece by piece, where client, content and origin allow it."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from netlab.http.exchange import Exchange
from netlab.policy.coding import IDENTITY, choose

CODINGS = ("zstd", "br", "gzip")
"""The codings that are offered, the one preferred among equals first."""
TYPES = (
    "text/*",
    "application/json",
    "application/*+json",
    "application/x-ndjson",
    "application/javascript",
    "application/xml",
    "application/*+xml",
    "application/wasm",
    "application/x-www-form-urlencoded",
    "image/svg+xml",
    "image/bmp",
    "font/ttf",
    "font/otf",
)
"""Media types that compress well; nothing that is compressed already."""
EVENTS = "text/event-stream"
"""Of the types above, the one that has to be asked for: events are small, and must not wait for each other."""
REMEMBERED = 4 << 10
"""Bytes of a field block whose verdict is remembered."""
FIELD = re.compile(
    rb"^(accept-ranges|cache-control|content-(?:digest|encoding|md5|range|type)|etag|repr-digest|vary):"
    rb"[ \t]*([^\r\n]*)\r\n",
    re.IGNORECASE | re.MULTILINE,
)
NO_TRANSFORM = re.compile(rb"(?:^|,)[ \t]*no-transform[ \t]*(?:,|$)", re.IGNORECASE)
BOUND = (b"content-encoding", b"content-range", b"content-digest", b"repr-digest", b"content-md5")
"""Fields that hold for exactly these bytes: what has one of them is left alone (RFC 9110 14.4, RFC 9530)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressionOptions:
    """types    media types that are compressed, `*` for any characters in a part
    smallest  bytes of content below which it is not worth it
    """

    types: tuple[str, ...] = TYPES
    smallest: int = 512


class Coder(Protocol):
    """Codes a stream."""

    def code(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes:
        """So much that everything given so far can be decoded."""

    def end(self) -> bytes: ...


class Verdict(NamedTuple):
    """The coding to be used, if any, and the field block as it is then."""

    coding: str | None
    block: bytes


class Compression:
    """What the responses of one server have in common; `begin` is asked for each exchange."""

    def __init__(self, options: CompressionOptions | None = None) -> None:
        self.options = options or CompressionOptions()
        types = [re.escape(name).replace(r"\*", "[^/;]*") for name in self.options.types]
        self._types = re.compile(rf"(?:{'|'.join(types)})[ \t]*(?:;.*)?", re.IGNORECASE | re.DOTALL)
        self._events = EVENTS in self.options.types
        self._remembered = lru_cache(maxsize=128)(self._judge)

    def begin(self, exchange: Exchange) -> None:
        """Have the answer to this request coded, if it turns out to be worth it."""
        fields = exchange.request.fields
        asked = fields.get("cache-control")
        if asked is None or not NO_TRANSFORM.search(asked.encode("latin-1")):  # RFC 9111 5.2.1.6
            exchange.recode(Compressed(self, fields.get("accept-encoding"), fields.get("if-none-match")))

    def judge(self, status: int, block: bytes, accept: str | None, known: str | None) -> Verdict:
        """What becomes of a response with these fields, for a client that accepts and knows this."""
        if status == 304:
            return Verdict(None, retold(block, known or ""))
        if len(block) > REMEMBERED or (accept is not None and len(accept) > REMEMBERED):
            return self._judge(block, accept)
        return self._remembered(block, accept)

    def _judge(self, block: bytes, accept: str | None) -> Verdict:
        found: dict[bytes, bytes] = {}
        for name, value in FIELD.findall(block):
            key = name.lower()
            found[key] = found[key] + b"," + value if key in found else value
        if any(name in found for name in BOUND) or NO_TRANSFORM.search(found.get(b"cache-control", b"")):
            return Verdict(None, block)  # RFC 9110 7.7: no-transform
        if not self._compresses(found.get(b"content-type", b"").decode("latin-1")):
            return Verdict(None, block)
        coding = choose(accept, CODINGS)
        if coding is None or coding == IDENTITY:
            return Verdict(None, varying(block, found.get(b"vary")))
        return Verdict(coding, coded_fields(varying(block, found.get(b"vary")), coding))

    def _compresses(self, media_type: str) -> bool:
        events = media_type.lower().startswith(EVENTS)
        return self._types.fullmatch(media_type) is not None and (self._events or not events)


class Compressed:
    """One response: decided on by its head, then coded as it comes. A stream of unknown length never waits for more."""

    __slots__ = ("_accept", "_by", "_coder", "_flushes", "_known")

    def __init__(self, by: Compression, accept: str | None, known: str | None) -> None:
        self._by, self._accept, self._known = by, accept, known
        self._coder: Coder | None = None
        self._flushes = False

    def head(self, status: int, block: bytes, length: int | None) -> tuple[bytes, int | None]:
        if status in (204, 206) or (length is not None and length < self._by.options.smallest and status != 304):
            return block, length
        coding, block = self._by.judge(status, block, self._accept, self._known)
        if coding is None:
            return block, length
        self._coder, self._flushes = CODERS[coding](), length is None
        return block, None

    def piece(self, data: bytes) -> bytes:
        coder = self._coder
        if coder is None:
            return data
        coded = coder.code(data)
        return coded + coder.flush() if self._flushes else coded

    def end(self) -> bytes:
        return self._coder.end() if self._coder is not None else b""


# -- fields ------------------------------------------------------------------------------------------------------


def varying(block: bytes, vary: bytes | None) -> bytes:
    """The answer depends on Accept-Encoding, whichever this one is (RFC 9110 12.5.5)."""
    if vary is not None and re.search(rb"(?:^|,)[ \t]*(?:\*|accept-encoding)[ \t]*(?:,|$)", vary, re.IGNORECASE):
        return block
    return block + b"Vary: Accept-Encoding\r\n"


def coded_fields(block: bytes, coding: str) -> bytes:
    """The same content in other bytes: its tag is weak now (RFC 9110 8.8.1), and ranges of it are not to be had."""

    def change(match: re.Match[bytes]) -> bytes:
        name = match[1].lower()
        if name == b"accept-ranges":
            return b""
        if name == b"etag" and match[2].startswith(b'"'):
            return b"%b: W/%b\r\n" % (match[1], match[2])
        return match[0]

    return FIELD.sub(change, block) + b"Content-Encoding: %b\r\n" % coding.encode()


def retold(block: bytes, known: str) -> bytes:
    """A 304 names the tag as the client knows it: weak, if that is how it got it."""

    def change(match: re.Match[bytes]) -> bytes:
        weak = b"W/" + match[2]
        if match[1].lower() == b"etag" and match[2].startswith(b'"') and weak.decode("latin-1") in known:
            return b"%b: %b\r\n" % (match[1], weak)
        return match[0]

    return FIELD.sub(change, block)


# -- coders ------------------------------------------------------------------------------------------------------


class Gzip:
    """RFC 1952."""

    def __init__(self) -> None:
        self._coder = zlib.compressobj(5, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def code(self, data: bytes) -> bytes:
        return self._coder.compress(data)

    def flush(self) -> bytes:
        return self._coder.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._coder.flush()


class Brotli:
    """RFC 7932."""

    def __init__(self) -> None:
        import brotli

        self._coder = brotli.Compressor(quality=4)

    def code(self, data: bytes) -> bytes:
        return bytes(self._coder.process(data))

    def flush(self) -> bytes:
        return bytes(self._coder.flush())

    def end(self) -> bytes:
        return bytes(self._coder.finish())


class Zstd:
    """RFC 8878; at this level its windows stay below the 8 MiB that browsers take."""

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdCompressor

            own = ZstdCompressor(level=3)
            self._coder: Any = own
            self._modes = own.FLUSH_BLOCK, own.FLUSH_FRAME
        else:
            import zstandard

            self._coder = zstandard.ZstdCompressor(level=3).compressobj()
            self._modes = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH

    def code(self, data: bytes) -> bytes:
        return bytes(self._coder.compress(data))

    def flush(self) -> bytes:
        return bytes(self._coder.flush(self._modes[0]))

    def end(self) -> bytes:
        return bytes(self._coder.flush(self._modes[1]))


CODERS: dict[str, Callable[[], Coder]] = {"gzip": Gzip, "br": Brotli, "zstd": Zstd}
