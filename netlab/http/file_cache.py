"""The cache of files: what was read and made of them, as long as they stand unchanged, within a bound."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict

from netlab.http.found import FoundFile
from netlab.http.repeats import Repeats

LOOK_AGAIN = 1.0
"""Seconds for which it is believed which precompressed neighbours a file has."""


class FileCache:
    """Files by request path, least recently used first out, bounded in number and in bytes.

    A file is asked for with one `stat` whether it still stands, once for all requests of one turn of the loop: they
    were all sent before the turn began, so none can know of a change that the first did not see.
    """

    LONGEST_PATH = 512  # a longer one is served, not kept

    def __init__(self, *, files: int = 4096, size: int) -> None:
        self.files, self.size, self.weight = files, size, 0
        self.repeats = Repeats()
        self._kept: OrderedDict[str, FoundFile] = OrderedDict()
        self._turn = 0
        self._turning = False

    def get(self, path: str) -> FoundFile | None:
        """The file at a path, if it has not changed since it was kept."""
        found = self._kept.get(path)
        if found is None or found.turn == self._turn:
            return found
        if not found.stands():
            self._drop(path)
            return None
        self._kept.move_to_end(path)
        found.turn = self._turn
        loop = asyncio.get_running_loop()
        if loop.time() - found.looked >= LOOK_AGAIN:
            found.looked = -math.inf
        if not self._turning:
            self._turning = True
            loop.call_soon(self._next_turn)
        return found

    def _next_turn(self) -> None:
        self._turning = False
        self._turn += 1

    def doubt(self) -> None:
        """Something was changed by ourselves: what this turn has seen is not believed any more.

        To be called before the change is acknowledged: an answer may set free the next request of its connection.
        """
        self._turn += 1

    def put(self, path: str, found: FoundFile) -> None:
        if len(path) <= self.LONGEST_PATH and path not in self._kept:
            found.path = path
            self._kept[path] = found
            self.weight += found.weight
            self._shrink()

    def grew(self, found: FoundFile, size: int) -> None:
        """So many bytes more are kept with a file."""
        if self._kept.get(found.path) is found:
            found.weight += size
            self.weight += size
            self._shrink()

    def _shrink(self) -> None:
        while self._kept and (len(self._kept) > self.files or self.weight > self.size):
            self._drop(next(iter(self._kept)))

    def _drop(self, path: str) -> None:
        found = self._kept.pop(path)
        found.path = ""
        self.weight -= found.weight
        self.repeats.clear()  # it must not hold what is not kept

    def __len__(self) -> int:
        return len(self._kept)
