"""Coded representations of files: precompressed neighbours where there are any, else compressed once and kept."""

from __future__ import annotations

import asyncio
import gzip
import os
import stat
import sys
from collections.abc import Callable
from functools import partial

from netlab.http.delivery import AT_ONCE, open_version
from netlab.http.disk import in_time
from netlab.http.file_cache import LOOK_AGAIN, FileCache
from netlab.http.found import FoundFile
from netlab.http.representation import SUFFIXES, Representation, Version
from netlab.http.tree import Tree

LARGEST = 16 << 20
"""Bytes of a file that is compressed while someone waits; a larger one is sent as it is."""
INLINE = 32 << 10
"""Bytes that are compressed on the spot, in about a millisecond; more go to a thread."""


def _brotli(data: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(data, quality=5))


def _zstd(data: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.compress(data, 6)
    import zstandard

    return zstandard.ZstdCompressor(level=6).compress(data)


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "br": _brotli,
    "zstd": _zstd,
    "gzip": partial(gzip.compress, compresslevel=6, mtime=0),  # no time in it: the same bytes for the same content
}


class Coded:
    """Finds and makes the codings of files; what is made is kept with the file, within the cache's bound."""

    def __init__(self, tree: Tree, cache: FileCache, *, compress: bool, precompressed: bool) -> None:
        self.tree, self.cache, self.precompressed = tree, cache, precompressed
        self.offered = compress or precompressed
        self.makes = tuple(SUFFIXES) if compress else ()
        self.largest = min(LARGEST, cache.size // 4)
        self._under_way: dict[tuple[str, Version, str], asyncio.Future[bytes]] = {}

    def codings(self, found: FoundFile, now: float) -> tuple[str, ...]:
        """The codings a file can be had in besides identity, those that lie ready first; `now` is loop time."""
        if now - found.looked >= LOOK_AGAIN:
            found.looked = now
            ready = [coding for coding in SUFFIXES if self.precompressed and self._neighbour(found, coding)]
            made = [coding for coding in self.makes if coding not in ready and found.version.size <= self.largest]
            found.codings = (*ready, *made)
        return found.codings

    def _neighbour(self, found: FoundFile, coding: str) -> bool:
        """Whether a precompressed file lies beside, no older than what it stands for; takes it up if it is new."""
        location = found.location + SUFFIXES[coding]
        known = found.representations.get(coding)
        known = known if known is not None and known.location == location else None
        try:
            version = Version.of(os.stat(location))
        except OSError:
            version = None
        if known is not None and known.version == version:
            return True
        representation = self._read_neighbour(found, coding, location) if version is not None else None
        if representation is not None:
            found.representations[coding] = representation
            self.cache.grew(found, len(representation.body or b""))
        elif known is not None:
            del found.representations[coding]
        return representation is not None

    def _read_neighbour(self, found: FoundFile, coding: str, location: str) -> Representation | None:
        opened = self.tree.open(location)
        if opened is None:
            return None
        descriptor, status = opened
        try:
            version = Version.of(status)
            if not stat.S_ISREG(status.st_mode) or version.modified_ns < found.version.modified_ns:
                return None
            body = os.pread(descriptor, AT_ONCE + 1, 0)
        finally:
            os.close(descriptor)
        return Representation(
            found.identity.media_type,
            version.tag,
            modified=found.identity.current.modified,
            coding=coding,
            more=found.more,
            body=body if len(body) == version.size <= AT_ONCE else None,
            location=location,
            version=version,
        )

    def at_once(self, found: FoundFile, coding: str) -> Representation | None:
        """A coded representation that takes no time to make; None: `make` it."""
        body = found.identity.body
        return self._keep(found, coding, CODERS[coding](body)) if body is not None and len(body) <= INLINE else None

    async def make(self, found: FoundFile, coding: str) -> Representation:
        """Compress in a thread, once for all who wait for it; raises Changed if the file is another by now."""
        key = found.location, found.version, coding
        future = self._under_way.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._under_way[key] = loop.run_in_executor(None, _read_and_code, found.identity, coding)
            future.add_done_callback(lambda done: self._coded(key, done))
        body = await in_time(future)
        representation = found.representations.get(coding)
        return representation if representation is not None else self._keep(found, coding, body)

    def _coded(self, key: tuple[str, Version, str], done: asyncio.Future[bytes]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # those who wait are told; if nobody does, it is nobody's business

    def _keep(self, found: FoundFile, coding: str, body: bytes) -> Representation:
        representation = found.representations[coding] = Representation(
            found.identity.media_type,
            found.version.tag,
            modified=found.identity.current.modified,
            coding=coding,
            more=found.more,
            body=body,
        )
        self.cache.grew(found, len(body))
        return representation


def _read_and_code(identity: Representation, coding: str) -> bytes:
    body = identity.body
    if body is None:
        descriptor = open_version(identity)
        with os.fdopen(descriptor, "rb") as file:
            body = file.read(identity.size)
    return CODERS[coding](body)
