"""MQTT 3.1, 3.1.1 and 5: control packets, each with its flags, header, properties and payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from captures.dissectors import mqtt_properties
from captures.dissectors.lines import text
from captures.dissectors.mqtt_names import KINDS, RETURN_CODES, SHORT, reason
from captures.messages import LONGEST, NotThis, Script, Source, Talk
from captures.tree import Layer, Reader, Row, Short

NAME = "mqtt"
HEADER, REMAINING = "MQTT 5.0 2.1.1", "MQTT 5.0 2.1.4"
CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = range(1, 12)
DISCONNECT, AUTH = 14, 15
QOS = {0: "at most once", 1: "at least once", 2: "exactly once", 3: "not allowed"}
VERSIONS = {3: "3.1", 4: "3.1.1", 5: "5.0"}


def _qos(number: int) -> str:
    return QOS.get(number, "")


def recognize(data: bytes) -> bool:
    """Whether a stream that begins so is MQTT: only CONNECT may come first."""
    return data[:1] == b"\x10" and any(mark in data[2:14] for mark in (b"\0\4MQTT", b"\0\6MQIsdp"))


def messages(source: Source, talk: Talk) -> Script:
    """Control packets; CONNECT says in which version."""
    while True:
        yield from source.need(2)
        length, at = 0, 1
        while True:
            yield from source.need(at + 1)
            byte = source.peek(1, at)[0]
            length |= (byte & 127) << 7 * (at - 1)
            at += 1
            if not byte & 128:
                break
            if at > 4:
                raise NotThis("no remaining length")
        if not source.peek(1)[0] >> 4:
            raise NotThis("no control packet")
        if at + length > LONGEST:
            source.emit("mqtt.head", at, {})
            yield from source.emit_pieces("mqtt.payload", length, {})
            continue
        yield from source.need(at + length)
        if source.peek(1)[0] >> 4 == CONNECT:
            talk.facts["version"] = version_of(source.peek(16, at))
        source.emit(NAME, at + length, {"version": talk.facts.get("version", 4)})


def version_of(head: bytes) -> int:
    """The level that stands behind CONNECT's protocol name."""
    at = 2 + int.from_bytes(head[:2], "big")
    return head[at] if at < len(head) and head[at] in VERSIONS else 4


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """The packet, and what tells it from others."""
    kind = data[0] >> 4 if data else 0
    layer = dissect(data, context=context)
    name = SHORT.get(kind, f"type {kind}")
    if kind == PUBLISH:
        words = f"{name} QoS {layer.value('mqtt.qos')}{' retained' if layer.value('mqtt.retain') else ''}"
        number = layer.value("mqtt.msgid")
        return f"{words}{f' ({number})' if number else ''} {layer.value('mqtt.topic')}, {size_of(layer)} bytes"
    if kind == CONNECT:
        return f"{name} {VERSIONS.get(layer.value('mqtt.ver'), '?')} as {layer.value('mqtt.clientid') or 'nobody yet'}"
    if kind == CONNACK:
        field = layer.get("mqtt.connack.reason_code") or layer.get("mqtt.conack.val")
        return f"{name} {field.meaning if field is not None else ''}"
    if kind in (SUBSCRIBE, UNSUBSCRIBE):
        topics = [str(field.value) for field in layer.all() if field.name == "mqtt.topic"]
        return f"{name} ({layer.value('mqtt.msgid')}) {', '.join(topics)}"
    number = layer.value("mqtt.msgid")
    return f"{name} ({number})" if number is not None else name


def size_of(layer: Layer) -> int:
    """Bytes of an application message."""
    field = layer.get("mqtt.msg")
    return (field.end - field.start) // 8 if field is not None else 0


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The control packet between `start` and `end`; `context` has the version, where CONNECT was seen."""
    reader = Reader(data, start, len(data) if end is None else end)
    try:
        kind, flags = _fixed_header(reader)
        _packet(reader, kind, flags, int(context.get("version", 4)))
    except Short:
        pass
    if reader.left:
        reader.spoil("mqtt.rest", "Rest", "behind what the packet should hold", HEADER)
    behind = reader.at // 8
    return Layer(NAME, "MQ Telemetry Transport", start * 8, reader.at, tuple(reader.fields), "", (behind, behind))


def _fixed_header(reader: Reader) -> tuple[int, int]:
    mark, first = len(reader.fields), reader.peek()
    kind = reader.number(Row("mqtt.msgtype", "Type", 4, lambda n: KINDS.get(n, f"type {n}"), HEADER))
    if kind == PUBLISH:
        rows = (
            Row(
                "mqtt.dupflag", "Duplicate", 1, lambda n: "sent before" if n else "not sent before", "MQTT 5.0 3.3.1.1"
            ),
            Row("mqtt.qos", "QoS", 2, _qos, "MQTT 5.0 3.3.1.2"),
            Row("mqtt.retain", "Retain", 1, lambda n: "kept for later subscribers" if n else "", "MQTT 5.0 3.3.1.3"),
        )
        reader.numbers(rows)
    else:
        right = 2 if kind in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0
        reader.number(Row("mqtt.hdr_reserved", "Reserved", 4, f"must be {right}", "MQTT 5.0 2.1.3"))
    reader.fold(mark, "mqtt.hdrflags", "Header Flags", first, "", HEADER)
    mqtt_properties.variable(reader, "mqtt.len", "Remaining Length", "bytes of the packet that follow", REMAINING)
    return kind, first & 15


def string(reader: Reader, name: str, label: str, meaning: str = "", section: str = "MQTT 5.0 1.5.4") -> str:
    """Pass a length and so many bytes of text."""
    size = reader.number(Row(f"{name}_len", f"{label} Length", 16, "", section))
    at = reader.at // 8
    value = text(reader.data[at : at + size])
    reader.take(size, name, label, meaning, section, value=value)
    return value


def number(reader: Reader, section: str) -> int:
    """Pass a packet identifier."""
    return reader.number(Row("mqtt.msgid", "Packet Identifier", 16, "until it is acknowledged", section))


def _packet(reader: Reader, kind: int, flags: int, version: int) -> None:
    if kind in BODIES and reader.left:
        BODIES[kind](reader, flags, version)


def _connect(reader: Reader, flags: int, version: int) -> None:
    section = "MQTT 5.0 3.1.2"
    string(reader, "mqtt.protoname", "Protocol Name", "", section)
    row = Row("mqtt.ver", "Version", 8, lambda n: f"MQTT {VERSIONS.get(n, 'of a version not known')}", section)
    version = reader.number(row)
    mark, bits = len(reader.fields), reader.peek()
    reader.numbers(CONNECT_FLAGS)
    reader.fold(mark, "mqtt.conflags", "Connect Flags", bits, "", section)
    reader.number(Row("mqtt.kalive", "Keep Alive", 16, "seconds; half as much again of silence is the end", section))
    if version == 5:
        mqtt_properties.read(reader, "mqtt.properties", "Properties")
    string(reader, "mqtt.clientid", "Client Identifier", "", "MQTT 5.0 3.1.3.1")
    if bits & 4:
        if version == 5:
            mqtt_properties.read(reader, "mqtt.will.properties", "Will Properties")
        string(reader, "mqtt.willtopic", "Will Topic", "", "MQTT 5.0 3.1.3.3")
        size = reader.number(Row("mqtt.willmsg_len", "Will Message Length", 16, "", "MQTT 5.0 3.1.3.4"))
        reader.take(size, "mqtt.willmsg", "Will Message", "published if the client is lost", "MQTT 5.0 3.1.3.4")
    if bits & 128:
        string(reader, "mqtt.username", "User", "", "MQTT 5.0 3.1.3.5")
    if bits & 64:
        string(reader, "mqtt.passwd", "Password", "", "MQTT 5.0 3.1.3.6")


def _set(meaning: str) -> Callable[[int], str]:
    return lambda n: meaning if n else "not set"


CONNECT_FLAGS = (
    Row("mqtt.conflag.uname", "User Name", 1, _set("a user follows"), "MQTT 5.0 3.1.2.8"),
    Row("mqtt.conflag.passwd", "Password", 1, _set("a password follows"), "MQTT 5.0 3.1.2.9"),
    Row("mqtt.conflag.retain", "Will Retain", 1, _set("the will is retained"), "MQTT 5.0 3.1.2.7"),
    Row("mqtt.conflag.qos", "Will QoS", 2, _qos, "MQTT 5.0 3.1.2.6"),
    Row("mqtt.conflag.willflag", "Will", 1, _set("a will follows"), "MQTT 5.0 3.1.2.5"),
    Row("mqtt.conflag.cleansess", "Clean Start", 1, _set("a new session, whatever there was"), "MQTT 5.0 3.1.2.4"),
    Row("mqtt.conflag.reserved", "Reserved", 1, "must be zero", "MQTT 5.0 3.1.2.3"),
)


def _connack(reader: Reader, flags: int, version: int) -> None:
    section = "MQTT 5.0 3.2.2"
    mark, bits = len(reader.fields), reader.peek()
    reader.number(Row("mqtt.conack.flags.reserved", "Reserved", 7, "must be zero", section))
    reader.number(Row("mqtt.conack.flags.sp", "Session Present", 1, _set("the old session goes on"), section))
    reader.fold(mark, "mqtt.conack.flags", "Flags", bits, "", section)
    if version == 5:
        reader.number(Row("mqtt.connack.reason_code", "Reason", 8, reason, section))
        mqtt_properties.read(reader, "mqtt.properties", "Properties")
    else:
        words = RETURN_CODES
        reader.number(Row("mqtt.conack.val", "Return Code", 8, lambda n: words.get(n, ""), "MQTT 3.1.1 3.2.2.3"))


def _publish(reader: Reader, flags: int, version: int) -> None:
    string(reader, "mqtt.topic", "Topic", "what it is about", "MQTT 5.0 3.3.2.1")
    if flags & 6:
        number(reader, "MQTT 5.0 3.3.2.2")
    if version == 5:
        mqtt_properties.read(reader, "mqtt.properties", "Properties")
    if reader.left:
        at = reader.at // 8
        message = reader.data[at : reader.end // 8]
        reader.take(reader.left, "mqtt.msg", "Message", "", "MQTT 5.0 3.3.3", value=message)


def _ending(name: str, *, numbered: bool) -> Callable[[Reader, int, int], None]:
    """Reads a reason and properties, which may be left out where all is well (MQTT 5.0 3.4.2.1)."""

    def read(reader: Reader, flags: int, version: int) -> None:
        if numbered:
            number(reader, "MQTT 5.0 3.4.2")
        if version == 5 and reader.left:
            reader.number(Row(f"mqtt.{name}.reason_code", "Reason", 8, reason, "MQTT 5.0 2.4"))
            if reader.left:
                mqtt_properties.read(reader, "mqtt.properties", "Properties")

    return read


def _subscribe(reader: Reader, flags: int, version: int) -> None:
    section = "MQTT 5.0 3.8.3"
    number(reader, section)
    if version == 5:
        mqtt_properties.read(reader, "mqtt.properties", "Properties")
    while reader.left:
        string(reader, "mqtt.topic", "Topic Filter", "", section)
        mark, bits = len(reader.fields), reader.peek()
        rows = (
            Row("mqtt.subscription_options_reserved", "Reserved", 2, "must be zero", section),
            Row("mqtt.subscription_options_retain", "Retain Handling", 2, "", section),
            Row("mqtt.subscription_options_rap", "Retain As Published", 1, "", section),
            Row("mqtt.subscription_options_nl", "No Local", 1, _set("nothing of what I publish"), section),
            Row("mqtt.subscription_options_qos" if version == 5 else "mqtt.sub.qos", "Maximum QoS", 2, _qos, section),
        )
        reader.numbers(rows)
        reader.fold(mark, "mqtt.subscription_options", "Options", bits, "", section)


def _suback(reader: Reader, flags: int, version: int) -> None:
    section = "MQTT 5.0 3.9.3"
    number(reader, section)
    if version == 5:
        mqtt_properties.read(reader, "mqtt.properties", "Properties")
    while reader.left:
        reader.number(
            Row("mqtt.suback.qos" if version < 5 else "mqtt.suback.reason_code", "Reason", 8, _granted, section)
        )


def _granted(value: int) -> str:
    return f"granted: {QOS[value]}" if value < 3 else reason(value)


def _unsubscribe(reader: Reader, flags: int, version: int) -> None:
    number(reader, "MQTT 5.0 3.10.2")
    if version == 5:
        mqtt_properties.read(reader, "mqtt.properties", "Properties")
    while reader.left:
        string(reader, "mqtt.topic", "Topic Filter", "", "MQTT 5.0 3.10.3")


def _unsuback(reader: Reader, flags: int, version: int) -> None:
    number(reader, "MQTT 5.0 3.11.2")
    if version == 5:
        mqtt_properties.read(reader, "mqtt.properties", "Properties")
        while reader.left:
            reader.number(Row("mqtt.unsuback.reason_code", "Reason", 8, reason, "MQTT 5.0 3.11.3"))


BODIES: dict[int, Callable[[Reader, int, int], None]] = {
    CONNECT: _connect,
    CONNACK: _connack,
    PUBLISH: _publish,
    PUBACK: _ending("puback", numbered=True),
    PUBREC: _ending("pubrec", numbered=True),
    PUBREL: _ending("pubrel", numbered=True),
    PUBCOMP: _ending("pubcomp", numbered=True),
    SUBSCRIBE: _subscribe,
    SUBACK: _suback,
    UNSUBSCRIBE: _unsubscribe,
    UNSUBACK: _unsuback,
    DISCONNECT: _ending("disconnect", numbered=False),
    AUTH: _ending("auth", numbered=False),
}
"""(what follows the fixed header, its flags, the version)."""
