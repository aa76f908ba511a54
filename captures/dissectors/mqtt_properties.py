"""The properties of MQTT 5's packets (MQTT 5.0 2.2.2), each in the form that its number has."""

from __future__ import annotations

from captures.dissectors.lines import text
from captures.tree import Reader, Row, Short

SECTION = "MQTT 5.0 2.2.2"
AUTHENTICATION = 22
BYTE, SHORT, LONG, VARIABLE, BINARY, STRING, PAIR = range(7)
PROPERTIES: dict[int, tuple[str, int]] = {
    1: ("Payload Format Indicator", BYTE), 2: ("Message Expiry Interval", LONG), 3: ("Content Type", STRING),
    8: ("Response Topic", STRING), 9: ("Correlation Data", BINARY), 11: ("Subscription Identifier", VARIABLE),
    17: ("Session Expiry Interval", LONG), 18: ("Assigned Client Identifier", STRING), 19: ("Server Keep Alive", SHORT),
    21: ("Authentication Method", STRING), 22: ("Authentication Data", BINARY),
    23: ("Request Problem Information", BYTE),
    24: ("Will Delay Interval", LONG), 25: ("Request Response Information", BYTE), 26: ("Response Information", STRING),
    28: ("Server Reference", STRING), 31: ("Reason String", STRING), 33: ("Receive Maximum", SHORT),
    34: ("Topic Alias Maximum", SHORT), 35: ("Topic Alias", SHORT), 36: ("Maximum QoS", BYTE),
    37: ("Retain Available", BYTE), 38: ("User Property", PAIR), 39: ("Maximum Packet Size", LONG),
    40: ("Wildcard Subscription Available", BYTE), 41: ("Subscription Identifier Available", BYTE),
    42: ("Shared Subscription Available", BYTE),
}  # fmt: skip


def read(reader: Reader, name: str, label: str) -> None:
    """Pass the length of all properties, and each of them."""
    mark = len(reader.fields)
    total = variable(reader, "mqtt.property_len", "Total Length")
    inner = reader.within(total)
    try:
        while inner.left:
            _property(inner)
    except Short:
        pass
    reader.adopt(inner)
    short = inner.left > 0 or inner.at // 8 < (reader.fields[mark].end // 8) + total
    reader.fold(mark, name, label, total, "", SECTION)
    if short:
        raise Short


def _property(reader: Reader) -> None:
    mark = len(reader.fields)
    row = Row("mqtt.property_id", "Identifier", 8, lambda n: PROPERTIES.get(n, ("not defined", 0))[0], SECTION)
    number = reader.number(row)
    label, kind = PROPERTIES.get(number, ("", -1))
    try:
        if kind in (BYTE, SHORT, LONG):
            reader.number(Row("mqtt.prop_number", label, {BYTE: 8, SHORT: 16, LONG: 32}[kind], "", SECTION))
        elif kind == VARIABLE:
            variable(reader, "mqtt.prop_number", label)
        elif kind == BINARY:
            size = reader.number(Row("mqtt.prop_len", "Length", 16, "", SECTION))
            reader.take(
                size, "mqtt.prop_auth_data" if number == AUTHENTICATION else "mqtt.prop_data", label, "", SECTION
            )
        elif kind == STRING:
            _string(reader, "mqtt.prop_string", label)
        elif kind == PAIR:
            _string(reader, "mqtt.prop_key", "Name")
            _string(reader, "mqtt.prop_value", "Value")
        else:
            reader.spoil("mqtt.prop_unknown", "Unknown", "what this number stands for has no form known here", SECTION)
    finally:
        reader.fold(mark, "mqtt.property", label or "Property", number, "", SECTION)


def _string(reader: Reader, name: str, label: str) -> None:
    size = reader.number(Row(f"{name}_len", f"{label} Length", 16, "", SECTION))
    at = reader.at // 8
    reader.take(size, name, label, "", SECTION, value=text(reader.data[at : at + size]))


def variable(reader: Reader, name: str, label: str, meaning: str = "", section: str = "MQTT 5.0 1.5.5") -> int:
    """Pass a number of one to four bytes, seven bits of it in each."""
    number, size, at, end = 0, 0, reader.at // 8, reader.end // 8
    while at + size < end and size < 4:
        byte = reader.data[at + size]
        number |= (byte & 127) << 7 * size
        size += 1
        if not byte & 128:
            break
    reader.take(max(size, 1), name, label, meaning, section, value=number)
    return number
