"""What is found at a path of the tree: a file with its representations, or a directory."""

from __future__ import annotations

import math
import os
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
