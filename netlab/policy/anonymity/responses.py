"""What becomes of an answer's fields on their way back: what would let an origin know the client again is taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import mktime_tz, parsedate_tz
from typing import NamedTuple

from netlab.policy.anonymity.anonymize import Change
from netlab.policy.anonymity.identifying import fits
from netlab.policy.anonymity.levels import Rules
from netlab.policy.anonymity.sites import Relation

Pair = tuple[str, str]

ASKING: dict[str, str] = {
    "accept-ch": "asks for more client hints",
    "critical-ch": "asks for more client hints",
    "accept-ch-lifetime": "asks for more client hints",
    "alt-svc": "sends the client to another place, which can be one of its own",
    "nel": "has the client report to a third party",
    "report-to": "has the client report to a third party",
    "reporting-endpoints": "has the client report to a third party",
    "expect-ct": "has the client report, and remember",
    "public-key-pins": "pins can be a name",
    "public-key-pins-report-only": "pins can be a name",
    "set-cookie2": "an obsolete cookie",
}
"""Fields that make a client tell more, or remember something, and what they do."""
CONCERNS = frozenset((*ASKING, "set-cookie", "etag", "last-modified", "strict-transport-security", "via"))
LIFETIME = re.compile(r";\s*(?:expires|max-age)\s*=[^;]*", re.IGNORECASE)
MAX_AGE = re.compile(r";\s*max-age\s*=\s*\"?(-?\d+)", re.IGNORECASE)
EXPIRES = re.compile(r";\s*expires\s*=([^;]*)", re.IGNORECASE)


class Answered(NamedTuple):
    """The request an answer is to, and when it came, in seconds since the epoch."""

    method: str
    relation: Relation
    now: float


def returned(
    fields: Iterable[Pair], answered: Answered, rules: Rules, keep: tuple[str, ...] = ()
) -> tuple[list[Pair], list[Change]]:
    """An answer's fields as the client gets them."""
    kept: list[Pair] = []
    changes: list[Change] = []
    for name, value in fields:
        key = name.lower()
        why = "" if keep and fits(key, keep) else _unwanted(key, answered, rules)
        if why:
            changes.append(Change(name, "removed", why))
            continue
        if key == "set-cookie" and rules.cookies == "session":
            shorter = session_cookie(value, answered.now)
            if shorter != value:
                changes.append(Change(name, "replaced", "a cookie is not to outlive the browser"))
            value = shorter
        kept.append((name, value))
    return kept, changes


def _unwanted(name: str, answered: Answered, rules: Rules) -> str:
    """Why a field goes no further; empty: it does."""
    foreign = answered.relation == "cross-site"
    if name == "set-cookie":
        return _by(rules.cookies, foreign, "cookies")
    if name in ("etag", "last-modified"):
        policy = rules.validators if answered.method in ("GET", "HEAD") else "keep"
        return _by(policy, foreign, "tags and dates")
    if name == "via":
        return "scripts of a page could read that there is a proxy" if rules.via == "none" else ""
    if name == "strict-transport-security":
        return _by(rules.hsts, foreign, "such memories")
    return ASKING.get(name, "") if rules.identifiers else ""


def _by(policy: str, foreign: bool, what: str) -> str:
    if policy == "none":
        return f"{what} can be a name"
    return f"{what} can be a name, and another site's page asked" if policy != "keep" and foreign else ""


def session_cookie(value: str, now: float) -> str:
    """Without Expires and Max-Age, unless they are there to delete it (RFC 6265 5.3)."""
    age = MAX_AGE.search(value)
    if age is not None:
        return value if int(age[1]) <= 0 else LIFETIME.sub("", value)
    expires = EXPIRES.search(value)
    date = parsedate_tz(expires[1]) if expires is not None else None
    return value if date is not None and mktime_tz(date) <= now else LIFETIME.sub("", value)
