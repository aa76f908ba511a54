"""A flow's raw bytes as messages, each with the tree of its fields: which byte says what."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any

from captures.applications import label, layer, summary
from captures.messages import Message, Side
from captures.tree import Field
from netlab.inspect.record import FlowRecord
from netlab.inspect.show import span
from netlab.inspect.tape_secrets import TapeReader

LONGEST = 64 << 10
"""Bytes of one message that are mapped."""
MOST = 200
"""Messages that are mapped."""

SIDES: tuple[Side, Side] = ("client", "server")
Record = Mapping[str, Any]


def byte_map(flow: Record, parent: Record | None) -> dict[str, Any]:
    """The messages of a flow, oldest first. A request's bytes are its connection's, between the request's own marks."""
    carrier = flow if tapes(flow) else parent if parent is not None and tapes(parent) else None
    if carrier is None:
        return {"messages": [], "why": "the bytes were not recorded (they are at level full)"}
    chunks = carrier["plain"] or carrier["wire"]
    found = list(messages(carrier, chunks))
    if carrier is not flow:
        bounds = {side: span(FlowRecord.from_json(flow), side) for side in SIDES}
        found = [one for one in found if bounds[one[1]][0] <= one[2].offset < max(bounds[one[1]][1], 1)]
    shown = [as_json(*one) for one in found[:MOST]]
    return {"messages": shown, "more": max(len(found) - MOST, 0)}


def tapes(record: Record) -> bool:
    return bool(record.get("plain") or record.get("wire"))


def messages(carrier: Record, chunks: list[Record]) -> Iterator[tuple[float, Side, Message]]:
    """Both sides' bytes in the order in which they passed, read as one conversation."""
    reader = TapeReader(carrier)
    for chunk in chunks:
        for message in reader.add(chunk["side"], b64decode(chunk["data"])):
            yield chunk["time"], chunk["side"], message


def as_json(time: float, side: Side, message: Message) -> dict[str, Any]:
    data = message.data[:LONGEST]
    tree = layer(message, data, 0, len(data))
    return {
        "time": time,
        "side": side,
        "protocol": label(message.protocol),
        "summary": summary(message),
        "offset": message.offset,
        "hex": data.hex(),
        "cut": len(message.data) - len(data),
        "fields": [field_json(field) for field in tree.fields],
    }


def field_json(field: Field) -> dict[str, Any]:
    """Places in bytes; a field that is part of a byte has that byte."""
    value = field.value.hex(" ") if isinstance(field.value, bytes) else field.value
    return {
        "name": field.name,
        "label": field.label,
        "value": value,
        "start": field.start // 8,
        "end": -(-field.end // 8),
        "meaning": field.meaning,
        "section": field.section,
        "malformed": field.malformed,
        "parts": [field_json(part) for part in field.parts],
    }
