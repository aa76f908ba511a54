"""One stored response: its fields in the form in which they are sent, its content or parts of it, and its life."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from netlab.cores.fields import Fields
from netlab.cores.http1 import encode_fields
from netlab.dates import parse_date_in_any_case
from netlab.policy.conditional import Current
from netlab.policy.http_cache.directives import ResponseDirectives
from netlab.policy.http_cache.freshness import Freshness
from netlab.policy.http_cache.partial import Part
from netlab.policy.http_cache.selection import Nominated

Pair = tuple[str, str]

NO_PARTS: tuple[Part, ...] = ()
OVERHEAD = 1500
"""Bytes that one stored response takes besides what can be counted."""
RETOLD = frozenset(("cache-control", "content-location", "date", "etag", "expires", "last-modified", "vary", "via"))
"""Fields that a 304 repeats (RFC 9110 15.4.5), and Via and Last-Modified with them."""


class Key(NamedTuple):
    """What a stored response is found by: the target URI, and whose answer it is (a route, where there are several)."""

    uri: str
    realm: str = ""


class Stored:
    """A response that answers requests. `uses` and `cost` are the queue's that it stands in; `live` until it is gone.

    parts  the content: one part of all of it, where it is complete
    size   bytes of the whole content
    """

    __slots__ = (
        "asked_by",
        "block",
        "cost",
        "current",
        "fields",
        "fresh",
        "key",
        "language",
        "live",
        "name",
        "nominated",
        "parts",
        "retold",
        "said",
        "size",
        "status",
        "uses",
    )

    name: Hashable

    def __init__(self, key: Key, nominated: Nominated, status: int) -> None:
        self.key, self.nominated, self.status = key, nominated, status
        self.size, self.parts = 0, NO_PARTS
        self.name = (key, nominated)
        self.uses, self.live, self.cost = 0, False, 0
        self.asked_by: list[bytes] = []  # requests whose bytes alone lead here

    def describe(self, pairs: Sequence[Pair], said: ResponseDirectives, fresh: Freshness) -> Stored:
        """Give it its fields, or new ones, and the life that goes with them; returns itself."""
        fields = self.fields = Fields(pairs)
        self.said, self.fresh = said, fresh
        self.block = encode_fields(pairs)
        self.retold = encode_fields([pair for pair in pairs if pair[0].lower() in RETOLD])
        self.language = fields.get("content-language")
        tag, modified = fields.get("etag"), fields.get("last-modified")
        if modified is None:  # RFC 9111 4.3.2: then Date says since when it is what it is
            modified = fields.get("date")
        self.current = Current(
            etags=(tag,) if tag is not None else (),
            modified=parse_date_in_any_case(modified, fresh.answered) if modified is not None else None,
        )
        self.cost = OVERHEAD + 2 * len(self.block) + len(self.key.uri) + sum(len(part.content) for part in self.parts)
        return self

    @property
    def complete(self) -> bool:
        return len(self.parts) == 1 and self.parts[0].first == 0 and len(self.parts[0].content) == self.size

    @property
    def content(self) -> bytes:
        """All of it, where it is complete."""
        return self.parts[0].content

    @property
    def has_validator(self) -> bool:
        return "etag" in self.fields or "last-modified" in self.fields

    def __repr__(self) -> str:
        return f"<Stored {self.status} {self.key.uri} {self.size} bytes{'' if self.complete else ', in part'}>"
