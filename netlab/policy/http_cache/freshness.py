"""How old a response is, and how long it is fresh: the arithmetic of RFC 9111 4.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from netlab.dates import parse_date_in_any_case
from netlab.policy.http_cache.directives import ResponseDirectives, delta_seconds

HEURISTIC_STATUS = frozenset((200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501))
"""Statuses that a cache may keep without being told how long (RFC 9110 15.1)."""


class Lines(Protocol):
    """Fields by lower-case name: joined, and line by line."""

    def get(self, name: str) -> str | None: ...

    def all(self, name: str) -> list[str]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Heuristic:
    """How long a response is taken for fresh that does not say so itself (RFC 9111 4.2.2).

    share    of the time since it was last modified
    longest  seconds at most; 0: never
    """

    share: float = 0.1
    longest: float = 86400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchanged:
    """When a response was asked for, and when its head came, in seconds since the epoch."""

    asked: float
    answered: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """The life of one response; times are in seconds, moments since the epoch.

    lifetime     from when the origin made it
    because      what says so: "s-maxage=60", "Expires", "10% of the time since Last-Modified"; empty: nothing does
    section      and where that is written
    initial_age  when its head came
    answered     when that was
    """

    lifetime: float
    because: str
    section: str
    initial_age: float
    answered: float

    @property
    def until(self) -> float:
        """The moment when it stops being fresh."""
        return self.answered + self.lifetime - self.initial_age

    @property
    def explicit(self) -> bool:
        return bool(self.because) and self.section != "RFC 9111 4.2.2"

    def age(self, now: float) -> float:
        """RFC 9111 4.2.3: what it was at first, and the time it has been here."""
        return self.initial_age + max(0.0, now - self.answered)

    def staleness(self, now: float) -> float:
        """Seconds since it stopped being fresh; negative while it is."""
        return self.age(now) - self.lifetime

    def arithmetic(self, now: float) -> str:
        resident = max(0.0, now - self.answered)
        age = f"age {self.age(now):.0f} s = {self.initial_age:.0f} on arrival + {resident:.0f} here"
        return f"{age}; lifetime {self.lifetime:.0f} s by {self.because or 'nothing'}"


def freshness(status: int, fields: Lines, said: ResponseDirectives, when: Exchanged, heuristic: Heuristic) -> Freshness:
    """Of a response with these fields, whose directives are these."""
    date = _date(fields, "date", when.answered)
    lifetime, because, section = _lifetime(status, fields, said, when.answered if date is None else date, heuristic)
    return Freshness(
        lifetime=lifetime,
        because=because,
        section=section,
        initial_age=initial_age(fields, date, when),
        answered=when.answered,
    )


def initial_age(fields: Lines, date: int | None, when: Exchanged) -> float:
    """RFC 9111 4.2.3: the greater of what the clocks say and what the caches before us said."""
    apparent = max(0.0, when.answered - date) if date is not None else 0.0
    if apparent < 1.0:
        apparent = 0.0  # Date counts whole seconds: within one it says nothing
    corrected = age_value(fields) + when.answered - when.asked
    return max(apparent, corrected)


def age_value(fields: Lines) -> int:
    """Age: the first member of the first line; what is no number is ignored (RFC 9111 5.1)."""
    if fields.get("age") is None:
        return 0
    return delta_seconds(fields.all("age")[0].partition(",")[0].strip(" \t")) or 0


def _lifetime(
    status: int, fields: Lines, said: ResponseDirectives, date: float, heuristic: Heuristic
) -> tuple[float, str, str]:
    """RFC 9111 4.2.1: the first of these that is there."""
    section = "RFC 9213 2.2" if said.targeted else ""
    where = f" in {said.field}" if said.targeted else ""
    if said.s_maxage is not None:
        return said.s_maxage, f"s-maxage={said.s_maxage}{where}", section or "RFC 9111 5.2.2.10"
    if said.max_age is not None:
        return said.max_age, f"max-age={said.max_age}{where}", section or "RFC 9111 5.2.2.1"
    if fields.get("expires") is not None and not said.targeted:
        expires = _date(fields, "expires", date)
        if expires is None:  # RFC 9111 5.3: "0" and its like are moments in the past
            return 0, "an Expires that is no date", "RFC 9111 5.3"
        return max(0.0, expires - date), "Expires", "RFC 9111 5.3"
    return _guess(status, fields, said, date, heuristic)


def _guess(
    status: int, fields: Lines, said: ResponseDirectives, date: float, heuristic: Heuristic
) -> tuple[float, str, str]:
    """By how long it has stood unchanged. Not for what sets cookies: nobody said that those are for everyone."""
    modified = _date(fields, "last-modified", date)
    allowed = status in HEURISTIC_STATUS or said.public
    if modified is None or not allowed or heuristic.longest <= 0 or fields.get("set-cookie") is not None:
        return 0, "", ""
    lifetime = min(max(0.0, date - modified) * heuristic.share, heuristic.longest)
    return lifetime, f"{heuristic.share:.0%} of the time since Last-Modified", "RFC 9111 4.2.2"


def _date(fields: Lines, name: str, now: float) -> int | None:
    """A date of the first line of that name; None where there is none that can be read."""
    if fields.get(name) is None:
        return None
    return parse_date_in_any_case(fields.all(name)[0], now)
