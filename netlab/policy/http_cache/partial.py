"""Parts of a representation: read from Content-Range, combined where they are of one (RFC 9111 3.3, 3.4)."""

from __future__ import annotations

import re
from typing import NamedTuple

from netlab.dates import parse_date_in_any_case
from netlab.policy.http_cache.directives import Lookup

CONTENT_RANGE = re.compile(r"bytes[ \t]+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)


class Part(NamedTuple):
    """Content that begins at byte `first` of a representation."""

    first: int
    content: bytes

    @property
    def end(self) -> int:
        """The position behind its last byte."""
        return self.first + len(self.content)


class Extent(NamedTuple):
    """What Content-Range says: bytes `first` to `last`, both of them included, of `size`."""

    first: int
    last: int
    size: int


def extent(content_range: str | None) -> Extent | None:
    """None where it is malformed, or does not say how large the whole is."""
    match = CONTENT_RANGE.fullmatch(content_range.strip(" \t")) if content_range is not None else None
    if match is None:
        return None
    found = Extent(int(match[1]), int(match[2]), int(match[3]))
    return found if found.first <= found.last < found.size else None


def strong_validator(fields: Lookup, now: float) -> str | None:
    """A strong entity tag; or Last-Modified where it is a second or more before Date (RFC 9110 8.8.2.2)."""
    tag = fields.get("etag")
    if tag is not None:
        return tag if tag.startswith('"') and tag.endswith('"') and len(tag) > 1 else None
    modified, date = fields.get("last-modified"), fields.get("date")
    if modified is None or date is None:
        return None
    changed, made = parse_date_in_any_case(modified, now), parse_date_in_any_case(date, now)
    return modified if changed is not None and made is not None and changed + 1 <= made else None


def combined(before: tuple[Part, ...], new: Part) -> tuple[Part, ...]:
    """Parts of one representation, in ascending order, with those that overlap or touch made one. Where they
    overlap, the new one's bytes count (RFC 9110 15.3.7.3).
    """
    joined: list[Part] = []
    for part in before:
        if part.end < new.first or part.first > new.end:
            joined.append(part)
            continue
        head = part.content[: max(new.first - part.first, 0)]
        tail = part.content[max(new.end - part.first, 0) :]
        new = Part(min(part.first, new.first), head + new.content + tail)
    return tuple(sorted([*joined, new]))


def covering(parts: tuple[Part, ...], first: int, last: int) -> bytes | None:
    """The bytes from `first` to `last`, both included; None where they are not all here."""
    for part in parts:
        if part.first <= first and last < part.end:
            return part.content[first - part.first : last + 1 - part.first]
    return None


def missing(parts: tuple[Part, ...], size: int) -> str | None:
    """The one range that would make it whole, as a Range field asks for it; None where it would take several."""
    if len(parts) != 1:
        return None
    (part,) = parts
    if part.first == 0:
        return f"bytes={part.end}-"
    return f"bytes=0-{part.first - 1}" if part.end == size else None
