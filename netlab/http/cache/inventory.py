"""What a cache holds, as records for whoever asks at the control socket."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from netlab.http.cache.shared import SharedCache
from netlab.http.cache.stored import Stored

Record = dict[str, Any]


def overview(cache: SharedCache) -> Record:
    """Room and use in bytes, how many responses, and what was counted since it began."""
    store = cache.store
    return {"responses": len(store), "held": store.held, "room": store.room, **asdict(store.counts)}


def entries(cache: SharedCache, uri: str, most: int) -> list[Record]:
    """Stored responses of a URI, or of all that begin so where it ends in `*`; those used most first."""
    prefix = uri.removesuffix("*")
    found = [s for s in cache.store if s.key.uri == uri or (prefix != uri and s.key.uri.startswith(prefix))]
    now = cache.clock.now()
    return [entry(stored, now) for stored in sorted(found, key=lambda stored: -stored.uses)[:most]]


def entry(stored: Stored, now: float) -> Record:
    """One of them: what it is, for which requests, and how its freshness stands at this moment."""
    fresh = stored.fresh
    left = -fresh.staleness(now)
    return {
        "uri": stored.key.uri,
        "realm": stored.key.realm,
        "status": stored.status,
        "size": stored.size,
        "complete": stored.complete,
        "vary": dict(stored.nominated),
        "fresh": left > 0 and not stored.said.no_cache,
        "left": round(left, 3),
        "arithmetic": fresh.arithmetic(now),
        "section": fresh.section,
        "validators": {name: value for name in ("etag", "last-modified") if (value := stored.fields.get(name))},
        "uses": stored.uses,
        "cost": stored.cost,
    }
