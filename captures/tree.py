"""Dissection trees: layers of fields, each with its place in the buffer to the bit, its value and what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from captures.dissectors.meanings import MEANINGS

Meaning = str | Callable[[int], str]
"""What a number means: one sentence, or a function from the number to it."""


class Field(NamedTuple):
    """One field. `start` and `end` are bits from the beginning of its buffer; a field with parts is no leaf.

    name       as in Wireshark's display filters where it has the field: ip.ttl
    label      as the specification calls it: Time to Live
    value      what it says: a number, text, or bytes where they mean nothing further here
    meaning    one sentence on this value
    section    where that stands: RFC 791 3.1
    malformed  its bytes cannot be what they should be; `meaning` says why
    """

    name: str
    label: str
    value: Any
    start: int
    end: int
    meaning: str = ""
    section: str = ""
    parts: tuple[Field, ...] = ()
    malformed: bool = False


class Layer(NamedTuple):
    """One protocol's part of a buffer: its own fields from `start` to `end` in bits.

    carries  the protocol of what follows, as dissectors are called; empty where none or nobody knows
    payload  first and last byte of what follows, the last not included
    derived  what follows from the bytes without standing in them: a fingerprint, a relative number
    """

    name: str
    label: str
    start: int
    end: int
    fields: tuple[Field, ...]
    carries: str = ""
    payload: tuple[int, int] = (0, 0)
    derived: tuple[Field, ...] = ()

    def all(self) -> Iterator[Field]:
        """Every field, parents before their parts."""
        return walk(self.fields)

    def get(self, name: str) -> Field | None:
        """The first field of this name."""
        return next((field for field in (*self.all(), *self.derived) if field.name == name), None)

    def value(self, name: str) -> Any:
        """The value of the first field of this name; None if there is none."""
        field = self.get(name)
        return None if field is None else field.value


def walk(fields: Iterable[Field]) -> Iterator[Field]:
    """Every field of a tree, parents before their parts."""
    for field in fields:
        yield field
        if field.parts:
            yield from walk(field.parts)


def leaves(layers: Iterable[Layer]) -> Iterator[Field]:
    """The fields without parts, in the order of the buffer: together they cover every bit of it exactly once."""
    return (field for layer in layers for field in layer.all() if not field.parts)


class Row(NamedTuple):
    """A fixed field of a header, as its RFC's drawing has it. The value shown is the number times `scale`."""

    name: str
    label: str
    bits: int
    meaning: Meaning = ""
    section: str = ""
    scale: int = 1


class Short(Exception):
    """The buffer ended inside a field, which is in the tree, marked malformed."""


class Reader:
    """Walks through a buffer bit by bit and makes fields of what it passes, so that none is missed or taken twice."""

    __slots__ = ("at", "data", "end", "fields")

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data, self.at, self.end = data, start * 8, end * 8  # given in bytes
        self.fields: list[Field] = []

    @property
    def left(self) -> int:
        """Whole bytes that have not been passed."""
        return (self.end - self.at) // 8

    def peek(self, size: int = 1) -> int:
        """The next bytes as a number, without passing them; only on a byte's boundary."""
        at = self.at // 8
        return int.from_bytes(self.data[at : min(at + size, self.end // 8)], "big")

    def number(self, row: Row) -> int:
        """Pass a field that is a number; returns it unscaled."""
        start, end = self.at, self.at + row.bits
        self._need(row.name, row.label, row.bits, row.section)
        last = (end + 7) // 8
        whole = int.from_bytes(self.data[start // 8 : last], "big")
        number = whole >> (last * 8 - end) & ((1 << row.bits) - 1)
        meaning = row.meaning if isinstance(row.meaning, str) else row.meaning(number)
        meaning = meaning or MEANINGS.get(row.name, "")
        self.fields.append(Field(row.name, row.label, number * row.scale, start, end, meaning, row.section))
        self.at = end
        return number

    def numbers(self, rows: Sequence[Row]) -> list[int]:
        """Pass several."""
        return [self.number(row) for row in rows]

    def take(self, size: int, name: str, label: str, meaning: str = "", section: str = "", value: Any = None) -> bytes:
        """Pass so many bytes as one field, whose value is what is given, else the bytes."""
        self._need(name, label, size * 8, section)
        at = self.at // 8
        data = self.data[at : at + size]
        if size:
            end = self.at + size * 8
            shown, meaning = data if value is None else value, meaning or MEANINGS.get(name, "")
            self.fields.append(Field(name, label, shown, self.at, end, meaning, section))
            self.at = end
        return data

    def fold(self, mark: int, name: str, label: str, value: Any, meaning: str = "", section: str = "") -> None:
        """Make the fields since there were `mark` of them the parts of one."""
        parts = tuple(self.fields[mark:])
        if parts:
            self.fields[mark:] = [Field(name, label, value, parts[0].start, parts[-1].end, meaning, section, parts)]

    def spoil(self, name: str, label: str, why: str, section: str = "", *, size: int | None = None) -> None:
        """Pass bytes, by default all that are left, as one malformed field."""
        end = self.end if size is None else min(self.at + size * 8, self.end)
        if end > self.at:
            data = self.data[self.at // 8 : end // 8]
            self.fields.append(Field(name, label, data, self.at, end, why, section, malformed=True))
            self.at = end

    def amend(self, name: str, **changes: Any) -> None:
        """Change a field that was passed, once more is known than when it was."""
        for index in range(len(self.fields) - 1, -1, -1):
            if self.fields[index].name == name:
                self.fields[index] = self.fields[index]._replace(**changes)
                return

    def within(self, size: int) -> Reader:
        """A reader of the next bytes alone, whose fields `adopt` takes over."""
        at = self.at // 8
        return Reader(self.data, at, min(at + size, self.end // 8))

    def adopt(self, inner: Reader) -> None:
        """Take over what a reader of a part has passed."""
        self.fields += inner.fields
        self.at = inner.at

    def _need(self, name: str, label: str, bits: int, section: str) -> None:
        if self.at + bits > self.end:
            left = self.end - self.at
            self.spoil(name, label, f"cut short: {bits} bits are needed and {left} are left", section)
            raise Short


def as_json(layers: Iterable[Layer]) -> list[dict[str, Any]]:
    """Layers as JSON has them; a field's `bits` are its first and the one behind its last, bytes are hexadecimal."""
    return [
        {"name": layer.name, "label": layer.label, "fields": [_field_json(field) for field in layer.fields]}
        | ({"derived": {field.name: field.value for field in layer.derived}} if layer.derived else {})
        for layer in layers
    ]


def _field_json(field: Field) -> dict[str, Any]:
    value = field.value.hex() if isinstance(field.value, bytes) else field.value
    record = {
        "name": field.name,
        "label": field.label,
        "value": value,
        "bits": [field.start, field.end],
        "meaning": field.meaning,
        "section": field.section,
    }
    if field.malformed:
        record["malformed"] = True
    if field.parts:
        record["parts"] = [_field_json(part) for part in field.parts]
    return record
