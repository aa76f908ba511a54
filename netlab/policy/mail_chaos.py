"""What a mail server does wrong on purpose: at which stage, to whose mail, how often."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from netlab.units import parse_duration

STAGES = ("connect", "tls", "helo", "starttls", "auth", "mail", "rcpt", "data", "message", "quit")
LONGEST = 3600.0
"""Seconds that anything here takes at most."""
REMEMBERED = 10_000
"""Combinations of client, sender and recipient that a greylist knows."""


class Action(Enum):
    """What is done to a command instead of, or before, answering it."""

    REFUSE = "refuse"  # with a reply of 4yz or 5yz
    DELAY = "delay"  # answered later
    TARPIT = "tarpit"  # this and all that follows in the session is answered later
    GREYLIST = "greylist"  # refused for now, until the same comes again after a while
    DROP = "drop"  # the connection is reset without a word
    CLOSE = "421"  # closed with a 421
    BROKEN_TLS = "broken-tls"  # what should be TLS is none


@dataclass(frozen=True, kw_only=True)
class ChaosRule:
    """Written `STAGE ACTION[=VALUE] [to=PATTERN] [from=PATTERN] [probability=SHARE]`; `text` is what was written.

    code      of a refusal
    seconds   of a delay, or that a greylist lasts
    """

    stage: str
    action: Action
    code: int = 0
    seconds: float = 0.0
    to: str = "*"
    sender: str = "*"
    probability: float = 1.0
    text: str = ""

    def matches(self, stage: str, sender: str, recipient: str) -> bool:
        return (
            stage == self.stage
            and fnmatch.fnmatchcase(recipient.lower(), self.to)
            and fnmatch.fnmatchcase(sender.lower(), self.sender)
        )

    def __str__(self) -> str:
        return self.text


def parse_chaos(text: str) -> ChaosRule:
    """ValueError, beginning with "has" or "needs", says what is wrong."""
    words = text.split()
    if len(words) < 2:
        raise ValueError("needs a stage and what goes wrong there, such as: rcpt refuse=450")
    if words[0] not in STAGES:
        raise ValueError(f"has the stage {words[0][:40]!r}; there are {', '.join(STAGES)}")
    changes: dict[str, Any] = _action(*words[1].partition("=")[::2])
    for word in words[2:]:
        key, _, value = word.partition("=")
        if key not in CONDITIONS or not value:
            raise ValueError(f"has {word[:60]!r}, where to=PATTERN, from=PATTERN or probability=20% may stand")
        changes |= CONDITIONS[key](value)
    rule = replace(ChaosRule(stage=words[0], action=Action.DROP), text=text.strip(), **changes)
    if rule.action is Action.BROKEN_TLS and rule.stage not in ("tls", "starttls"):
        raise ValueError(f"has broken-tls at the stage {rule.stage}; TLS begins at tls or starttls")
    if rule.stage == "tls" and rule.action is not Action.BROKEN_TLS:
        raise ValueError("has the stage tls without broken-tls, the only thing that can go wrong there")
    if rule.action is Action.GREYLIST and rule.stage != "rcpt":
        raise ValueError(f"has greylist at the stage {rule.stage}; it is about recipients: rcpt")
    return rule


def _action(name: str, value: str) -> dict[str, Any]:
    try:
        action = Action(name)
    except ValueError:
        raise ValueError(f"has {name[:40]!r}; there are {', '.join(each.value for each in Action)}") from None
    if action is Action.REFUSE:
        if not re.fullmatch(r"[45][0-5][0-9]|", value):
            raise ValueError(f"has refuse={value[:40]}; a reply that refuses is 400 to 559")
        return {"action": action, "code": int(value or 550)}
    if action in TIMES:
        return {"action": action, "seconds": min(parse_duration(value) if value else TIMES[action], LONGEST)}
    if value:
        raise ValueError(f"has {name}={value[:40]}; {name} takes no value")
    return {"action": action}


TIMES = {Action.DELAY: 5.0, Action.TARPIT: 5.0, Action.GREYLIST: 60.0}


def _share(text: str) -> dict[str, Any]:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"has probability={text[:40]}; it is a share such as 20% or 0.2")
    return {"probability": share}


CONDITIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "to": lambda text: {"to": text.lower()},
    "from": lambda text: {"sender": text.lower()},
    "probability": _share,
}


class Chaos:
    """The rules of one server. `lots` draws from 0 to 1; the same lots, the same mischief."""

    def __init__(self, rules: Sequence[ChaosRule], lots: Callable[[], float]) -> None:
        self.rules, self._lots = rules, lots
        self._first: dict[tuple[str, str, str, str], float] = {}  # when a greylisted one came first

    def strike(self, stage: str, client: str, sender: str, recipient: str, now: float) -> ChaosRule | None:
        """What goes wrong with a command, if anything: the first rule that fits, and whose lot falls."""
        for rule in self.rules:
            if not rule.matches(stage, sender, recipient):
                continue
            if rule.probability < 1 and self._lots() >= rule.probability:
                continue
            if rule.action is Action.GREYLIST and self._waited(rule, client, sender, recipient, now):
                continue
            return rule
        return None

    def _waited(self, rule: ChaosRule, client: str, sender: str, recipient: str, now: float) -> bool:
        key = (rule.text, client, sender.lower(), recipient.lower())
        first = self._first.setdefault(key, now)
        if len(self._first) > REMEMBERED:
            del self._first[next(iter(self._first))]
        return now - first >= rule.seconds
