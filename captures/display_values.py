"""Values in display filters: what a field's values are compared with, and how, by what they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

BYTES = re.compile(r"[0-9a-fA-F]{1,2}(?:[:.-][0-9a-fA-F]{1,2})+")
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def number(text: str) -> float | None:
    """A number as people write it, None where it is none."""
    try:
        return float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    except (ValueError, OverflowError):
        return {"true": 1.0, "false": 0.0}.get(text.lower())


def as_bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else str(value).encode()


def wire(value: Any) -> bytes:
    """A value as bytes that can be sliced: of an address its own, not those of its text."""
    if isinstance(value, str):
        if BYTES.fullmatch(value) and value.count(":") == 5:
            return bytes.fromhex(value.replace(":", ""))
        try:
            return ip_address(value).packed
        except ValueError:
            pass
    return as_bytes(value)


def wanted(text: str, *, quoted: bool) -> bytes:
    """What to look for in bytes: text, or bytes as 16:03:01."""
    if not quoted and BYTES.fullmatch(text):
        return bytes(int(part, 16) for part in re.split("[:.-]", text))
    return text.encode()


def wanted_bytes(text: str, *, quoted: bool) -> bytes:
    """The same where bytes are compared: 0x16 and 16 are a byte, too."""
    digits = text.removeprefix("0x")
    if not quoted and re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits):
        return bytes.fromhex(digits)
    return wanted(text, quoted=quoted)


def equal(text: str, *, quoted: bool = False) -> Callable[[Any], bool]:
    """Whether a field's value is what these words say: a number, a range of them, an address or a network, text."""
    if ".." in text and not quoted:
        low, _, high = text.partition("..")
        first, last = ordered(">=", low), ordered("<=", high)
        if number(low) is not None or _address(low) is not None:
            return lambda value: first(value) and last(value)
    figure = None if quoted else number(text)
    network = None if quoted else _network(text)
    raw = wanted_bytes(text, quoted=quoted)

    def test(value: Any) -> bool:
        if is_number(value):
            return figure is not None and float(value) == figure
        if isinstance(value, bytes):
            return value == raw
        if network is not None:
            return network(value)
        return str(value) == text or (not quoted and len(raw) == 6 and wire(value) == raw)

    return test


def ordered(operator: str, text: str) -> Callable[[Any], bool]:
    """Whether a value is less or more: numbers and addresses as such, everything else byte by byte."""
    order, limit, address = ORDER[operator], number(text), _address(text)

    def test(value: Any) -> bool:
        if is_number(value):
            return limit is not None and order(value, limit)
        if isinstance(value, str) and address is not None:
            other = _address(value)
            return other is not None and len(other) == len(address) and order(other, address)
        return order(as_bytes(value), wanted_bytes(text, quoted=not isinstance(value, bytes)))

    return test


def has_order(text: str) -> bool:
    """Whether words are something that can be less or more than something."""
    return number(text) is not None or _address(text) is not None or BYTES.fullmatch(text) is not None


def _address(text: str) -> bytes | None:
    try:
        return ip_address(text).packed
    except ValueError:
        return None


def _network(text: str) -> Callable[[Any], bool] | None:
    """Whether an address is this one or in this network; None where the words are neither."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if "/" not in text:
        address = str(network.network_address)
        return lambda value: value == address
    return lambda value: _in(value, network)


def _in(value: Any, network: Any) -> bool:
    try:
        return ip_address(value) in network
    except ValueError:
        return False
