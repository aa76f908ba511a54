"""How an answer was found: a tree of questions, each with what was asked of whom and what it came to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from netlab.cores.dns_codes import type_name
from netlab.cores.dns_message import Question
from netlab.cores.dns_names import to_text
from netlab.cores.dns_response import Meaning, Reading


class Step(NamedTuple):
    """One thing done for a question: `cache`, `asked`, `inner`, `stale` or `failed`, in words and as facts."""

    what: str
    text: str
    facts: dict[str, Any]


class Trace:
    """One question and the steps to its answer, questions within it among them."""

    __slots__ = ("question", "reason", "steps")

    def __init__(self, question: Question, reason: str = "") -> None:
        self.question, self.reason = question, reason
        self.steps: list[Step | Trace] = []

    def note(self, what: str, text: str, **facts: Any) -> None:
        self.steps.append(Step(what, text, facts))

    def inner(self, question: Question, reason: str) -> Trace:
        """A question that has to be answered first."""
        trace = Trace(question, reason)
        self.steps.append(trace)
        return trace

    def asked(self, address: str, question: Question, zone: bytes, came: str, rtt: float) -> None:
        asked = {"name": to_text(question.name), "type": type_name(question.type), "zone": to_text(zone)}
        self.note("asked", came, server=address, rtt=rtt, **asked)

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
        return sum(each.queries() if isinstance(each, Trace) else each.what == "asked" for each in self.steps)

    def lines(self, indent: str = "") -> Iterator[str]:
        """The tree as text."""
        because = f" ({self.reason})" if self.reason else ""
        yield f"{indent}{to_text(self.question.name)} {type_name(self.question.type)}{because}"
        for step in self.steps:
            if isinstance(step, Trace):
                yield from step.lines(indent + "  ")
            elif step.what == "asked":
                facts = step.facts
                took = f"{facts['rtt'] * 1000:.1f} ms" if facts["rtt"] else "-"
                asked = f"{facts['server']} [{facts['zone']}] {facts['name']} {facts['type']}"
                yield f"{indent}  {asked}: {step.text}, {took}"
            else:
                yield f"{indent}  {step.what}: {step.text}"

    def as_json(self) -> dict[str, Any]:
        """For programs: questions with their steps."""
        steps = [
            each.as_json() if isinstance(each, Trace) else {"what": each.what, "text": each.text, **_plain(each.facts)}
            for each in self.steps
        ]
        asked = {"name": to_text(self.question.name), "type": type_name(self.question.type)}
        return {**asked, "reason": self.reason, "steps": steps}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
