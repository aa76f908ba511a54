"""What is typed or piped in, as it comes: a terminal, a pipe, a file."""

from __future__ import annotations

import asyncio
import os

PIECE = 64 << 10


class StandardInput:
    """Reads a descriptor, 0 by default, without holding the loop up; the descriptor stays blocking for others."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor

    @property
    def terminal(self) -> bool:
        return os.isatty(self._descriptor)

    async def read(self) -> bytes:
        """The next bytes, as many as there are; b"" at the end, and on a terminal at Ctrl-D."""
        await self._ready()
        try:
            return os.read(self._descriptor, PIECE)
        except OSError:  # the terminal is gone, or was never there
            return b""

    async def _ready(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_reader(self._descriptor, _settle, ready)
        except OSError:  # files, and /dev/null, are always ready and cannot be waited for
            return
        try:
            await ready
        finally:
            loop.remove_reader(self._descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
