"""Content codings undone as content comes in: gzip, deflate, br, zstd, in any order, within bounds (RFC 9110 8.4)."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from netlab.errors import NetlabError

PIECE = 64 << 10
"""The most a decoder gives at once, so that a small input cannot fill the memory."""
FREE = 64 << 20
"""So much may come out whatever went in; past it, the ratio counts."""
MAX_RATIO = 250
"""What content may grow to, over what it was: more is a bomb, not a page. Text seldom passes 20."""

ACCEPTED = "gzip, deflate, br, zstd"
"""For an Accept-Encoding field."""


class CodingError(NetlabError):
    """Content that its coding does not allow, that ends inside it, or that grows without measure."""


class Decoder(Protocol):
    """One coding, undone piece by piece."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What the data decodes to, in pieces of a bounded size; raises CodingError."""
        ...

    def finish(self) -> None:
        """The content is over; raises CodingError if it ended too early."""
        ...


class Inflate:
    """gzip (RFC 1952), of any number of members, and deflate: zlib's format (RFC 1950), or, from some, without it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._member: Any = zlib.decompressobj(31) if name == "gzip" else None
        self._head = b""  # of deflate, until its format is known

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._member is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return
            self._member = zlib.decompressobj(15 if _is_zlib(data) else -15)
        while data:
            if self._member.eof:
                if self._name != "gzip":
                    raise CodingError(f"bytes follow the end of the {self._name} content")
                self._member = zlib.decompressobj(31)  # another member follows (RFC 1952 2.2)
            try:
                piece = self._member.decompress(data, PIECE)
            except zlib.error as error:
                raise CodingError(f"the content is not {self._name}: {error}") from None
            if piece:
                yield piece
            data = self._member.unconsumed_tail or self._member.unused_data

    def finish(self) -> None:
        if self._member is None or not self._member.eof:
            raise CodingError(f"the content ends inside its {self._name} data")


def _is_zlib(head: bytes) -> bool:
    """Whether content begins as RFC 1950 says; RFC 9110 8.4.1.2 notes that some send bare deflate data instead."""
    return head[0] & 0x0F == 8 and (head[0] << 8 | head[1]) % 31 == 0


class Brotli:
    """br (RFC 7932)."""

    def __init__(self) -> None:
        import brotli

        self._error: type[Exception] = brotli.error
        self._decoder = brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        decoder = self._decoder
        try:
            piece = decoder.process(data, output_buffer_limit=PIECE)
            while piece or not decoder.can_accept_more_data():
                if piece:
                    yield piece
                piece = decoder.process(b"", output_buffer_limit=PIECE)
        except self._error:
            raise CodingError("the content is not br") from None

    def finish(self) -> None:
        if not self._decoder.is_finished():
            raise CodingError("the content ends inside its br data")


class Zstandard:
    """zstd (RFC 8878), of any number of frames, with windows of at most 8 MiB (RFC 9659)."""

    SLICE = 64  # bytes given at once: a block of 4 bytes can stand for 128 KiB, so this is at most 2 MiB
    WINDOW_LOG = 23

    def __init__(self) -> None:
        self._open, self._error = _zstd(self.WINDOW_LOG)
        self._frame = self._open()
        self._inside = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            for start in range(0, len(data), self.SLICE):
                part = data[start : start + self.SLICE]
                while part:
                    if self._frame.eof:
                        self._frame = self._open()
                    self._inside = True
                    piece = self._frame.decompress(part)
                    if piece:
                        yield piece
                    part = self._frame.unused_data
        except self._error as error:
            raise CodingError(f"the content is not zstd: {error}") from None

    def finish(self) -> None:
        if self._inside and not self._frame.eof:
            raise CodingError("the content ends inside its zstd data")


def _zstd(window_log: int) -> tuple[Callable[[], Any], type[Exception]]:
    """What opens a frame, and what it raises: of the standard library from Python 3.14 on, of `zstandard` before."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        options = {zstd.DecompressionParameter.window_log_max: window_log}
        return lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=1 << window_log).decompressobj, zstandard.ZstdError


CODINGS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: Inflate("gzip"),
    "x-gzip": lambda: Inflate("gzip"),  # RFC 9110 8.4.1.3
    "deflate": lambda: Inflate("deflate"),
    "br": Brotli,
    "zstd": Zstandard,
}


class Decoding:
    """All codings of one content, undone from the last applied to the first; `bytes_in` and `bytes_out` count.

    free  bytes that may come out whatever went in; past them, the ratio counts
    """

    def __init__(self, codings: Sequence[str], *, free: int = FREE) -> None:
        self._free = free
        self.codings = [coding for coding in codings if coding != "identity"]
        unknown = [coding for coding in self.codings if coding not in CODINGS]
        if unknown:
            raise CodingError(f"the content coding {unknown[0]!r} is not known; --raw shows the content as it came")
        self._decoders = [CODINGS[coding]() for coding in reversed(self.codings)]
        self.bytes_in = self.bytes_out = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The content that so many more bytes decode to; raises CodingError."""
        self.bytes_in += len(data)
        for piece in self._through(data, 0):
            self.bytes_out += len(piece)
            if self.bytes_out > self._free and self.bytes_out > self.bytes_in * MAX_RATIO:
                raise CodingError(
                    f"{self.bytes_in} bytes of {', '.join(self.codings)} grow to more than {self.bytes_out}: "
                    "that is a decompression bomb; --raw shows the content as it came"
                )
            yield piece

    def _through(self, data: bytes, index: int) -> Iterator[bytes]:
        if index == len(self._decoders):
            yield data
            return
        for piece in self._decoders[index].decode(data):
            yield from self._through(piece, index + 1)

    def finish(self) -> None:
        if self.bytes_in:
            for decoder in self._decoders:
                decoder.finish()
