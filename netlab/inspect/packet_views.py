"""A packet for people and programs: its line in a list, its tree, its bytes with a field's marked, its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from captures.blocks import Packet
from captures.inspector import Buffer
from captures.packet_fields import Facts
from captures.summary import summarize
from captures.tree import Field, Layer, as_json, walk
from netlab.inspect.masks import masked_text
from netlab.inspect.packet_names import KnownNames
from netlab.text import escape

COLUMN = 16
SHOWN = 64
"""Bytes of a value that a tree shows."""
HIGHLIGHT, WARNING, PLAIN = "\x1b[7m", "\x1b[33m", "\x1b[0m"


def heading() -> str:
    return f"{'No.':>6}  {'Time':>11}  {'Source':<21} {'Destination':<21} {'Protocol':<9} {'Length':>6}  Info"


NOBODY = KnownNames()


def line(facts: Facts, *, colour: bool = False, reveal: bool = False, names: KnownNames = NOBODY) -> str:
    """A packet's line in the list; nothing in it can steer a terminal."""
    seen, (protocol, info) = facts.seen, summarize(facts.seen)
    info = info if reveal else masked_text(info)
    source, destination = names.column(seen.source) or "-", names.column(seen.destination) or "-"
    text = escape(
        f"{seen.number:>6}  {facts.since:>11.6f}  {source:<21} {destination:<21} {protocol:<9} {seen.length:>6}  {info}"
    )
    return f"{WARNING}{text}{PLAIN}" if colour and seen.notes else text


def record(
    facts: Facts, buffers: Iterable[Buffer] = (), *, reveal: bool = False, names: KnownNames = NOBODY
) -> dict[str, Any]:
    """A packet as JSON has it, with the layers of these buffers."""
    seen, told = facts.seen, summarize(facts.seen)
    found: dict[str, Any] = {
        "number": seen.number,
        "time": seen.time / 10**9,
        "since": facts.since,
        "source": seen.source,
        "destination": seen.destination,
        "protocol": told.protocol,
        "length": seen.length,
        "info": told.info if reveal else masked_text(told.info),
        "notes": list(seen.notes),
    }
    if seen.ports != (0, 0):
        found["ports"] = list(seen.ports)
    found |= {
        f"{end}_name": name
        for end, address in (("source", seen.source), ("destination", seen.destination))
        if (name := names.get(address))
    }
    if seen.conversation is not None:
        found["stream"] = f"{seen.conversation.kind} {seen.conversation.index}"
    if seen.tcp is not None:
        found["tcp"] = {
            "seq": seen.tcp.sequence,
            "ack": seen.tcp.acknowledgement,
            "window": seen.tcp.window,
            "rtt": seen.tcp.rtt / 10**9 if seen.tcp.rtt >= 0 else None,
        }
    if isinstance(seen.packet, Packet) and seen.packet.comments:
        found["comments"] = [words if reveal else masked_text(words) for words in seen.packet.comments]
    trees = [{"label": each.label, "data": each.data.hex(), "layers": as_json(each.layers)} for each in buffers]
    return found | ({"buffers": trees} if trees else {})


def tree(buffers: Iterable[Buffer]) -> Iterator[str]:
    """Every buffer's layers and fields, indented; what was made up of several packets says so."""
    for buffer in buffers:
        yield escape(f"{buffer.label}, {len(buffer.data)} bytes")
        for layer in buffer.layers:
            yield from _layer(layer)


def _layer(layer: Layer) -> Iterator[str]:
    yield escape(f"  {layer.label}")
    for field in layer.fields:
        yield from _field(field, 2)
    for field in layer.derived:
        yield escape(f"    [{field.label}: {_value(field)}]")


def _field(field: Field, depth: int) -> Iterator[str]:
    bits = (
        f"{field.start // 8}" if not field.start % 8 and not field.end % 8 else f"{field.start // 8}.{field.start % 8}"
    )
    meaning = f"  · {field.meaning}" if field.meaning else ""
    section = f"  ({field.section})" if field.section and not field.parts else ""
    mark = "  ! malformed" if field.malformed else ""
    yield escape(f"{'  ' * depth}{field.label}: {_value(field)}{meaning}{section}{mark}  @{bits}")
    for part in field.parts:
        yield from _field(part, depth + 1)


def _value(field: Field) -> str:
    value = field.value
    if isinstance(value, bytes):
        return value[:SHOWN].hex() + (f"… ({len(value)} bytes)" if len(value) > SHOWN else "")
    text = str(value)
    if field.name.endswith(("checksum", ".id")) and isinstance(value, int):
        return f"0x{value:04x}"
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def hexadecimal(buffer: Buffer, marked: str = "", *, colour: bool = False) -> Iterator[str]:
    """Sixteen bytes a line with what is printable; the bytes of the fields called `marked` stand out."""
    spans = [
        (field.start // 8, (field.end + 7) // 8)
        for layer in buffer.layers
        for field in walk(layer.fields)
        if marked and field.name == marked
    ]
    lit = {at for start, end in spans for at in range(start, end)}
    for at in range(0, len(buffer.data), COLUMN):
        piece = buffer.data[at : at + COLUMN]
        cells = "".join(_cell(byte, at + index in lit, colour=colour) for index, byte in enumerate(piece))
        printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield f"{at:08x} {cells}{'   ' * (COLUMN - len(piece))}  {printable}"


def _cell(byte: int, lit: bool, *, colour: bool) -> str:
    if not lit:
        return f" {byte:02x}"
    return f" {HIGHLIGHT}{byte:02x}{PLAIN}" if colour else f"[{byte:02x}"  # without colours, a bracket before each
