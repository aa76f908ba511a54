"""Range requests: which bytes of a representation a Range field asks for (RFC 9110 14)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

MOST = 64
"""Range specs in one field; more are no wish to read but an attack, and the whole is sent (RFC 9110 17.15)."""
SPEC = re.compile(r"([0-9]*)-([0-9]*)")
DIGITS = 18  # a position with more digits lies behind the end of anything


class Span(NamedTuple):
    """Bytes `first` to `last` of a representation, both of them included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def of(self, size: int) -> str:
        """The value of Content-Range."""
        return f"bytes {self.first}-{self.last}/{size}"


def select(field: str, size: int) -> tuple[Span, ...] | None:
    """What a Range field selects of `size` bytes: None for the whole, nothing where nothing can be had (416).

    A unit other than bytes must be ignored; so are sets that are malformed, too many, or of nothing (RFC 9110 14.2).
    Ranges that overlap or touch come back as one, in ascending order; others in the order asked for.
    """
    unit, equals, rest = field.partition("=")
    if not equals or unit.lower() != "bytes" or not size or rest.count(",") > 2 * MOST:
        return None
    specs = [spec for part in rest.split(",") if (spec := part.strip(" \t"))]  # RFC 9110 5.6.1.2: empty members
    if not 1 <= len(specs) <= MOST:
        return None
    spans = []
    for spec in specs:
        match = SPEC.fullmatch(spec)
        if match is None or spec == "-":
            return None
        first, last = match[1], match[2]
        if first and last and _position(last) < _position(first):
            return None  # RFC 9110 14.1.1: an int-range whose last position is before its first is invalid
        span = _within(first, last, size)
        if span is not None:
            spans.append(span)
    return coalesce(spans)


def _within(first: str, last: str, size: int) -> Span | None:
    """One range cut to what is there; None where it cannot be satisfied (RFC 9110 14.1.2)."""
    if first:
        start = _position(first)
        return Span(start, min(_position(last), size - 1) if last else size - 1) if start < size else None
    length = min(_position(last), size)
    return Span(size - length, size - 1) if length else None


def _position(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= DIGITS else 10**DIGITS


def coalesce(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Join what overlaps or touches; where nothing does, the order stays (RFC 9110 15.3.7.2)."""
    asked = tuple(spans)
    joined: list[Span] = []
    for span in sorted(asked):
        if joined and span.first <= joined[-1].last + 1:
            joined[-1] = Span(joined[-1].first, max(joined[-1].last, span.last))
        else:
            joined.append(span)
    return asked if len(joined) == len(asked) else tuple(joined)
