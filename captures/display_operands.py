"""What a display filter compares: a field's values, slices of them, what functions make of them, some of their bits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from captures.display_values import is_number, wire
from captures.packet_fields import Facts

Values = Callable[[Facts], list[Any]]
FUNCTIONS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "lower": lambda values: [value.lower() for value in values if isinstance(value, (str, bytes))],
    "upper": lambda values: [value.upper() for value in values if isinstance(value, (str, bytes))],
    "len": lambda values: [len(wire(value)) for value in values if not is_number(value)],
    "count": lambda values: [len(values)] if values else [],
}
_RANGE = re.compile(r"(?P<one>-?[0-9]+)|(?P<from>-?[0-9]+)?:(?P<length>[0-9]+)?|(?P<first>[0-9]+)-(?P<last>[0-9]+)")


class Operand(NamedTuple):
    """What can be compared: its values, those that bytes are looked for in, and whether a packet has it."""

    values: Values
    contents: Values
    has: Callable[[Facts], bool]
    raw: bool = False  # its values are bytes, whatever the field's are


def of_field(name: str) -> Operand:
    """A field, or a protocol with its bytes."""
    protocol = "." not in name
    return Operand(
        lambda facts: facts.contents(name) if protocol else facts.values(name),
        lambda facts: facts.contents(name),
        lambda facts: facts.has(name),
    )


def of_values(values: Values, *, raw: bool = False) -> Operand:
    """Something made of a field."""
    return Operand(values, values, lambda facts: any(value not in (0, b"", "") for value in values(facts)), raw)


def called(name: str, operand: Operand) -> Operand:
    """What a function makes of it."""
    function = FUNCTIONS[name]
    return of_values(lambda facts: function(operand.values(facts)))


def masked(operand: Operand, mask: int) -> Operand:
    """Its bits under a mask."""
    return of_values(
        lambda facts: [
            int(value) & mask if is_number(value) else _number(value) & mask for value in operand.values(facts)
        ]
    )


def _number(value: Any) -> int:
    return int.from_bytes(wire(value), "big")


def sliced(operand: Operand, text: str) -> Operand | None:
    """Some of its bytes: `3`, `0:2` from and how many, `0-1` from and to, several of these; None where it is none."""
    parts = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    found = [_slice(match) for match in parts if match is not None]
    if len(found) < len(parts) or not text.strip(" :"):
        return None

    def values(facts: Facts) -> list[Any]:
        raw = [wire(value) for value in operand.contents(facts) if not is_number(value)]
        cut = [[value[part] for part in found] for value in raw]
        return [b"".join(pieces) for pieces in cut if all(pieces)]

    return Operand(values, values, lambda facts: bool(values(facts)), raw=True)


def _slice(match: re.Match[str]) -> slice:
    if match["one"] is not None:
        at = int(match["one"])
        return slice(at, at + 1 or None)
    if match["first"] is not None:
        return slice(int(match["first"]), int(match["last"]) + 1)
    begin = int(match["from"] or 0)
    if match["length"] is None:
        return slice(begin, None)
    end = begin + int(match["length"])
    return slice(begin, end or None if begin < 0 else end)
