"""Content on its way out: text from the command line, a file, or standard input, never whole in memory."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from netlab.errors import NetlabError, UsageError

PIECE = 64 << 10


class Content(Protocol):
    """What a request carries."""

    @property
    def length(self) -> int | None:
        """Its size in bytes, or None if that shows only at its end."""
        ...

    @property
    def again(self) -> bool:
        """Whether it can be sent a second time."""
        ...

    def pieces(self) -> AsyncIterator[bytes]: ...


class Text:
    """Bytes that are there."""

    again = True

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.length = len(data)

    async def pieces(self) -> AsyncIterator[bytes]:
        if self.data:
            yield self.data


class File:
    """A file, or whatever else has a name and can be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            facts = path.stat()
            with path.open("rb"):
                pass  # that it cannot be read shows before anything is sent
        except OSError as error:
            raise UsageError(f"-d @{path}: {error.strerror}") from None
        self.again = stat.S_ISREG(facts.st_mode)
        self.length = facts.st_size if self.again else None

    async def pieces(self) -> AsyncIterator[bytes]:
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            async for data in _read(descriptor, str(self._path)):
                yield data
        finally:
            os.close(descriptor)


class StandardInput:
    """What somebody types or pipes in."""

    again = False
    length = None

    async def pieces(self) -> AsyncIterator[bytes]:
        async for data in _read(sys.stdin.fileno(), "standard input"):
            yield data


def content(texts: Sequence[str]) -> Content | None:
    """The content that one or more `-d` name: TEXT, several joined by &, or one @FILE, or @- for standard input."""
    if not texts:
        return None
    first = texts[0]
    if not any(text.startswith("@") for text in texts):
        return Text("&".join(texts).encode("utf-8", "surrogateescape"))
    if len(texts) > 1:
        raise UsageError("-d @FILE is all the content there is: it cannot be joined with another -d")
    return StandardInput() if first == "@-" else File(Path(first[1:]))


async def _read(descriptor: int, name: str) -> AsyncIterator[bytes]:
    try:
        while True:
            await _readable(descriptor)
            data = os.read(descriptor, PIECE)
            if not data:
                return
            yield data
    except OSError as error:
        raise NetlabError(f"cannot read {name}: {error.strerror}") from None


async def _readable(descriptor: int) -> None:
    """Wait until a read would not block. The descriptor stays blocking: a terminal shares that with other programs."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # a regular file, which is always ready
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
