"""A flow as JSON (docs/contracts.md): written where the flow is, read by viewers and exports in other processes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from netlab.cores.fields import Fields
from netlab.flow import Event, Flow, FlowLog, Level
from netlab.tape import Chunk, Side, Tape
from netlab.text import peer_text

Record = dict[str, Any]
"""One flow in the form of the contract."""

SUMMARY = Level.SUMMARY.name.lower()


def to_record(flow: Flow, *, whole: bool) -> Record:
    """The flow as JSON has it; `whole` adds events, raw bytes and TLS secrets where they were recorded."""
    log = flow.log
    received, sent = _payload(flow)
    record = {
        "id": _identify(log, flow),
        "kind": flow.kind,
        "service": flow.service,
        "parent": None if flow.parent is None else _identify(log, flow.parent),
        "leg": flow.is_leg,
        "level": flow.level.name.lower(),
        "client": peer_text(flow.client),
        "server": peer_text(flow.server),
        "started": _date(log, flow.started),
        "ended": _date(log, flow.ended) if flow.ended else None,
        "label": flow.label,
        "result": flow.result,
        "outcome": flow.outcome,
        "received": received,
        "sent": sent,
        "details": plain_json(flow.details or {}),
    }
    if not whole:
        record["details"].pop("secrets", None)
    elif flow.events is not None:
        record["events"] = [event_record(log, event) for event in flow.events]
        record["wire"] = None if flow.wire is None else _tape_record(flow, flow.wire)
        record["plain"] = None if flow.plain is None else _tape_record(flow, flow.plain)
    return record


def _payload(flow: Flow) -> tuple[int, int]:
    """A connection that is still open has them on its tape, if it has one."""
    tape = flow.plain or flow.wire
    if flow.ended or tape is None:
        return flow.received, flow.sent
    return flow.received or tape.offsets["client"], flow.sent or tape.offsets["server"]


def event_record(log: FlowLog, event: Event) -> Record:
    """One event in the form of the contract."""
    return {**event._asdict(), "time": _date(log, event.time), "fields": plain_json(event.fields)}


def _tape_record(flow: Flow, tape: Tape) -> list[Record]:
    """The kept chunks; behind them, for a side that went on, an empty one at the offset it came to."""
    ends = {chunk.side: chunk.offset + len(chunk.data) for chunk in tape.chunks}
    last = flow.ended or (tape.chunks[-1].time if tape.chunks else flow.started)
    sides: tuple[Side, Side] = ("client", "server")
    further = [Chunk(last, side, b"", tape.offsets[side]) for side in sides if tape.offsets[side] > ends.get(side, 0)]
    return [
        {
            "time": _date(flow.log, chunk.time),
            "side": chunk.side,
            "offset": chunk.offset,
            "data": b64encode(chunk.data).decode("ascii"),
        }
        for chunk in (*tape.chunks, *further)
    ]


def _identify(log: FlowLog, flow: Flow) -> str:
    return f"{log.prefix}{flow.id}"


def _date(log: FlowLog, monotonic: float) -> float:
    return round(log.wall(monotonic), 6)


def plain_json(value: Any) -> Any:
    """What JSON can hold of a value: bytes become base64 in a dict, what JSON does not know becomes text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            return {"base64": b64encode(value).decode("ascii")}
        case Mapping():
            return {str(key): plain_json(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() | Fields():
            return [plain_json(item) for item in value]
    return str(value)


def peer_address(text: str | None) -> tuple[str, int] | None:
    """(host, port) of what `peer_text` wrote; None where it is not an IP address and a port."""
    host, colon, port = (text or "").rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) < 65536):
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRecord:
    """A flow read from its JSON: the contract's keys, typed. Times are seconds since 1970; what is missing is empty."""

    id: str
    kind: str = ""
    service: str = ""
    parent: str | None = None
    leg: bool = False
    level: str = SUMMARY
    client: str | None = None
    server: str | None = None
    started: float = 0.0
    ended: float | None = None
    label: str = ""
    result: str = ""
    outcome: str = ""
    received: int = 0
    sent: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Event] = ()
    wire: Sequence[Chunk] | None = None
    plain: Sequence[Chunk] | None = None

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> FlowRecord:
        known = {name: record[name] for name in _SCALARS if name in record}
        return cls(
            **known,
            details=record.get("details") or {},
            events=[Event(*(event[name] for name in Event._fields)) for event in record.get("events") or ()],
            wire=_chunks(record.get("wire")),
            plain=_chunks(record.get("plain")),
        )

    def all(self, name: str) -> Iterator[Event]:
        """The events of this name."""
        return (event for event in self.events if event.name == name)

    def fields_of(self, name: str) -> dict[str, Any]:
        """The fields of the first event of this name, empty if there is none."""
        return next((event.fields for event in self.all(name)), {})

    def read(self, side: Side, start: int, end: int) -> bytes:
        """Bytes of one side's stream as the protocol saw it (decrypted where TLS was between), as far as kept.

        The bytes of a request are those of its parent, between the offsets of the request's event.
        """
        chunks = (self.wire or ()) if self.plain is None else self.plain
        parts = [
            chunk.data[max(start - chunk.offset, 0) : max(end - chunk.offset, 0)]
            for chunk in chunks
            if chunk.side == side
        ]
        return b"".join(parts)


def read_flows(records: Iterable[Mapping[str, Any]]) -> list[FlowRecord]:
    """The flows of many records, each once: a connection comes along with every request on it that was asked for."""
    return list({flow.id: flow for flow in map(FlowRecord.from_json, records)}.values())


_SCALARS = [name for name in FlowRecord.__slots__ if name not in ("details", "events", "wire", "plain")]


def _chunks(items: Sequence[Mapping[str, Any]] | None) -> list[Chunk] | None:
    if items is None:
        return None
    return [Chunk(item["time"], item["side"], b64decode(item["data"]), item["offset"]) for item in items]
