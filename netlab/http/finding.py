"""Finding files: from a request's path to the version of a file, or the directory, that lies there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from netlab.http.cache_control import CacheRules
from netlab.http.delivery import AT_ONCE
from netlab.http.file_cache import FileCache
from netlab.http.found import Found, FoundDirectory, FoundFile
from netlab.http.media_types import compressible, media_type
from netlab.http.representation import Pairs, Representation, Version
from netlab.http.tree import Tree

SETTLED = 1.0
"""Seconds a file must have stood unchanged before it is kept: within the clock's grain it could change unseen."""


class Finder:
    """Looks into the tree, and keeps what it has read with one `stat` a request to see that it still stands."""

    def __init__(
        self,
        tree: Tree,
        cache: FileCache,
        *,
        index: tuple[str, ...],
        rules: CacheRules,
        codes: bool,
        now: Callable[[], float],
    ) -> None:
        self.tree, self.cache, self.index, self.rules = tree, cache, index, rules
        self.codes = codes  # content codings are offered
        self.now = now

    def find(self, path: str, *, offset: int = 0) -> Found | None:
        """What a request's path (without query) means; None where nothing is, or where it leads out of the root.

        RemoteProtocolError (400) for a path that is none; `offset` is where it stood on the connection.
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
        slash = path.endswith(("/", "/.", "/.."))
        try:
            if stat.S_ISREG(status.st_mode):
                return None if slash else self._read(path, names, location, descriptor, status)
            if not stat.S_ISDIR(status.st_mode):
                return None  # a device, a socket, a pipe
        finally:
            os.close(descriptor)
        index = self._index(path, names, location) if slash else None
        return index or FoundDirectory(location, tuple(names), slash)

    def _index(self, path: str, names: list[str], directory: str) -> FoundFile | None:
        for name in self.index:
            location = os.path.join(directory, name)
            opened = self.tree.open(location)
            if opened is None:
                continue
            descriptor, status = opened
            try:
                if stat.S_ISREG(status.st_mode):
                    # kept only if it is the first choice: a better one may appear later
                    kept_at = path if name == self.index[0] else ""
                    return self._read(kept_at, [*names, name], location, descriptor, status, index=True)
            finally:
                os.close(descriptor)
        return None

    def _read(
        self,
        path: str,
        names: list[str],
        location: str,
        descriptor: int,
        status: os.stat_result,
        *,
        index: bool = False,
    ) -> FoundFile:
        version = Version.of(status)
        body = os.pread(descriptor, version.size, 0) if version.size <= AT_ONCE else None
        if body is not None and len(body) < version.size:  # being shortened just now
            version = version._replace(size=len(body))
        content_type = media_type(names[-1])
        varies = self.codes and compressible(content_type)
        more = self._more(names, varies=varies)
        now = self.now()
        modified = int(status.st_mtime)
        identity = Representation(
            content_type,
            version.tag,
            modified=modified if modified <= now else None,  # RFC 9110 8.8.2.1: never a date in the future
            more=more,
            body=body,
            location=location,
            version=version,
        )
        found = FoundFile(location, version, identity, more, varies=varies, index=index)
        if path and now - max(version.modified_ns, version.changed_ns) / 1e9 > SETTLED:
            self.cache.put(path, found)
        return found

    def _more(self, names: list[str], *, varies: bool) -> Pairs:
        """Fields that every representation of a file has, a 304 included."""
        more = [("Vary", "Accept-Encoding")] if varies else []
        cache_control = self.rules.value("/".join(names))
        return more if cache_control is None else [*more, ("Cache-Control", cache_control)]
