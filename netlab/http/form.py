"""The files of one posted form: named safely, and stored all together or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable

from netlab.http.incoming import Incoming
from netlab.http.multipart import Event, Part, PartEnd
from netlab.http.refused import Refused
from netlab.http.representation import Version
from netlab.http.tree import Tree

LONGEST_NAME = 255
"""Bytes of a file's name, on every file system in use."""


class Form:
    """The files of one form: all of them are stored, or none."""

    def __init__(self, tree: Tree, directory: int) -> None:
        self.tree, self.directory = tree, directory
        self.files: list[tuple[Incoming, str]] = []
        self._current: Incoming | None = None

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Part):
                self._begin(event)
            elif isinstance(event, PartEnd):
                self._current = None
            elif self._current is not None:
                self._current.write(event.data)

    def _begin(self, part: Part) -> None:
        if not part.filename:
            return  # a plain form field, or a file input left empty
        name = safe_name(part.filename)
        if not name or self.tree.hides(name):
            raise Refused(400, f"{part.filename[:100]!r} is no name a file can have here")
        if name in (taken for _, taken in self.files):
            raise Refused(409, f"two files are called {name!r}")
        self._check_free(name)
        self._current = Incoming(self.directory)
        self.files.append((self._current, name))

    def _check_free(self, name: str) -> None:
        try:
            os.lstat(name, dir_fd=self.directory)
        except FileNotFoundError:
            return
        raise Refused(409, f"{name!r} exists already; PUT replaces")

    def put_in_place(self) -> list[tuple[str, Version]]:
        if not self.files:
            raise Refused(400, "the form has no file in it")
        for _, name in self.files:
            self._check_free(name)
        placed: list[tuple[str, Version]] = []
        try:
            for incoming, name in self.files:
                placed.append((name, incoming.put_in_place(name)))
        except OSError:
            for name, _ in placed:
                os.unlink(name, dir_fd=self.directory)
            raise
        return placed

    def discard(self) -> None:
        for incoming, _ in self.files:
            incoming.discard()


def safe_name(filename: str) -> str:
    """A file name as a client gave it, made one that stays in its directory (RFC 7578 4.2); empty if nothing is left.

    Any path before it is dropped, whichever way its slashes lean; control characters become underscores.
    """
    name = filename.replace("\\", "/").rpartition("/")[2].strip()
    name = "".join("_" if ord(character) < 32 or ord(character) == 127 else character for character in name)
    stem, dot, suffix = name.rpartition(".")
    while len(os.fsencode(name)) > LONGEST_NAME:
        stem = stem[:-1]
        name = stem + dot + suffix if stem else name[:-1]
    return "" if name in (".", "..") else name
