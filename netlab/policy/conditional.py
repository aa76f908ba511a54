"""Conditional requests: whether the preconditions of a request allow its method to be performed (RFC 9110 13)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


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


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_YEAR = r"(?P<year>[0-9]{4})"
IMF_FIXDATE = re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{{2}}) {_MONTH} {_YEAR} {_TIME} GMT")
RFC850_DATE = re.compile(
    rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"
)
ASCTIME_DATE = re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} {_YEAR}")
FIFTY_YEARS = 50 * 365.2425 * 86400


def parse_date(text: str, now: float) -> int | None:
    """An HTTP-date in any of its three forms (RFC 9110 5.6.7) as seconds since the epoch; None if it is none.

    A two-digit year that would lie more than 50 years after `now` is the most recent past one with those digits.
    """
    match = RFC850_DATE.fullmatch(text)
    if match is None:
        return _parse_full_date(text)
    year = datetime.fromtimestamp(now, UTC).year // 100 * 100 + int(match["year"])
    date = _seconds(match, year)
    return date if date is None or date <= now + FIFTY_YEARS else _seconds(match, year - 100)


@lru_cache(maxsize=128)
def _parse_full_date(text: str) -> int | None:
    match = IMF_FIXDATE.fullmatch(text) or ASCTIME_DATE.fullmatch(text)
    return _seconds(match, int(match["year"])) if match is not None else None


def _seconds(match: re.Match[str], year: int) -> int | None:
    second = int(match["second"])
    leap = second == 60  # a leap second is the first of the next minute, as for every clock that knows none
    month = MONTHS.index(match["month"]) + 1
    rest = int(match["day"]), int(match["hour"]), int(match["minute"]), 59 if leap else second
    try:
        return int(datetime(year, month, *rest, tzinfo=UTC).timestamp()) + leap
    except ValueError:  # the 30th of February
        return None
