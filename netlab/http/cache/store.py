"""All stored responses, by URI and by what Vary names; bounded in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netlab.cores.fields import Fields
from netlab.http.cache.stored import Key, Stored
from netlab.policy.http_cache.selection import matches
from netlab.policy.s3fifo import Kept, S3Fifo

MOST_VARIANTS = 64
"""Responses that one URI may have, told apart by Vary: the oldest has to go."""


@dataclass(slots=True)
class Counts:
    """What happened since the cache was made."""

    hits: int = 0
    misses: int = 0
    stored: int = 0
    validated: int = 0
    evicted: int = 0
    invalidated: int = 0


class Store:
    """Nothing in it waits or asks; what is used says so by `uses`."""

    def __init__(self, room: int, gone: Callable[[Stored], None]) -> None:
        self.counts = Counts()
        self._gone = gone  # told of each response that is no more
        self._resources: dict[Key, list[Stored]] = {}  # the newest first
        self._realms: dict[str, int] = {}  # how many URIs each has
        self._queue = S3Fifo(room, self._evicted)

    def select(self, key: Key, request: Fields) -> Stored | None:
        """The newest response that a request selects (RFC 9111 4.1)."""
        for stored in self._resources.get(key, ()):
            if not stored.nominated or matches(stored.nominated, request, stored.language):
                return stored
        return None

    def has(self, key: Key) -> bool:
        """Whether there is anything of this URI, for whatever request."""
        return key in self._resources

    def put(self, stored: Stored) -> bool:
        """Keep a response, in place of what the same requests select; False where it is too large."""
        self._forget_named(stored)
        variants = self._resources.get(stored.key)
        if variants is None:
            variants = self._resources[stored.key] = []
            self._realms[stored.key.realm] = self._realms.get(stored.key.realm, 0) + 1
        variants.insert(0, stored)
        stored.live = True
        if not self._queue.add(stored):
            self._unlink(stored)
        if len(variants) > MOST_VARIANTS:
            self.drop(variants[-1])
        self.counts.stored += stored.live
        return stored.live

    def changed(self, stored: Stored, before: int) -> None:
        """A response has new fields or parts; `before` is what it cost until now."""
        cost, stored.cost = stored.cost, before
        self._queue.recost(stored, cost)

    def grow(self, stored: Stored, size: int) -> None:
        """It takes so many bytes more."""
        self._queue.recost(stored, stored.cost + size)

    def resize(self, room: int) -> None:
        self._queue.resize(room)

    def drop(self, stored: Stored) -> None:
        if stored.live:
            self._queue.remove(stored.name)
            self._unlink(stored)

    def drop_uri(self, uri: str) -> int:
        """Let go of all responses of one URI, whatever route they came by; says how many."""
        found = [stored for realm in list(self._realms) for stored in self._resources.get(Key(uri, realm), ())]
        for stored in found:
            self.drop(stored)
        return len(found)

    def drop_prefix(self, prefix: str) -> int:
        """The same for all URIs that begin so."""
        found = [stored for stored in self if stored.key.uri.startswith(prefix)]
        for stored in found:
            self.drop(stored)
        return len(found)

    def __iter__(self) -> Iterator[Stored]:
        for variants in self._resources.values():
            yield from variants

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def held(self) -> int:
        """Bytes."""
        return self._queue.held

    @property
    def room(self) -> int:
        return self._queue.room

    def _forget_named(self, stored: Stored) -> None:
        """What has the same name: the two nominate the same values of the same fields."""
        for other in self._resources.get(stored.key, ()):
            if other.nominated == stored.nominated:
                self.drop(other)
                return

    def _evicted(self, kept: Kept) -> None:
        assert isinstance(kept, Stored)
        self.counts.evicted += 1
        self._unlink(kept)

    def _unlink(self, stored: Stored) -> None:
        stored.live = False
        self._gone(stored)
        variants = self._resources[stored.key]
        variants.remove(stored)
        if variants:
            return
        del self._resources[stored.key]
        realm = stored.key.realm
        self._realms[realm] -= 1
        if not self._realms[realm]:
            del self._realms[realm]
