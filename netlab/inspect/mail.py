"""A mail session's flow as the conversation that it was: each line with its time, each command with its section."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.flow import Event
from netlab.inspect.record import FlowRecord
from netlab.text import duration, escape

MARKS = {"client": ">", "server": "<", "netlab": "*"}
BEFORE = 40
"""Lines of the connection's own that are shown before those of a message."""
SPOKEN = frozenset(("command.received", "message.received", "reply.sent"))


def conversation(flow: FlowRecord, parent: FlowRecord | None) -> str:
    """What was said; before a message, how its session began. Nothing for flows in which nobody says lines."""
    if flow.kind != "smtp" and not any(event.name in SPOKEN and "section" in event.fields for event in flow.events):
        return ""
    before = [event for event in parent.events if event.time < flow.started][-BEFORE:] if parent is not None else []
    began = parent.started if parent is not None and before else flow.started
    return "\n".join(line for event in (*before, *flow.events) for line in _lines(event, began))


def _lines(event: Event, began: float) -> Iterator[str]:
    fields = event.fields
    text = str(fields.get("line") or fields.get("text") or fields.get("reason") or fields.get("rule") or "")
    if event.name not in SPOKEN:
        text = f"{event.name}: {text}" if text else event.name
    first, *more = text.split("\n")
    section = f"   ({fields['section']})" if fields.get("section") else ""
    yield f"  {'+' + duration(event.time - began):<10} {MARKS[event.side]} {escape(first)}{section if not more else ''}"
    for line in more:
        yield f"  {'':<10} {MARKS[event.side]} {escape(line)}"
