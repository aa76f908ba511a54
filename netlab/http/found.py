"""What is found at a path of the tree: a file with its representations, or a directory; and the cache of the former."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass

from netlab.http.representation import Representation, Version


@dataclass(frozen=True, slots=True)
class FoundDirectory:
    """A directory; `slash` tells whether the path said so, else it is redirected to one that does."""

    location: str
    names: tuple[str, ...]
    slash: bool


class FoundFile:
    """One version of a file, and the representations of it that were made so far, by coding."""

    __slots__ = ("codings", "identity", "location", "looked", "name", "representations", "version", "weight")

    def __init__(self, location: str, version: Version, identity: Representation) -> None:
        self.location, self.version, self.identity = location, version, identity
        self.name = os.path.basename(location)
        self.representations = {"identity": identity}
        self.codings: tuple[str, ...] = ()  # that can be had besides identity, the preferred first
        self.looked = 0.0  # when precompressed neighbours were looked for, loop time
        self.weight = len(identity.body or b"") + 1024  # bytes kept in memory, roughly

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
    """Files by request path, least recently used first out, bounded in number and in bytes."""

    LONGEST_PATH = 512  # a longer one is served, not kept

    def __init__(self, *, files: int = 4096, size: int) -> None:
        self.files, self.size, self.weight = files, size, 0
        self._kept: OrderedDict[str, FoundFile] = OrderedDict()

    def get(self, path: str) -> FoundFile | None:
        """The file at a path, if it has not changed since it was kept."""
        found = self._kept.get(path)
        if found is None:
            return None
        if found.stands():
            self._kept.move_to_end(path)
            return found
        self.weight -= self._kept.pop(path).weight
        return None

    def put(self, path: str, found: FoundFile) -> None:
        if len(path) > self.LONGEST_PATH or path in self._kept:
            return
        self._kept[path] = found
        self.weight += found.weight
        self._shrink()

    def grew(self, found: FoundFile, size: int) -> None:
        """So many bytes more are kept with a file."""
        found.weight += size
        # the same file may be kept under several paths, or under none any more
        self.weight = sum(kept.weight for kept in self._kept.values())
        self._shrink()

    def _shrink(self) -> None:
        while self._kept and (len(self._kept) > self.files or self.weight > self.size):
            self.weight -= self._kept.popitem(last=False)[1].weight

    def __len__(self) -> int:
        return len(self._kept)
