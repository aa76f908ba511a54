"""Pages of a list: which part is asked for, and links to the others (RFC 8288)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from netlab.http.shop.schema import Schema

Thing = TypeVar("Thing")

PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1}
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}

Pairs = list[tuple[str, str]]


def page_of(things: Sequence[Thing], path: str, query: Mapping[str, Any]) -> tuple[list[Thing], Pairs]:
    """One page of a list, and the fields that say where it stands: X-Total-Count, and Link to first, prev, next, last.

    `query` is all that was asked for, so that the links ask for the same.
    """
    page, limit = query["page"], query["limit"]
    last = max(math.ceil(len(things) / limit), 1)
    asked = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    places = {"first": 1, "prev": min(page - 1, last), "next": page + 1, "last": last}
    links = [
        f'<{path}?{urlencode({**asked, "page": number, "limit": limit})}>; rel="{relation}"'
        for relation, number in places.items()
        if 1 <= number <= last
    ]
    fields = [("X-Total-Count", str(len(things))), ("Link", ", ".join(links))]
    return list(things[(page - 1) * limit : page * limit]), fields
