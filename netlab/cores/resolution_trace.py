"""How an answer was found: a tree of questions, each with what was asked of whom and what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from netlab.cores.dns_codes import type_name, type_number
from netlab.cores.dns_message import Question
from netlab.cores.dns_names import from_text, to_text
from netlab.cores.dns_response import Meaning, Reading


class Step(NamedTuple):
    """One thing done for a question without asking anyone: `cache`, `stale` or `failed`, in words and as facts."""

    what: str
    text: str
    facts: dict[str, Any]


class Asked(NamedTuple):
    """One query and what it came to, in words; `rtt` in seconds, 0 where no answer came."""

    server: str
    question: Question
    zone: bytes
    text: str
    rtt: float

    @property
    def what(self) -> str:
        return "asked"

    @property
    def facts(self) -> dict[str, Any]:
        name, kind, zone = to_text(self.question.name), type_name(self.question.type), to_text(self.zone)
        return {"server": self.server, "rtt": self.rtt, "name": name, "type": kind, "zone": zone}


class Trace:
    """One question and the steps to its answer, questions within it among them."""

    __slots__ = ("question", "reason", "steps")

    def __init__(self, question: Question, reason: str = "") -> None:
        self.question, self.reason = question, reason
        self.steps: list[Step | Asked | Trace] = []

    def note(self, what: str, text: str, **facts: Any) -> None:
        self.steps.append(Step(what, text, facts))

    def inner(self, question: Question, reason: str) -> Trace:
        """A question that has to be answered first."""
        trace = Trace(question, reason)
        self.steps.append(trace)
        return trace

    def asked(self, address: str, question: Question, zone: bytes, came: str, rtt: float) -> None:
        self.steps.append(Asked(address, question, zone, came, rtt))

    def read(self, address: str, question: Question, zone: bytes, reading: Reading, rtt: float, *, tcp: bool) -> None:
        came = reading.meaning.value
        if reading.meaning is Meaning.REFERRAL:
            came = f"referral to {to_text(reading.zone)}"
        elif reading.why:
            came = f"{came}: {reading.why}"
        if reading.ignored:
            came += f"; {len(reading.ignored)} records out of bailiwick ignored"
        self.asked(address, question, zone, came + (" (TCP)" if tcp else ""), rtt)

    def queries(self) -> int:
        """How many queries were sent for it, those for questions within it counted."""
        return sum(each.queries() if isinstance(each, Trace) else isinstance(each, Asked) for each in self.steps)

    def lines(self, indent: str = "") -> Iterator[str]:
        """The tree as text."""
        because = f" ({self.reason})" if self.reason else ""
        yield f"{indent}{to_text(self.question.name)} {type_name(self.question.type)}{because}"
        for step in self.steps:
            if isinstance(step, Trace):
                yield from step.lines(indent + "  ")
            else:
                yield f"{indent}  {described(step)}"

    def as_json(self) -> dict[str, Any]:
        """For programs: questions with their steps."""
        steps = [
            each.as_json() if isinstance(each, Trace) else {"what": each.what, "text": each.text, **_plain(each.facts)}
            for each in self.steps
        ]
        asked = {"name": to_text(self.question.name), "type": type_name(self.question.type)}
        return {**asked, "reason": self.reason, "steps": steps}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Trace:
        """What `as_json` wrote; KeyError, TypeError or UsageError for anything else."""
        trace = cls(_question(told), told["reason"])
        for each in told["steps"]:
            match each:
                case {"steps": _}:
                    trace.steps.append(cls.from_json(each))
                case {"what": "asked"}:
                    trace.asked(each["server"], _question(each), from_text(each["zone"]), each["text"], each["rtt"])
                case _:
                    trace.note(each["what"], each["text"])
        return trace


def _question(told: Mapping[str, Any]) -> Question:
    return Question(from_text(told["name"]), type_number(told["type"]))


def described(step: Step | Asked) -> str:
    """One step in a line."""
    if not isinstance(step, Asked):
        return f"{step.what}: {step.text}"
    took = f" in {step.rtt * 1000:.1f} ms" if step.rtt else ""
    asked = f"{to_text(step.question.name)} {type_name(step.question.type)}"
    return f"{step.server}, for {to_text(step.zone)}: {asked}?  {step.text}{took}"


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
