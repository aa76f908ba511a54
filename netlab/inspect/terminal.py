"""Flows as lines for people: one line per ended flow."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netlab.flow import FlowLog, Outcome
from netlab.inspect.record import to_record
from netlab.text import duration, escape, size

COLOURS = {Outcome.OK: "32", Outcome.REFUSED: "33", Outcome.CANCELLED: "2", "open": "36"}
RED = "31"  # for whatever went wrong

LINES_PER_SECOND = 1000
"""More than anybody reads. Past it lines are left out and counted, so that printing costs traffic a few per cent."""


def worth_a_line(kind: str, label: str, outcome: str) -> bool:
    """A connection whose requests have lines of their own gets one only if it went wrong."""
    return kind != "tcp" or bool(label) or outcome != Outcome.OK


def line(record: Mapping[str, Any], *, colour: bool = False) -> str:
    """One flow: time, id, service, client, answer and outcome, duration, bytes in and out, and what was asked."""
    started, ended, outcome = record["started"], record["ended"], record["outcome"] or "open"
    moment = time.strftime("%H:%M:%S", time.localtime(started)) + f".{int(started % 1 * 1000):03d}"
    took = "" if ended is None else duration(ended - started)
    answer = f"{escape(record['result'])} {outcome}".strip()
    padding = " " * (12 - len(answer))
    if colour:
        answer = f"\x1b[{COLOURS.get(outcome, RED)}m{answer}\x1b[0m"
    client = escape(record["client"] or "")
    traffic = f"{size(record['received']):>8} > {size(record['sent']):>8} <"
    return (
        f"{moment}  {record['id']:>5}  {escape(record['service']):<6}  {client:<21}  {answer}{padding}"
        f"  {took:>8}  {traffic}  {escape(record['label'])}"
    )


def flow_lines(records: Sequence[Mapping[str, Any]], missed: int, *, colour: bool, as_json: bool) -> str:
    """A line for each flow, and how many there were besides."""
    if as_json:
        lines = [json.dumps(record) for record in records]
        lines += [json.dumps({"dropped": missed})] if missed else []
    else:
        lines = [line(record, colour=colour) for record in records]
        lines += [f"... {missed} flows more, too fast to print (netlab export has them)"] if missed else []
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


class FlowLines:
    """A line for each flow that ends, in batches; what comes too fast is counted and said."""

    def __init__(self, flows: FlowLog, writer: Writer, *, colour: bool = False, as_json: bool = False) -> None:
        self._flows, self._writer, self._colour, self._as_json = flows, writer, colour, as_json
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
        flows = [flow for _, flow in self._subscription.take() if worth_a_line(flow.kind, flow.label, flow.outcome)]
        missed, self._subscription.dropped = self._subscription.dropped + self._left_out, 0
        records = [to_record(flow, whole=False) for flow in flows]
        written = self._writer.write(flow_lines(records, missed, colour=self._colour, as_json=self._as_json))
        self._left_out = 0 if written else missed + len(flows)
        self._pause = max(0.05, len(flows) / LINES_PER_SECOND)

    def close(self) -> None:
        """Print what is left and listen no more."""
        self._subscription.close()
        if self._timer is not None:
            self._timer.cancel()
        self._print()
