"""What is found at a path of the tree: a file with its representations, or a directory; and the cache of the former."""

from __future__ import annotations

import asyncio
import math
import os
from collections import OrderedDict
from dataclasses import dataclass

from netlab.http.representation import SUFFIXES, Pairs, Representation, Version


@dataclass(frozen=True, slots=True)
class FoundDirectory:
    """A directory; `slash` tells whether the path said so, else it is redirected to one that does."""

    location: str
    names: tuple[str, ...]
    slash: bool


class FoundFile:
    """One version of a file, and the representations of it that were made so far, by coding."""

    __slots__ = (
        "codings",
        "identity",
        "index",
        "location",
        "looked",
        "more",
        "path",
        "representations",
        "turn",
        "varies",
        "version",
        "weight",
    )

    def __init__(
        self,
        location: str,
        version: Version,
        identity: Representation,
        more: Pairs,
        *,
        varies: bool,
        index: bool = False,
    ) -> None:
        self.location, self.version, self.identity = location, version, identity
        self.index = index  # found at the path of its directory
        self.varies = varies  # it may be had in other codings than identity
        self.more = more  # Cache-Control, Vary: what every representation of it says
        self.representations = {identity.coding: identity}
        self.codings: tuple[str, ...] = ()  # it can be had in besides identity, the favourite first
        self.looked = -math.inf  # when precompressed neighbours were looked for, loop time
        self.turn = -1  # of the loop, in which it was last seen to stand
        self.path = ""  # of the request, where it is kept under one
        self.weight = len(identity.body or b"") + 2048  # bytes kept in memory, roughly

    def etags(self) -> tuple[str, ...]:
        """The entity tags of this version in every coding, for methods that change the file whichever was seen."""
        made = [f'"{self.version.tag}-{coding}"' for coding in SUFFIXES] if self.varies else []
        return (*{tag for each in self.representations.values() for tag in each.current.etags}, *made)

    def stands(self) -> bool:
        """Whether this is still what lies there."""
        try:
            status = os.stat(self.location)
        except (OSError, ValueError):
            return False
        version = self.version
        return (
            status.st_mtime_ns == version.modified_ns
            and status.st_ctime_ns == version.changed_ns
            and status.st_size == version.size
            and status.st_ino == version.inode
            and status.st_dev == version.device
        )

    def __repr__(self) -> str:
        return f"<FoundFile {self.location} {', '.join(self.representations)}>"


Found = FoundFile | FoundDirectory


class FileCache:
    """Files by request path, least recently used first out, bounded in number and in bytes.

    A file is asked for with one `stat` whether it still stands, once for all requests of one turn of the loop: they
    were all sent before the turn began, so none can know of a change that the first did not see.
    """

    LONGEST_PATH = 512  # a longer one is served, not kept

    def __init__(self, *, files: int = 4096, size: int) -> None:
        self.files, self.size, self.weight = files, size, 0
        self._kept: OrderedDict[str, FoundFile] = OrderedDict()
        self._turn = 0
        self._turning = False

    def get(self, path: str) -> FoundFile | None:
        """The file at a path, if it has not changed since it was kept."""
        found = self._kept.get(path)
        if found is None or found.turn == self._turn:
            return found
        if not found.stands():
            self.weight -= self._kept.pop(path).weight
            return None
        self._kept.move_to_end(path)
        found.turn = self._turn
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        return found

    def _next_turn(self) -> None:
        self._turning = False
        self._turn += 1

    def doubt(self) -> None:
        """Something was changed: nothing of what this turn has seen is believed any more."""
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
            self.weight -= self._kept.popitem(last=False)[1].weight

    def __len__(self) -> int:
        return len(self._kept)
