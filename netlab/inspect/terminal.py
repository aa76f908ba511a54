"""Flows as lines for people: one line per ended flow."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from netlab.flow import Flow, FlowLog, Outcome
from netlab.inspect.record import to_record
from netlab.text import counted, duration, escape, size

COLOURS = {Outcome.OK: "32", Outcome.REFUSED: "33", Outcome.CANCELLED: "2", "open": "36"}
RED = "31"  # for whatever went wrong

LINES_PER_SECOND = 1000
"""More than anybody reads. Past it lines are left out and counted, so that printing costs traffic a few per cent."""


def worth_a_line(kind: str, label: str, outcome: str) -> bool:
    """A connection whose requests have lines of their own gets one only if it went wrong."""
    return kind != "tcp" or bool(label) or outcome != Outcome.OK


def joined(flows: Sequence[Flow]) -> Iterator[Flow]:
    """Flows in the order in which they ended, but each leg behind what it was for, though that ended later."""
    here, legs = set(flows), defaultdict[Flow, list[Flow]](list)
    for flow in flows:
        if flow.is_leg and flow.parent in here:
            legs[flow.parent].append(flow)
    for flow in flows:
        if not flow.is_leg or flow.parent not in here:
            yield from _with_legs(flow, legs)


def _with_legs(flow: Flow, legs: Mapping[Flow, list[Flow]]) -> Iterator[Flow]:
    yield flow
    for leg in legs.get(flow, ()):
        yield from _with_legs(leg, legs)


ANSWER = 15
"""Columns of the answer and outcome: `504 unreachable`. A result that is a sentence stands behind the label."""


class Lines:
    """Flows as lines whose columns stand still: one that had to grow for an id, a service or a client stays so."""

    def __init__(self, services: Iterable[str] = (), *, colour: bool = False) -> None:
        self._colour = colour
        self._widths = {"id": 5, "service": max(map(len, services), default=4), "client": 21}

    def line(self, record: Mapping[str, Any]) -> str:
        """One flow: time, id, service, client, answer and outcome, duration, bytes in and out, and what was asked.

        A leg has the server that we called in its client's place, and says for which flow.
        """
        started, ended, outcome = record["started"], record["ended"], record["outcome"] or "open"
        moment = time.strftime("%H:%M:%S", time.localtime(started)) + f".{int(started % 1 * 1000):03d}"
        took = "" if ended is None else duration(ended - started)
        result, reason = escape(record["result"]), ""
        if len(result) + len(outcome) >= ANSWER:
            result, reason = "", result
        answer = f"{result} {outcome}".strip()
        padding = " " * (ANSWER - len(answer))
        if self._colour:
            answer = f"\x1b[{COLOURS.get(outcome, RED)}m{answer}\x1b[0m"
        traffic = f"{size(record['received']):>8} > {size(record['sent']):>8} <"
        asked = "  ".join(filter(None, (escape(record["label"]), reason)))
        if leg := record.get("leg", False):
            asked = f"└ {asked}  (for {record['parent']})"
        asked += "".join(f"  [fault {escape(fault)}]" for fault in (record.get("details") or {}).get("faults", ()))
        peer = f"→ {escape(record['server'] or '')}" if leg else escape(record["client"] or "")
        return (
            f"{moment}  {self._fit('id', record['id'], '>')}  {self._fit('service', escape(record['service']))}"
            f"  {self._fit('client', peer)}"
            f"  {answer}{padding}  {took:>8}  {traffic}  {asked}"
        )

    def _fit(self, column: str, text: str, side: str = "<") -> str:
        width = self._widths[column] = max(self._widths[column], min(len(text), WIDEST))
        return f"{text:{side}{width}}"

    def block(self, records: Sequence[Mapping[str, Any]], missed: int) -> str:
        """A line for each flow, and how many there were besides."""
        lines = [self.line(record) for record in records]
        lines += [f"... {counted(missed, 'flow')} more, too fast to print (netlab export has them)"] if missed else []
        return "".join(f"{text}\n" for text in lines)


WIDEST = 47
"""The most that a column grows to: `[an IPv6 address written in full]:65535`."""


class JsonLines:
    """The same as JSON, an object a line."""

    def block(self, records: Sequence[Mapping[str, Any]], missed: int) -> str:
        lines = [json.dumps(record) for record in records]
        lines += [json.dumps({"dropped": missed})] if missed else []
        return "".join(f"{text}\n" for text in lines)


class Writer:
    """Writes text to a descriptor from a thread of its own, so that a terminal that is stopped stops nothing else."""

    def __init__(self, descriptor: int, broken: Callable[[], None] = lambda: None, *, limit: int = 32) -> None:
        self._descriptor = descriptor
        self._broken = broken  # called from the thread when nobody reads any more
        self._blocks: queue.Queue[bytes] = queue.Queue(limit)
        self._thread = threading.Thread(target=self._run, name="netlab terminal", daemon=True)
        self._thread.start()

    def write(self, text: str) -> bool:
        """Queue the text; False if the reader is so far behind that it had to be left out."""
        if not text:
            return True
        try:
            self._blocks.put_nowait(text.encode("utf-8", "replace"))
        except queue.Full:
            return False
        return True

    def close(self, patience: float = 1.0) -> None:
        """Wait for what is queued, but not for ever: a terminal may be stopped."""
        try:
            self._blocks.put(b"", timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _run(self) -> None:
        while block := self._blocks.get():
            view = memoryview(block)
            try:
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:  # the reader has gone
                self._broken()
                return


def lines_for(endpoints: Iterable[str], *, as_json: bool) -> Lines | JsonLines:
    """The form in which flows are printed on standard output; an endpoint's name begins with that of its service."""
    services = [endpoint.partition(" ")[0] for endpoint in endpoints]
    return JsonLines() if as_json else Lines(services, colour=sys.stdout.isatty())


class FlowLines:
    """A line for each flow that ends, in batches; what comes too fast is counted and said."""

    def __init__(self, flows: FlowLog, writer: Writer, form: Lines | JsonLines) -> None:
        self._flows, self._writer, self._form = flows, writer, form
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._left_out = 0  # lines the writer could not take
        self._pause = 0.05
        self._subscription = flows.subscribe(self._wake, limit=1000, ended_only=True)

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._pause, self._print)

    def _print(self) -> None:
        self._timer = None
        ended = [flow for _, flow in self._subscription.take()]
        flows = [flow for flow in joined(ended) if worth_a_line(flow.kind, flow.label, flow.outcome)]
        missed, self._subscription.dropped = self._subscription.dropped + self._left_out, 0
        records = [to_record(flow, whole=False) for flow in flows]
        written = self._writer.write(self._form.block(records, missed))
        self._left_out = 0 if written else missed + len(flows)
        self._pause = max(0.05, len(flows) / LINES_PER_SECOND)

    def close(self) -> None:
        """Print what is left and listen no more."""
        self._subscription.close()
        if self._timer is not None:
            self._timer.cancel()
        self._print()
