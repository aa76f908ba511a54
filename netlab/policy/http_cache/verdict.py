"""A decision of the cache, with what made it: the rule, the directive, the section."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something may be done.

    rule       short and stable, for programs: "no-store", "fresh"
    reason     the same for people, the arithmetic included
    section    where it is written: "RFC 9111 5.2.2.5"
    directive  what of the message said so, as it was written there; empty where nothing did
    """

    allowed: bool
    rule: str
    reason: str
    section: str
    directive: str = ""
