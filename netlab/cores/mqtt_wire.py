"""MQTT's data representation: lengths, strings and properties read and written (MQTT 5.0 1.5, 2.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlab.cores.mqtt_codes import FLAG_PROPERTIES, IDENTIFIERS, NOT_ZERO, PROPERTIES, Form, Reason, Type
from netlab.errors import LocalProtocolError

Properties = Mapping[str, Any]
"""Name → value; `user_property` is a list of pairs in their order, `subscription_identifier` a list of numbers."""
NOTHING: Properties = {}
"""No properties. Not to be written to."""


class Wrong(Exception):
    """What a packet breaks, while it is read; the core makes the connection's violation of it."""

    def __init__(self, reason: str, code: Reason, rule: str, section: str, at: int = -1) -> None:
        super().__init__(reason)
        self.code, self.rule, self.section = code, rule, section
        self.at = at  # where, in the bytes that were read; -1: at the packet's beginning


def malformed(reason: str, rule: str, section: str, at: int = -1) -> Wrong:
    return Wrong(reason, Reason.MALFORMED_PACKET, rule, section, at)


def protocol_error(reason: str, rule: str, section: str, at: int = -1) -> Wrong:
    return Wrong(reason, Reason.PROTOCOL_ERROR, rule, section, at)


class Reader:
    """A packet's body, read from its beginning to its end; every step that would pass the end is malformed."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def take(self, count: int) -> bytes:
        at, stop = self.at, self.at + count
        if stop > self.end:
            raise malformed("a field goes beyond the end of its packet", "packet.short", "MQTT 5.0 2.1.4", at)
        self.at = stop
        return self.data[at:stop]

    def number(self, size: int) -> int:
        """Big-endian (1.5.2, 1.5.3)."""
        return int.from_bytes(self.take(size), "big")

    def variable(self) -> int:
        """A variable byte integer, in as few bytes as it needs [MQTT-1.5.5-1]."""
        value = 0
        for place in range(4):
            byte = self.number(1)
            value |= (byte & 127) << 7 * place
            if byte < 128:
                if not byte and place:
                    break
                return value
        raise malformed("a length of more bytes than it needs", "length.long", "MQTT-1.5.5-1", self.at)

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        at = self.at
        return decode_text(self.binary(), at)

    def rest(self) -> bytes:
        return self.take(self.end - self.at)

    @property
    def left(self) -> int:
        return self.end - self.at

    def properties(self, packet: int) -> Properties:
        """The property length and what it spans (2.2.2); `packet` is a type, or WILL."""
        length = self.variable()
        if not length:
            return NOTHING
        stop = self.at + length
        if stop > self.end:
            raise malformed(
                "properties go beyond the end of their packet", "properties.short", "MQTT 5.0 2.2.2", self.at
            )
        whole, self.end = self.end, stop
        found: dict[str, Any] = {}
        while self.at < stop:
            self._property(packet, found)
        self.end = whole
        return found

    def _property(self, packet: int, found: dict[str, Any]) -> None:
        at = self.at
        identifier = self.variable()
        row = PROPERTIES.get(identifier)
        if row is None or packet not in row.packets:
            name = f"property 0x{identifier:02x}" if row is None else row.name
            # 2.2.2.2: an identifier not valid for its packet type, or not of its type, is a malformed packet
            raise malformed(f"{name} does not belong into this packet", "property.misplaced", "MQTT 5.0 2.2.2.2", at)
        value = self._value(row.form)
        name = row.name
        if identifier in FLAG_PROPERTIES and value > 1:
            raise protocol_error(f"{name} is {value}, neither 0 nor 1", "property.value", "MQTT 5.0 2.2.2.2", at)
        if identifier in NOT_ZERO and value == 0:
            raise protocol_error(f"{name} is 0", "property.value", "MQTT 5.0 2.2.2.2", at)
        # of several subscriptions that have matched, each has its identifier in the PUBLISH (3.3.2.3.8)
        if row.form is Form.PAIR or (name == "subscription_identifier" and packet == Type.PUBLISH):
            found.setdefault(name, []).append(value)
        elif name in found:
            raise protocol_error(f"{name} stands there twice", "property.repeated", "MQTT 5.0 2.2.2.2", at)
        else:
            found[name] = value

    def _value(self, form: Form) -> Any:
        match form:
            case Form.BYTE:
                return self.number(1)
            case Form.TWO_BYTES:
                return self.number(2)
            case Form.FOUR_BYTES:
                return self.number(4)
            case Form.VARIABLE:
                return self.variable()
            case Form.TEXT:
                return self.text()
            case Form.BINARY:
                return self.binary()
            case Form.PAIR:
                return self.text(), self.text()


def decode_text(raw: bytes, at: int = -1) -> str:
    """A UTF-8 encoded string: well-formed, no surrogates [MQTT-1.5.4-1], no U+0000 [-2]; U+FEFF stays [-3]."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("text that is not well-formed UTF-8", "text.encoding", "MQTT-1.5.4-1", at) from None
    if "\0" in text:
        raise malformed("text with U+0000 in it", "text.nul", "MQTT-1.5.4-2", at)
    return text


# -- writing ------------------------------------------------------------------------------------------------------


def write_variable(value: int) -> bytes:
    if value < 128:
        return SMALL[value]
    if value > 268_435_455:
        raise LocalProtocolError(f"{value} is more than a variable byte integer can say")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


SMALL = tuple(bytes((value,)) for value in range(128))
TWO = tuple(value.to_bytes(2, "big") for value in range(65_536))
"""Every packet identifier in two bytes: looked up, not made."""


def write_binary(data: bytes) -> bytes:
    if len(data) > 65_535:
        raise LocalProtocolError(f"{len(data)} bytes do not fit behind a length of two bytes")
    return TWO[len(data)] + data


def write_text(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise LocalProtocolError(f"{text!r} has surrogates, and UTF-8 has not") from None
    if b"\0" in data:
        raise LocalProtocolError(f"{text!r} has a U+0000, which no text of MQTT may have")
    return write_binary(data)


def write_property(identifier: int, form: Form, value: Any) -> bytes:
    match form:
        case Form.BYTE:
            encoded: bytes = SMALL[value]
        case Form.TWO_BYTES:
            encoded = TWO[value]
        case Form.FOUR_BYTES:
            encoded = value.to_bytes(4, "big")
        case Form.VARIABLE:
            encoded = write_variable(value)
        case Form.TEXT:
            encoded = write_text(value)
        case Form.BINARY:
            encoded = write_binary(value)
        case Form.PAIR:
            encoded = write_text(value[0]) + write_text(value[1])
    return SMALL[identifier] + encoded


def write_properties(properties: Properties) -> bytes:
    """Their length and they, in the order given."""
    if not properties:
        return b"\0"
    block = property_block(properties)
    return write_variable(len(block)) + block


def property_block(properties: Properties) -> bytes:
    """Properties without their length."""
    parts = []
    for name, value in properties.items():
        identifier = IDENTIFIERS.get(name)
        if identifier is None:
            raise LocalProtocolError(f"{name!r} is no property of MQTT 5")
        form = PROPERTIES[identifier].form
        values = value if isinstance(value, list) else (value,)
        parts += [write_property(identifier, form, each) for each in values]
    return b"".join(parts)
