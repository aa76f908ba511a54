"""The content of an HTTP message with its codings taken off, as a buffer of its own."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from captures.messages import LONGEST, Decoded

CODING = re.compile(rb"(?im)^content-encoding:([^\r\n]*+)")
TYPE = re.compile(rb"(?im)^content-type:[ \t]*([^\r\n;]*)")
PROTOCOLS = {b"application/dns-message": "dns"}


def codings_of(head: bytes) -> tuple[str, ...]:
    """What was done to a content, in the order in which it was done (RFC 9110 8.4)."""
    names = [name.strip().lower() for found in CODING.findall(head) for name in found.split(b",")]
    return tuple(name.decode("latin-1") for name in names if name and name != b"identity")


def decoded(head: bytes, body: bytes, *, chunked: bool = False) -> tuple[Decoded, ...]:
    """Buffers that follow from a message's content: chunks joined, codings undone, at most LONGEST bytes of each."""
    buffers: list[Decoded] = []
    kind = TYPE.search(head)
    protocol = PROTOCOLS.get(kind[1].strip().lower(), "") if kind else ""
    codings = codings_of(head)
    if chunked and body:
        buffers.append(Decoded("Content without its chunks", body, "" if codings else protocol))
    for name in reversed(codings):
        undo = UNDO.get(name)
        data = undo(body) if undo is not None and body else None
        if data is None:
            return tuple(buffers)
        body = data
        buffers.append(Decoded(f"Content without {name}", body, protocol))
    if not buffers and protocol and body:
        buffers.append(Decoded("Content", body, protocol))
    return tuple(buffers)


def _inflate(window: int) -> Callable[[bytes], bytes | None]:
    def undo(data: bytes) -> bytes | None:
        try:
            return zlib.decompressobj(window).decompress(data, LONGEST)
        except zlib.error:
            return None

    return undo


def _deflate(data: bytes) -> bytes | None:
    """With zlib's wrapper, as RFC 9110 8.4.1.2 has it, or without, as some send it."""
    return _inflate(15)(data) or _inflate(-15)(data)


def _brotli(data: bytes) -> bytes | None:
    import brotli

    try:
        return bytes(brotli.Decompressor().process(data, output_buffer_limit=LONGEST)[:LONGEST])
    except brotli.error:
        return None


UNDO: dict[str, Callable[[bytes], bytes | None]] = {
    "gzip": _inflate(31),
    "x-gzip": _inflate(31),
    "deflate": _deflate,
    "br": _brotli,
}
