"""Content negotiation by coding: which of the codings at hand an Accept-Encoding prefers (RFC 9110 12.5.3)."""

from __future__ import annotations

import re
from functools import lru_cache

IDENTITY = "identity"
ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 8.4.1

MEMBER = re.compile(
    r"(?P<coding>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)"
    r"(?:[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"  # RFC 9110 12.4.2
)
REMEMBERED = 256  # characters of a field whose answer is remembered; browsers send some thirty


def choose(accept_encoding: str | None, available: tuple[str, ...]) -> str | None:
    """The coding to send, out of `available` (the server's favourite first) and identity; None: no one will do (406).

    The highest weight wins, then the order of `available`, identity last. A client that sends no Accept-Encoding
    would take anything, and gets what surely can be read: identity.
    """
    if accept_encoding is None:
        return IDENTITY
    if len(accept_encoding) > REMEMBERED:
        return _choose(accept_encoding, available)
    return _remembered(accept_encoding, available)


def accepts(accept_encoding: str, coding: str) -> bool:
    """Whether a client that says this takes a coding."""
    weights = parse(accept_encoding)
    default = weights.get("*", 1.0 if coding == IDENTITY else 0.0)
    return weights.get(ALIASES.get(coding, coding), default) > 0


def _choose(accept_encoding: str, available: tuple[str, ...]) -> str | None:
    weights = parse(accept_encoding)
    others = weights.get("*")
    best, best_weight = None, 0.0
    for coding in available:
        weight = weights.get(coding, others or 0.0)
        if weight > best_weight:
            best, best_weight = coding, weight
    # identity is acceptable unless it, or `*` without it, is given weight 0; unmentioned it is the last resort
    own = weights.get(IDENTITY, others)
    if own is None:
        return best or IDENTITY
    return IDENTITY if own > best_weight else best


_remembered = lru_cache(maxsize=512)(_choose)


def parse(accept_encoding: str) -> dict[str, float]:
    """Coding (lower case) or `*` → weight; of a coding named twice the first counts, malformed members do not."""
    weights: dict[str, float] = {}
    for part in accept_encoding.split(","):
        match = MEMBER.fullmatch(part.strip(" \t"))
        if match is not None:
            coding = match["coding"].lower()
            weights.setdefault(ALIASES.get(coding, coding), float(match["weight"] or 1))
    return weights
