"""A capture in files of bounded size, of which only the newest are kept: the disk is never filled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from captures.pcapng import Writer


class Counted:
    """A sink that knows how much went into it; to a pipe each write goes at once."""

    def __init__(self, sink: BinaryIO, *, flush: bool = False) -> None:
        self._sink, self._flush, self.size = sink, flush, 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self._sink.write(data)
        if self._flush:
            self._sink.flush()
        return len(data)

    def close(self) -> None:
        self._sink.close()


def block_size(packet: bytes, notes: Iterable[bytes | str] = ()) -> int:
    """The most bytes that a packet's block takes in a file, with its comments or other options."""
    return 40 + len(packet) + sum(8 + len(note.encode() if isinstance(note, str) else note) for note in notes)


class Rolling:
    """Where packets are written: one file, or a row of them called NAME-1, NAME-2 … of which `keep` stay.

    `begin` writes what every file begins with. Without a limit there is one file, called as it is.
    """

    def __init__(self, path: Path, begin: Callable[[Writer], None], *, limit: int = 0, keep: int = 10) -> None:
        self._path, self._begin, self._limit, self._keep = path, begin, limit, keep
        self._number = 0
        self._written: deque[Path] = deque()
        self._open()

    def _open(self) -> None:
        self._number += 1
        numbered = f"{self._path.stem}-{self._number}{self._path.suffix}"
        path = self._path.with_name(numbered) if self._limit else self._path
        self._sink = Counted(path.open("wb"))
        self._written.append(path)
        while len(self._written) > self._keep:
            self._written.popleft().unlink(missing_ok=True)
        self._writer = Writer(self._sink)  # type: ignore[arg-type]  # of a file, only write is asked for
        self._begin(self._writer)
        self._begun = self._sink.size

    def writer(self, size: int = 1) -> Writer:
        """What is to be written with next; another file's, once this one has no room for so many bytes.

        What is larger than a file may be has one of its own.
        """
        if self._limit and self._sink.size + size > self._limit and self._sink.size > self._begun:
            self._sink.close()
            self._open()
        return self._writer

    def close(self) -> None:
        self._sink.close()
