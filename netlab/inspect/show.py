"""One flow in full, as a page for a terminal: facts, waterfall with the joined legs, events, raw bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence

from netlab.cores.resolution_trace import Trace
from netlab.flow import Event
from netlab.inspect.mail import conversation
from netlab.inspect.record import FlowRecord
from netlab.tape import Side
from netlab.text import duration, escape, size

BAR = 40
"""Columns of the waterfall."""
DUMP = 512
"""Bytes of each side that are shown unless all are asked for."""
MAX_STEPS = 30
"""Events that have a row in the waterfall."""
TEXT = 2000
"""Characters of one event's field that are shown."""


def page(flow: FlowRecord, parent: FlowRecord | None, children: Sequence[FlowRecord], *, raw: bool = False) -> str:
    """Everything known about a flow; `raw` shows all of its bytes instead of their beginning."""
    blocks = [_facts(flow, parent), waterfall(flow, parent, children)]
    if flow.level == "full":
        talk = conversation(flow, parent)
        blocks += [talk] if talk else ["\n".join(_event(event, flow.started)) for event in flow.events]
        blocks += _raw(flow, parent, None if raw else DUMP)
    else:
        blocks.append(
            f"recorded at {flow.level}, without events and bytes; `netlab watch --full` or --record full keep them"
        )
    return "\n\n".join(block for block in blocks if block)


def _facts(flow: FlowRecord, parent: FlowRecord | None) -> str:
    took = "still open" if flow.ended is None else duration(flow.ended - flow.started)
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(flow.started)) + f".{int(flow.started % 1 * 1e6):06d}"
    facts = {
        "leg for": f"{parent.kind} {parent.id}  {parent.label}" if flow.leg and parent is not None else "",
        "service": flow.service,
        "client": flow.client or "",
        "server": flow.server or "",
        "started": f"{date}, {took}",
        "payload": "" if uncounted(flow) else f"{size(flow.received)} received, {size(flow.sent)} sent",
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in flow.details.items()},
    }
    width = max(map(len, facts))
    head = f"flow {flow.id}  {flow.kind}  {flow.label or '-'}  {flow.result} {flow.outcome or 'open'}"
    return "\n".join([escape(head), *(f"  {key:<{width}}  {escape(value)}" for key, value in facts.items() if value)])


def uncounted(flow: FlowRecord) -> bool:
    """A connection's bytes are summed up when it ends."""
    return flow.ended is None and flow.kind == "tcp" and not (flow.received and flow.sent)


def waterfall(flow: FlowRecord, parent: FlowRecord | None, children: Sequence[FlowRecord]) -> str:
    """When the flow and its legs ran, and what of a leg's dial took how long; a parent may reach out of the picture."""
    family = [flow, *children]
    begin = min(member.started for member in family)
    end = max([member.ended or 0.0 for member in family] + [event.time for event in flow.events] + [begin + 1e-6])
    rows = [(f"{parent.kind} {parent.id}", parent.started, parent.ended or end)] if parent else []
    rows.append((f"{flow.kind} {flow.id}", flow.started, flow.ended or end))
    rows += _stages(flow) or _steps(flow)
    depths = {flow.id: 0}
    for child in children:  # a leg's leg comes behind it
        depth = depths[child.id] = depths.get(child.parent or "", 0) + 1
        name = f"{'  ' * depth}{child.kind} {child.id} {'→ ' if child.leg else ''}{child.server or child.label}"
        rows.append((name, child.started, child.ended or end))
        rows += [(f"{'  ' * (depth - 1)}{stage}", first, last) for stage, first, last in _stages(child)]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(
        f"{escape(name):<{width}}  {_bar(first, last, begin, end)}  {duration(last - first)}"
        for name, first, last in rows
    )


def _stages(flow: FlowRecord) -> list[tuple[str, float, float]]:
    """Resolve, connect, TLS: the dial's own `timings`, one behind the other."""
    timings, at = flow.details.get("timings"), flow.started
    rows = []
    for stage, seconds in timings.items() if isinstance(timings, Mapping) else ():
        if isinstance(seconds, int | float) and seconds > 0:
            rows.append((f"    {stage}", at, at + seconds))
            at += seconds
    return rows


def _steps(flow: FlowRecord) -> list[tuple[str, float, float]]:
    """From each event of the flow to the next."""
    steps = zip(flow.events, flow.events[1:MAX_STEPS], strict=False)
    return [(f"    to {event.name}", before.time, event.time) for before, event in steps]


def _bar(first: float, last: float, begin: float, end: float) -> str:
    scale = BAR / (end - begin)
    left = min(max(round((first - begin) * scale), 0), BAR - 1)
    right = min(max(round((last - begin) * scale), left + 1), BAR)
    before, behind = "<" if first < begin else "|", ">" if last > end else "|"
    return f"{before}{' ' * left}{'=' * (right - left)}{' ' * (BAR - right)}{behind}"


def _event(event: Event, started: float) -> Iterator[str]:
    span = f"  bytes {event.start}-{event.end}" if event.end > event.start else ""
    yield f"+{duration(event.time - started):<8} {event.side:<6}  {escape(event.name)}{span}"
    for key, value in event.fields.items():
        if key == "trace" and event.name == "name.resolved":
            yield from (f"    {escape(line)}" for line in Trace.from_json(value).lines())
        elif key in ("fields", "trailers") and isinstance(value, list):
            yield from (f"    {escape(name)}: {escape(text)}" for name, text in value)
        elif value not in (None, "", [], {}):
            text = value if isinstance(value, str) else json.dumps(value)
            more = f" ... {len(text) - TEXT} characters more" if len(text) > TEXT else ""
            yield f"  {key} = {escape(text[:TEXT])}{more}"


def _raw(flow: FlowRecord, parent: FlowRecord | None, limit: int | None) -> list[str]:
    carrier = flow if flow.wire is not None or flow.plain is not None else parent
    if carrier is None or (carrier.wire is None and carrier.plain is None):
        return []
    blocks = []
    sides: tuple[Side, Side] = ("client", "server")
    for side in sides:
        start, end = (0, 1 << 62) if carrier is flow else span(flow, side)
        data = carrier.read(side, start, end)
        if data:
            shown = data if limit is None else data[:limit]
            what = "decrypted" if carrier.plain is not None else "as on the network"
            head = f"bytes from the {side}, {start}-{start + len(data)} of {carrier.kind} {carrier.id}, {what}"
            more = [] if len(shown) == len(data) else [f"... {len(data) - len(shown)} bytes more; --raw shows them"]
            blocks.append("\n".join([head, *dump(shown, start), *more]))
    return blocks


def span(flow: FlowRecord, side: str) -> tuple[int, int]:
    """From where to where a flow's bytes stand in one side's stream, by its events; (0, 0) if none say so."""
    events = [event for event in flow.events if event.side == side and event.end > event.start]
    if not events:
        return 0, 0
    content = max((event.fields.get("size", 0) for event in flow.events if event.side == side), default=0)
    return min(event.start for event in events), max(max(event.end for event in events), events[0].end + content)


def dump(data: bytes, offset: int = 0) -> Iterator[str]:
    """Sixteen bytes a line: offset, hexadecimal, text."""
    for at in range(0, len(data), 16):
        piece = data[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield f"  {offset + at:08x}  {piece[:8].hex(' '):<23}  {piece[8:].hex(' '):<23}  {text}"
