"""What an upstream's agent answers: one line of words by which it steers its own share of the work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

LONGEST = 200
"""Characters of an answer that are looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentAnswer:
    """The words of HAProxy's agent-check: `up 75%`, `drain`, `down # disk is full`. None: it says nothing of that.

    up      whether it can work (`up`; `down`, `fail` and `stopped` are no)
    state   `ready`, `drain` (no new work) or `maintenance` (none at all)
    share   of its weight, 0.75 for `75%`
    limit   requests that it takes at once (`maxconn:30`)
    reason  what stands behind `#`
    """

    up: bool | None = None
    state: Literal["ready", "drain", "maintenance"] | None = None
    share: float | None = None
    limit: int | None = None
    reason: str = ""


UPS = {"up": True, "down": False, "fail": False, "failed": False, "stopped": False}
STATES: dict[str, Literal["ready", "drain", "maintenance"]] = {
    "ready": "ready",
    "drain": "drain",
    "maint": "maintenance",
}
SHARE = re.compile(r"[0-9]{1,3}(?=%\Z)")
LIMIT = re.compile(r"(?<=\Amaxconn:)[0-9]{1,6}\Z")


def read_answer(text: str) -> AgentAnswer | None:
    """The first line's meaning; None if a word in it has none, for then nothing of it can be trusted."""
    line, _, reason = text[:LONGEST].partition("\n")[0].partition("#")
    up: bool | None = None
    state: Literal["ready", "drain", "maintenance"] | None = None
    share: float | None = None
    limit: int | None = None
    words = line.lower().replace(",", " ").split()
    for word in words:
        if word in UPS:
            up = UPS[word]
        elif word in STATES:
            state = STATES[word]
        elif (found := SHARE.match(word)) is not None:
            share = int(found[0]) / 100
        elif (found := LIMIT.search(word)) is not None:
            limit = int(found[0])
        else:
            return None
    return AgentAnswer(up=up, state=state, share=share, limit=limit, reason=reason.strip()) if words else None
