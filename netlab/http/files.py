"""Files over HTTP: what is found at a path, and how each method is answered for it."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from netlab.http.delivery import AT_ONCE, Changed, Work, deliver
from netlab.http.exchange import Exchange
from netlab.http.found import FileCache, Found, FoundDirectory, FoundFile
from netlab.http.media_types import media_type
from netlab.http.representation import Representation, Version
from netlab.http.tree import Tree

SETTLED = 1.0
"""Seconds a file must have stood unchanged before it is kept: within the clock's grain it could change unseen."""
ATTEMPTS = 3
"""How often a file that changes while it is being answered is looked up again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOptions:
    """What can be told about the files of one root."""

    index: tuple[str, ...] = ("index.html", "index.htm")
    """Names tried, in this order, where a path means a directory."""

    hidden: bool = False
    """Serve and list names that begin with a dot; `.well-known` always is."""

    cache: int = 64 << 20
    """Bytes of small files and coded bodies kept in memory."""


class Files:
    """The files below one root."""

    def __init__(self, root: Path, options: FileOptions | None = None) -> None:
        self.options = options or FileOptions()
        self.tree = Tree(root, hidden=self.options.hidden)
        self.cache = FileCache(size=self.options.cache)

    # -- finding -------------------------------------------------------------------------------------------------

    def find(self, path: str, *, offset: int = 0) -> Found | None:
        """What a request's path (without query) means; None where nothing is, or where it leads out of the root.

        RemoteProtocolError (400) for a path with NUL or a broken escape; `offset` is where it stood on the connection.
        """
        found = self.cache.get(path)
        if found is not None:
            return found
        names = self.tree.names(path, offset=offset)
        if names is None:
            return None
        location = self.tree.location(names)
        opened = self.tree.open(location)
        if opened is None:
            return None
        descriptor, status = opened
        try:
            slash = path.endswith(("/", "/.", "/.."))
            if stat.S_ISREG(status.st_mode):
                return None if slash else self._file(path, location, descriptor, status)
            if not stat.S_ISDIR(status.st_mode):
                return None  # a device, a socket, a pipe
        finally:
            os.close(descriptor)
        return (self._index(path, location) if slash else None) or FoundDirectory(location, tuple(names), slash)

    def _index(self, path: str, location: str) -> FoundFile | None:
        for name in self.options.index:
            inside = os.path.join(location, name)
            opened = self.tree.open(inside)
            if opened is None:
                continue
            descriptor, status = opened
            try:
                if stat.S_ISREG(status.st_mode):
                    # kept only if first in the order: a better one that appears later must be seen
                    return self._file(path if name == self.options.index[0] else "", inside, descriptor, status)
            finally:
                os.close(descriptor)
        return None

    def _file(self, path: str, location: str, descriptor: int, status: os.stat_result) -> FoundFile:
        version = Version.of(status)
        body = os.pread(descriptor, AT_ONCE, 0) if version.size <= AT_ONCE else None
        if body is not None and len(body) != version.size:
            body = body[: version.size]  # it is being written
            version = version._replace(size=len(body))
        now = time.time()
        modified = int(status.st_mtime)
        identity = Representation(
            media_type(os.path.basename(location)),
            version.tag,
            modified=modified if modified <= now else None,  # RFC 9110 8.8.2.1: never a date in the future
            body=body,
            location=location,
            version=version,
        )
        found = FoundFile(location, version, identity)
        if path and now - max(version.modified_ns, version.changed_ns) / 1e9 > SETTLED:
            self.cache.put(path, found)
        return found

    # -- answering -----------------------------------------------------------------------------------------------

    def allowed(self, found: Found | None) -> tuple[str, ...]:
        """The methods of Allow (RFC 9110 10.2.1) for what was found."""
        return () if found is None else ("GET", "HEAD", "OPTIONS")

    def serve(self, exchange: Exchange, found: Found | None) -> Work:
        """Answer; a coroutine comes back only where the answer has to wait."""
        method = exchange.request.method
        if method in ("GET", "HEAD"):
            return self._get(exchange, found)
        if method == "OPTIONS":
            exchange.respond(204, [("Allow", ", ".join(self.allowed(found)))])
            return None
        allow = [("Allow", ", ".join(self.allowed(found)))]
        exchange.refuse(405, f"{method} is not done here; these are: {allow[0][1]}", allow)
        return None

    def _get(self, exchange: Exchange, found: Found | None) -> Work:
        for _ in range(ATTEMPTS):
            if found is None:
                break
            if isinstance(found, FoundDirectory):
                return self._directory(exchange, found)
            try:
                return deliver(exchange, found.identity)
            except Changed:
                found = self.find(exchange.request.path.partition("?")[0])
        exchange.refuse(404, "there is no such file")
        return None

    def _directory(self, exchange: Exchange, found: FoundDirectory) -> Work:
        if not found.slash:
            self._redirect(exchange)
            return None
        exchange.refuse(404, "this directory has no index")
        return None

    def _redirect(self, exchange: Exchange) -> None:
        """To the same path with a slash behind it, as a relative reference: no host, and none to be smuggled in."""
        path, mark, query = exchange.request.path.partition("?")
        last = path.rpartition("/")[2]
        exchange.text(301, "this is a directory\n", [("Location", f"./{last}/{mark}{query}")])
