"""Whether a stored response may answer a request now, and if not, what has to be done first (RFC 9111 4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from netlab.policy.http_cache.directives import RequestDirectives, ResponseDirectives
from netlab.policy.http_cache.freshness import Freshness

ERRORS = frozenset((500, 502, 503, 504))
"""Answers for which a stale response may stand in (RFC 5861 4)."""


class Use(Enum):
    """What may be done with it."""

    FRESH = "fresh"
    STALE = "stale"  # the client takes it as it is
    REVALIDATE = "stale-while-revalidate"  # it is used, and validated meanwhile
    VALIDATE = "validate"  # the origin is asked first


@dataclass(frozen=True, slots=True)
class Reuse:
    """What may be done, and why; as of a `Verdict`."""

    use: Use
    reason: str
    section: str
    directive: str = ""


def reuse(fresh: Freshness, said: ResponseDirectives, asked: RequestDirectives, now: float) -> Reuse:
    """For a stored response that is selected for a request; `now` is in seconds since the epoch."""
    first = _asked_first(fresh, said, asked, now)
    if first is not None:
        return first
    staleness = fresh.staleness(now)
    if staleness < 0:
        return Reuse(Use.FRESH, fresh.arithmetic(now), "RFC 9111 4.2", fresh.because)
    window = said.stale_while_revalidate
    if window is not None and staleness <= window and not _forbids_stale(said):
        reason = f"stale for {staleness:.0f} s of {window} during which it may be revalidated; {fresh.arithmetic(now)}"
        return Reuse(Use.REVALIDATE, reason, "RFC 5861 3", f"stale-while-revalidate={window}")
    if asked.max_stale is not None and staleness <= asked.max_stale and not forbids_stale(said):
        reason = f"stale for {staleness:.0f} s, which the client takes; {fresh.arithmetic(now)}"
        return Reuse(Use.STALE, reason, "RFC 9111 5.2.1.2", "max-stale")
    return Reuse(Use.VALIDATE, f"stale for {staleness:.0f} s: {fresh.arithmetic(now)}", "RFC 9111 4.2.4", fresh.because)


def _asked_first(fresh: Freshness, said: ResponseDirectives, asked: RequestDirectives, now: float) -> Reuse | None:
    """What makes the origin be asked however fresh it is."""
    if said.no_cache:
        reason = f"{said.field} says no-cache: each use is validated"
        return Reuse(Use.VALIDATE, reason, "RFC 9111 5.2.2.4", "no-cache")
    if asked.no_cache:
        return Reuse(Use.VALIDATE, "the client wants it validated", "RFC 9111 5.2.1.4", "no-cache")
    age = fresh.age(now)
    if asked.max_age is not None and (age > asked.max_age or not asked.max_age):
        reason = f"the client wants no older one than {asked.max_age} s: {fresh.arithmetic(now)}"
        return Reuse(Use.VALIDATE, reason, "RFC 9111 5.2.1.1", f"max-age={asked.max_age}")
    if asked.min_fresh is not None and fresh.lifetime - age < asked.min_fresh:
        reason = f"the client wants it fresh for {asked.min_fresh} s more: {fresh.arithmetic(now)}"
        return Reuse(Use.VALIDATE, reason, "RFC 9111 5.2.1.3", f"min-fresh={asked.min_fresh}")
    return None


def _forbids_stale(said: ResponseDirectives) -> bool:
    """In so many words. What s-maxage implies gives way to a directive that is about staleness and no other thing."""
    return said.must_revalidate or said.proxy_revalidate or said.no_cache


def forbids_stale(said: ResponseDirectives) -> bool:
    """Whether it must not be used stale unless a directive of its own allows it (RFC 9111 4.2.4, 5.2.2.10)."""
    return _forbids_stale(said) or said.s_maxage is not None


def stands_in(
    fresh: Freshness, said: ResponseDirectives, asked: RequestDirectives, now: float, *, unreachable: bool, grace: float
) -> Reuse | None:
    """Whether it answers though the origin could not: `unreachable`, or with one of `ERRORS`. None: it does not.

    `grace` are the seconds past its freshness for which it does when nothing but an unreachable origin speaks for it.
    """
    staleness = max(0.0, fresh.staleness(now))
    if _forbids_stale(said):
        return None
    for window, section in ((said.stale_if_error, "RFC 5861 4"), (asked.stale_if_error, "RFC 5861 4")):
        if window is not None and staleness <= window:
            reason = f"the origin failed; stale for {staleness:.0f} s of {window}: {fresh.arithmetic(now)}"
            return Reuse(Use.STALE, reason, section, f"stale-if-error={window}")
    if unreachable and staleness <= grace and not forbids_stale(said):
        reason = f"the origin cannot be reached; stale for {staleness:.0f} s: {fresh.arithmetic(now)}"
        return Reuse(Use.STALE, reason, "RFC 9111 4.2.4")
    return None
