"""Headers drawn as in the RFCs: 32 bits a row, each field a box over its bits, with the bits themselves."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from captures.dissectors.numbers import NAMES
from captures.tree import Field, Layer, walk

ROW = 32

SHORT = {
    "ip.hdr_len": "IHL",
    "ip.dsfield.dscp": "DSCP",
    "ip.dsfield.ecn": "ECN",
    "ip.flags.rb": "R",
    "ip.flags.df": "DF",
    "ip.flags.mf": "MF",
    "ipv6.version": "Ver",
    "ip.version": "Ver",
    "ipv6.tclass.dscp": "DSCP",
    "ipv6.tclass.ecn": "ECN",
    "tcp.hdr_len": "Offset",
    "tcp.flags.res": "Res",
}
"""Labels for boxes that have no room for the whole one."""


def drawing(layer: Layer, data: bytes) -> str:
    """One header as HTML: a ruler, then a box for each field or, where it goes on in the next row, part of one."""
    cells = "".join(_box(layer, field, data) for field in walk(layer.fields) if not field.parts)
    ruler = "".join(f"<i>{bit if bit % 8 in (0, 7) else ''}</i>" for bit in range(ROW))
    name = escape(layer.name)
    label = escape(layer.label)
    return f'<div class="bits {name}" role="img" aria-label="{label}, 32 bits a row">{ruler}{cells}</div>'


def _box(layer: Layer, field: Field, data: bytes) -> str:
    return "".join(_part(field, start, end, data) for start, end in _segments(layer, field))


def _segments(layer: Layer, field: Field) -> Iterator[tuple[int, int]]:
    """A field's bits, cut where rows end."""
    at = field.start
    while at < field.end:
        end = min(field.end, at + ROW - (at - layer.start) % ROW)
        yield at, end
        at = end


def _part(field: Field, start: int, end: int, data: bytes) -> str:
    width = end - start
    number = int.from_bytes(data[start // 8 : (end + 7) // 8], "big") >> -end % 8 & ((1 << width) - 1)
    digits = "".join(f"<i>{digit}</i>" for digit in f"{number:0{width}b}")
    kind = " wrong" if field.malformed else " on" if width == 1 and number else ""
    title = escape(f"{field.label}: {shown(field)}. {field.meaning} ({field.section})")
    words = _words(field, width) if start == field.start else "<span>⋯</span>"
    return f'<div class="w{width}{kind}" title="{title}"><b>{digits}</b>{words}</div>'


def _words(field: Field, width: int) -> str:
    label = SHORT.get(field.name, field.label)
    if field.name == "tcp.option_kind":
        return f"<span>Kind {field.value}</span><code>{escape(field.meaning)}</code>"
    if width == 1:
        return f"<span>{escape(label)}</span>"  # the digit is the value
    return f"<span>{escape(label)}</span><code>{escape(shown(field))}</code>"


def shown(field: Field) -> str:
    """A field's value for people."""
    if isinstance(field.value, bytes):
        return field.value.hex() if len(field.value) <= 16 else f"{field.value[:16].hex()}…"
    if field.name.endswith(("checksum", "ip.id")):
        return f"0x{field.value:04x}"
    if field.name in ("ip.proto", "ipv6.nxt"):
        return f"{field.value} ({NAMES.get(field.value, 'unknown')})"
    return str(field.value)
