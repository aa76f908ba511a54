"""permessage-deflate (RFC 7692): what was agreed on, and messages compressed; contexts are made at first use."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

TAIL = b"\x00\x00\xff\xff"
"""What a sender leaves away at a message's end, and a receiver puts back (RFC 7692 7.2.1, 7.2.2)."""

MOST_ENDS = 64
"""Blocks of one piece that say they are the last; each costs a copy of what follows it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deflate:
    """What both sides have agreed on, seen from us."""

    our_bits: int = 15  # the size of our window, as a power of two
    their_bits: int = 15
    we_forget: bool = False  # our messages do not refer to those before (no context takeover)
    they_forget: bool = False
    level: int = 6
    memory: int = 5  # zlib's memLevel: our context takes 2 ** (bits + 2) + 2 ** (memory + 9) bytes


class TooMuch(Exception):
    """More would come out than is allowed."""


class Deflater:
    """Compresses messages for one direction."""

    __slots__ = ("_agreed", "_context")

    def __init__(self, agreed: Deflate) -> None:
        self._agreed = agreed
        self._context: zlib._Compress | None = None

    def message(self, data: bytes) -> bytes:
        """A whole message, as the payload of one frame or to be cut into several."""
        context = self._context
        if context is None:
            context = new_context(self._agreed)
        self._context = None if self._agreed.we_forget else context
        return (context.compress(data) + context.flush(zlib.Z_SYNC_FLUSH))[: -len(TAIL)]

    def forget(self) -> None:
        """Let the next message refer to none before it; needed where one was compressed elsewhere."""
        self._context = None


def new_context(agreed: Deflate) -> zlib._Compress:
    return zlib.compressobj(agreed.level, zlib.DEFLATED, -agreed.our_bits, agreed.memory)


def deflate_alone(data: bytes, agreed: Deflate) -> bytes:
    """A message that refers to no other: the same bytes for everyone with such a window."""
    context = new_context(agreed)
    return (context.compress(data) + context.flush(zlib.Z_SYNC_FLUSH))[: -len(TAIL)]


class Inflater:
    """Decompresses the messages of one direction, piece by piece, never more than asked for."""

    __slots__ = ("_agreed", "_context")

    def __init__(self, agreed: Deflate) -> None:
        self._agreed = agreed
        self._context: zlib._Decompress | None = None

    def piece(self, data: bytes, room: int, *, last: bool) -> bytes:
        """What a piece of a message's payload becomes; TooMuch if that is more than `room` bytes, or zlib.error."""
        context = self._context
        if context is None:
            context = self._context = zlib.decompressobj(-self._agreed.their_bits)
        if last:
            data = data + TAIL
        out = context.decompress(data, room + 1)
        if context.eof:
            out = self._after_the_end(context, out, room)
        if len(out) > room:
            raise TooMuch
        if last and self._agreed.they_forget:
            self._context = None
        return out

    def _after_the_end(self, context: zlib._Decompress, out: bytes, room: int) -> bytes:
        """A block said it was the last (RFC 7692 7.2.3.4): what follows in the message is a stream of its own, which
        may refer to what came out before.
        """
        for _ in range(MOST_ENDS):
            rest = context.unused_data
            context = self._context = zlib.decompressobj(-self._agreed.their_bits, out[-32768:])
            if rest and len(out) <= room:
                out += context.decompress(rest, room + 1 - len(out))
            if not context.eof:
                return out
        raise zlib.error("too many blocks that say they are the last")
