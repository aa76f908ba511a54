"""Conditional requests: whether the preconditions of a request allow its method to be performed (RFC 9110 13)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from netlab.dates import parse_date


class Lookup(Protocol):
    """Fields of a request by lower-case name."""

    def get(self, name: str) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Current:
    """The validators of what is there now.

    etags      its entity tags, quotes included: one for a selected representation; for a method that changes the
               resource, those of all its codings
    modified   Last-Modified in whole seconds since the epoch, or None
    """

    etags: tuple[str, ...] = ()
    modified: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The method is not performed: what to answer instead, and which condition says so."""

    status: int
    rule: str
    reason: str
    section: str


NO_MATCH = Verdict(412, "if-match", "If-Match names no entity tag that is current", "RFC 9110 13.1.1")
CHANGED = Verdict(412, "if-unmodified-since", "changed since the date in If-Unmodified-Since", "RFC 9110 13.1.4")
EXISTS = Verdict(412, "if-none-match", "If-None-Match excludes what is there", "RFC 9110 13.1.2")
SAME_TAG = Verdict(304, "if-none-match", "the client has this representation already", "RFC 9110 13.1.2")
NOT_NEWER = Verdict(304, "if-modified-since", "not changed since the client's date", "RFC 9110 13.1.3")

UNCONDITIONAL = frozenset(("CONNECT", "OPTIONS", "TRACE"))
"""Methods that select or change no representation: preconditions mean nothing to them (RFC 9110 13.2.1)."""


def evaluate(method: str, fields: Lookup, current: Current | None, *, now: float) -> Verdict | None:
    """The first precondition that is false, in the order of RFC 9110 13.2.2; None: perform the method.

    `current` is None where the target has no representation; `now` is in seconds since the epoch. To be asked only
    where the answer without preconditions would be 2xx (RFC 9110 13.2.1).
    """
    if method in UNCONDITIONAL:
        return None
    if (tags := fields.get("if-match")) is not None:
        if not _any_match(tags, current, weak=False):
            return NO_MATCH
    elif _changed_since(fields.get("if-unmodified-since"), current, now) is True:
        return CHANGED
    reading = method in ("GET", "HEAD")
    if (tags := fields.get("if-none-match")) is not None:
        if _any_match(tags, current, weak=True):
            return SAME_TAG if reading else EXISTS
    elif reading and _changed_since(fields.get("if-modified-since"), current, now) is False:
        return NOT_NEWER
    return None


def range_applies(if_range: str | None, current: Current, *, now: float) -> bool:
    """Whether Range is to be honoured: If-Range holds by strong comparison, or is absent (RFC 9110 13.1.5)."""
    if if_range is None:
        return True
    if if_range.endswith('"'):
        return not if_range.startswith("W/") and if_range in current.etags
    date = parse_date(if_range, now)
    if date is None or date != current.modified:
        return False
    return now - date >= 1  # RFC 9110 8.8.2.2: while its second lasts, a date is a weak validator


TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'  # RFC 9110 8.8.3
TAG_LIST = re.compile(rf"[ \t,]*{TAG}(?:[ \t]*,[ \t,]*{TAG})*[ \t,]*")
EACH_TAG = re.compile(TAG)


def _any_match(field: str, current: Current | None, *, weak: bool) -> bool:
    """Whether a field of entity tags, or `*`, names what is current; one that is malformed names nothing."""
    if current is None:
        return False
    if field.strip(" \t") == "*":
        return True
    if not TAG_LIST.fullmatch(field):
        return False
    given = EACH_TAG.findall(field)
    if weak:
        opaque = {tag.removeprefix("W/") for tag in given}
        return any(tag.removeprefix("W/") in opaque for tag in current.etags)
    return any(not tag.startswith("W/") and tag in given for tag in current.etags)


def _changed_since(field: str | None, current: Current | None, now: float) -> bool | None:
    """Whether what is current changed after a date; None where either is missing or malformed: ignore the field."""
    if field is None or current is None or current.modified is None:
        return None
    date = parse_date(field, now)
    return None if date is None else current.modified > date
