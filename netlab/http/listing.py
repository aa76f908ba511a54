"""Listings of directories: what is read, how it is put in order, and the form for programs."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qs, quote

from netlab.http.tree import Tree
from netlab.policy.media import choose_type

HTML, JSON = "text/html", "application/json"
MOST = 10_000
"""Entries of one listing; a directory with more is listed in part, and the listing says so."""


class Entry(NamedTuple):
    """One file or directory; size in bytes (None for a directory), modified in seconds since the epoch."""

    name: str
    directory: bool
    size: int | None
    modified: float

    @property
    def href(self) -> str:
        """A reference relative to the listing; `./` because a name may hold a colon (RFC 3986 4.2)."""
        return "./" + quote(os.fsencode(self.name)) + ("/" if self.directory else "")

    @property
    def shown(self) -> str:
        """The name as text, whatever bytes the file system has for it."""
        return os.fsencode(self.name).decode("utf-8", "replace").translate(PICTURES)


PICTURES = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}  # control characters, made visible


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How a listing is to be shown, as its query says."""

    sort: str = "name"
    descending: bool = False
    search: str = ""
    json: bool = False

    def wants(self, entry: Entry) -> bool:
        """Whether the search finds an entry."""
        return self.search.casefold() in entry.shown.casefold()

    @classmethod
    def of(cls, query: str, accept: str | None) -> View:
        """Anything in the query that means nothing here is as if it were not there."""
        try:
            given = {name: values[0] for name, values in parse_qs(query, max_num_fields=32).items()}
        except ValueError:  # too many
            given = {}
        sort, form = given.get("sort", ""), given.get("format", "")
        return cls(
            sort=sort if sort in KEYS else "name",
            descending=given.get("order") == "desc",
            search=given.get("search", "")[:200],
            json=form == "json" or (form != "html" and choose_type(accept, (HTML, JSON)) == JSON),
        )


def natural(entry: Entry) -> str:
    """A key that puts file-2 before file-10, whatever the case."""
    return DIGITS.sub(lambda run: run[0].zfill(20), entry.shown.casefold())


DIGITS = re.compile(r"\d+")
KEYS: dict[str, Callable[[Entry], tuple[object, ...]]] = {
    "name": lambda entry: (natural(entry), entry.name),
    "size": lambda entry: (entry.size or 0, natural(entry)),
    "modified": lambda entry: (entry.modified, natural(entry)),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a directory, and whether there are more than could be read."""

    names: tuple[str, ...]
    entries: list[Entry]
    partial: bool

    @property
    def path(self) -> str:
        """Where this is below the root, as text."""
        return "/" + "".join(Entry(name, True, None, 0).shown + "/" for name in self.names)

    def arranged(self, view: View) -> list[Entry]:
        """All entries, directories before files, each in the order asked for."""
        found = sorted(self.entries, key=KEYS[view.sort], reverse=view.descending)
        found.sort(key=lambda entry: not entry.directory)
        return found


def read_listing(tree: Tree, location: str, names: tuple[str, ...]) -> Listing:
    """Read a directory: what can be had over HTTP and nothing else. Takes as long as the disk does: use a thread."""
    entries: list[Entry] = []
    try:
        with os.scandir(location) as found:
            for item in found:
                if len(entries) >= MOST:
                    return Listing(names, entries, partial=True)
                entry = _entry(tree, item)
                if entry is not None:
                    entries.append(entry)
    except OSError:  # removed while it was read: what was seen until then
        pass
    return Listing(names, entries, partial=False)


def _entry(tree: Tree, item: os.DirEntry[str]) -> Entry | None:
    if tree.hides(item.name):
        return None
    try:
        if item.is_symlink() and not tree.contains(os.path.realpath(item.path, strict=True)):
            return None
        status = item.stat()
    except OSError:  # a link to nowhere, or gone already
        return None
    directory = stat.S_ISDIR(status.st_mode)
    if not directory and not stat.S_ISREG(status.st_mode):
        return None
    return Entry(item.name, directory, None if directory else status.st_size, status.st_mtime)


def as_json(listing: Listing, view: View) -> bytes:
    """The listing for programs; dates are ISO 8601 in UTC, sizes are bytes."""
    entries = [
        {
            "name": entry.shown,
            "href": entry.href,
            "type": "directory" if entry.directory else "file",
            "size": entry.size,
            "modified": iso_date(entry.modified),
        }
        for entry in listing.arranged(view)
        if view.wants(entry)
    ]
    told = {"path": listing.path, "entries": entries, "partial": listing.partial}
    return json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n"


def iso_date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # a file from before the year 1, or far beyond
        return ""
