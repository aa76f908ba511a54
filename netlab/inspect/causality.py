"""What led to what, across all services of a lab: calls joined with the conversations they became at the other end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from netlab.inspect.record import Record
from netlab.text import duration, escape

SLACK = 0.05
"""Seconds by which clocks of two ends may seem to differ: who is called notes it a little after the caller."""


class Causes:
    """Flows by what caused them. A call of ours and the conversation at its other end have the same two addresses."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = {record["id"]: record for record in records}
        self._below: dict[str, list[Record]] = defaultdict(list)
        called: dict[tuple[Any, Any], list[Record]] = defaultdict(list)
        for record in records:
            if record["leg"]:
                called[record["client"], record["server"]].append(record)
        self.roots = [record for record in records if not self._put(record, called)]

    def _put(self, record: Record, called: Mapping[tuple[Any, Any], list[Record]]) -> bool:
        """Below its parent, or below the call that it is the other end of; False if it came from outside."""
        parent = self.records.get(record["parent"] or "")
        if record["leg"] and parent is not None:
            self._below[parent["id"]].append(record)
            return True
        calls = [call for call in called.get((record["client"], record["server"]), ()) if _within(record, call)]
        if calls:
            best = max(calls, key=lambda call: (call["kind"] == record["kind"], call["started"]))
            self._below[best["id"]].append(record)
            return True
        if parent is not None:
            self._below[parent["id"]].append(record)
            return True
        return False

    def walk(self, roots: Iterable[Record] | None = None, depth: int = 0) -> Iterator[tuple[int, Record]]:
        """Every flow behind what caused it, with how deep it lies."""
        for record in sorted(self.roots if roots is None else roots, key=lambda one: float(one["started"])):
            yield depth, record
            yield from self.walk(self._below[record["id"]], depth + 1)


def _within(record: Record, call: Record) -> bool:
    end = call["ended"] if call["ended"] is not None else float("inf")
    return bool(call["started"] - SLACK <= record["started"] <= end + SLACK)


def timeline(records: Sequence[Record]) -> list[str]:
    """The flows as an indented story: when, who, what, how it ended; and each decision with its reason."""
    if not records:
        return []
    begun = min(record["started"] for record in records)
    lines = []
    for depth, record in Causes(records).walk():
        told = list(filter(None, map(said, record.get("events") or ())))
        if record["kind"] == "tcp" and not told:
            continue  # its requests say it all
        after = duration(record["started"] - begun)
        took = "" if record["ended"] is None else f", {duration(record['ended'] - record['started'])}"
        what = escape(record["label"] or f"connection of {record['client']}")
        result = f" → {escape(record['result'])}" if record["result"] else ""
        call = "→ " if record["leg"] else ""
        lines.append(f"{after:>8}  {'  ' * depth}{call}{record['service']}: {what}{result}{took}")
        lines += [f"{'':8}  {'  ' * depth}    {sentence}" for sentence in told]
    return lines


def said(event: Mapping[str, Any]) -> str:
    """What an event adds to the story; most add nothing that its flow does not say."""
    tell = STORIES.get(event["name"])
    return escape(tell(event["fields"])) if tell is not None else ""


STORIES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "tls.established": lambda f: f"TLS: {f.get('version')}, {f.get('cipher')}, for {f.get('sni') or 'no name'}",
    "name.resolved": lambda f: (
        ""
        if f.get("source") == "literal" or not f.get("host")
        else f"name: {f.get('host')} is {', '.join(f.get('addresses') or ())}, by {f.get('source')}"
    ),
    "route.matched": lambda f: f"route: {f.get('route')}",
    "cache.consulted": lambda f: f"cache: {f.get('verdict')}, {f.get('reason')} ({f.get('section')})",
    "response.stored": lambda f: f"cache: stored, {f.get('reason')} ({f.get('section')})",
    "upstream.picked": lambda f: f"balancer: {f.get('upstream')} by {f.get('balance')}: {f.get('rule')}",
    "request.retried": lambda f: "tried again elsewhere",
    "command.received": lambda f: f"C: {f.get('line')}  ({f.get('section')})",
    "message.received": lambda f: f"C: {f.get('line')}  ({f.get('section')})",
    "reply.sent": lambda f: f"S: {f['text']}" if f.get("text") else "",
    "fault.struck": lambda f: f"fault on purpose: {f.get('fault') or f.get('name')}",
    "deadline.passed": lambda f: f"deadline passed: {f.get('stage')}",
    "connection.reset": lambda f: f"reset {f.get('reason') or f.get('error') or ''}",
}
