"""Several ranges in one answer: what stands between the parts of a multipart/byteranges (RFC 9110 14.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netlab.policy.ranges import Span


class Parted(NamedTuple):
    """heads   what stands before each part, tail behind the last
    length  of all of it
    """

    media_type: str
    heads: list[bytes]
    tail: bytes
    length: int


def byteranges(spans: Sequence[Span], size: int, media_type: str, boundary: str) -> Parted:
    """For these ranges of a representation of so many bytes; `boundary` must not occur in it."""
    part = f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: "
    heads = [f"{part}{span.of(size)}\r\n\r\n".encode("latin-1") for span in spans]
    heads[0] = heads[0][2:]
    tail = f"\r\n--{boundary}--\r\n".encode("latin-1")
    length = sum(map(len, heads)) + sum(span.length for span in spans) + len(tail)
    return Parted(f"multipart/byteranges; boundary={boundary}", heads, tail, length)
