"""Secrets in content of HTTP, read on as it comes: chunks joined, codings undone, whatever segments cut."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from captures.dissectors.http1 import CHUNK_SIZE, HEAD
from captures.messages import LONGEST, Coded
from netlab.inspect.masks import Cover, StreamMask, differences, moved, whole

RATIO = 64
"""Bytes that one byte of a coding may give in the long run; of what gives more, the rest is hidden."""
ENDLESS = 1 << 62

Undo = Callable[[bytes], bytes]


class Unreadable(Exception):
    """A coding that cannot be undone here, or whose beginning is lost: nobody can tell what is secret in it."""


class Inflation:
    """Deflate, piece by piece, in a wrapper that `window` names as zlib does; 0 where the first byte tells which."""

    def __init__(self, window: int = 0) -> None:
        self._window = window
        self._inflater: Any = None
        self._room = LONGEST

    def __call__(self, data: bytes) -> bytes:
        """What these bytes add; Unreadable where they cannot follow."""
        if not self._window and data:
            self._window = 15 if data[0] & 15 == 8 else -15  # RFC 1950 2.2; some leave the wrapper out
        self._room += RATIO * len(data)
        plain = b""
        try:
            while data:
                if self._inflater is None or self._inflater.eof:  # RFC 1952 2.2: members may follow one another
                    self._inflater = zlib.decompressobj(self._window)
                plain += self._inflater.decompress(data, max(self._room - len(plain), 1))
                if self._inflater.unconsumed_tail:
                    raise Unreadable
                data = self._inflater.unused_data
        except zlib.error:
            raise Unreadable from None
        self._room = min(self._room - len(plain), LONGEST)
        return plain


def _brotli() -> Undo:
    import brotli

    decompressor = brotli.Decompressor()

    def undo(data: bytes) -> bytes:
        try:
            plain = bytes(decompressor.process(data, output_buffer_limit=LONGEST)) if data else b""
        except brotli.error:
            raise Unreadable from None
        if not decompressor.can_accept_more_data() and not decompressor.is_finished():
            raise Unreadable
        return plain

    return undo


UNDO: dict[str, Callable[[], Undo]] = {
    "gzip": lambda: Inflation(31),
    "x-gzip": lambda: Inflation(31),
    "deflate": Inflation,
    "br": _brotli,
}


class ContentSecrets:
    """The content of one message, from its first byte on."""

    def __init__(self, coded: Coded) -> None:
        self.start, self.done = coded.start, coded.length == 0
        self.lost = any(name not in UNDO for name in coded.codings)
        self._undo = [] if self.lost else [UNDO[name]() for name in reversed(coded.codings)]
        self._mask = StreamMask()
        self._chunked, self._line = coded.chunked, b""
        self._left = 0 if coded.chunked else ENDLESS if coded.length is None else coded.length

    def read(self, data: bytes) -> tuple[int, list[Cover]]:
        """The next bytes of the stream; how many of them are content, and what covers the secrets in them."""
        at, covers = 0, list[Cover]()
        while at < len(data) and not self.done:
            if not self._left:
                at = self._chunk_size(data, at)
                continue
            piece = data[at : at + self._left]
            covers += moved(self._secrets(piece), at)
            at += len(piece)
            self._left -= len(piece)
            self.done = not self._left and not self._chunked
        return at, covers

    def skip(self, size: int) -> bool:
        """So many bytes are missing; False where it is not known what is behind them."""
        if size > self._left:
            self.done = True
            return False
        self._mask = StreamMask(torn=True)
        self.lost = self.lost or bool(self._undo)
        self._left -= size
        self.done = not self._left and not self._chunked
        return True

    def _secrets(self, piece: bytes) -> list[Cover]:
        try:
            if self.lost:
                raise Unreadable
            plain = piece
            for undo in self._undo:
                plain = undo(plain)
        except Unreadable:
            self.lost = True
            return whole(0, len(piece))
        covers = differences(plain, self._mask.piece(plain))
        if not self._undo:
            return covers
        return whole(0, len(piece)) if covers or self._mask.open else []

    def _chunk_size(self, data: bytes, at: int) -> int:
        """Pass a chunk's size, and the end of the chunk before it (RFC 9112 7.1); what is none hides all behind it."""
        end = data.find(b"\n", at) + 1
        self._line += data[at : end or len(data)]
        if len(self._line) > HEAD:
            self.lost, self._left = True, ENDLESS
        if not end:
            return len(data)
        line, self._line = self._line, b""
        if line.strip():
            size = CHUNK_SIZE.fullmatch(line)
            self._left = int(size[1], 16) if size is not None else ENDLESS
            self.lost = self.lost or size is None
            self.done = not self._left  # trailers are lines, as before
        return end
