"""What `netlab cache` asks of a lab: which of its services keep answers, what they hold, and what is to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlab.control.parts import meant
from netlab.http.cache.inventory import entries, overview
from netlab.http.cache.shared import SharedCache
from netlab.service import Service

Record = dict[str, Any]
MOST = 1000
"""Stored responses that are told at once."""


def cached(services: Mapping[str, Service], service: str, action: str, url: str) -> list[Record]:
    """One record of each cache, or of the one that is meant: counts, and what was asked for beside them."""
    such_as = "netlab serve reverse-proxy --cache has one"
    found: dict[str, SharedCache] = meant(services, service, "cache", "cache", such_as)
    return [told(name, cache, action, url) for name, cache in found.items()]


def told(name: str, cache: SharedCache, action: str, url: str) -> Record:
    purged = cache.purge(url) if action == "purge" else None
    record: Record = {"service": name, **overview(cache)}
    if purged is not None:
        record["purged"] = purged
    if action == "list":
        record["entries"] = entries(cache, url or "*", MOST)
    return record


def together(answers: Sequence[list[Record]]) -> list[Record]:
    """The caches of several workers as one each: each worker keeps its own, so that numbers add up."""
    first, *others = answers
    for number, record in enumerate(first):
        for other in (answer[number] for answer in others if number < len(answer)):
            for name, value in other.items():
                if isinstance(value, int | list):
                    record[name] += value
    return first
