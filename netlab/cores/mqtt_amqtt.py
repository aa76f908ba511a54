"""amqtt's packets in the shape of our MQTT core: the same broker on another reader and writer (`--engine amqtt`).

amqtt decides what a packet's bytes mean and how they are written; it speaks 3.1.1 alone. Which packet may come when,
and what topics and filters may look like, its packets do not know: that stays with our core. What amqtt does otherwise
is listed in docs/mqtt.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from amqtt import mqtt
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError
from amqtt.mqtt.connect import ConnectVariableHeader

from netlab.cores.mqtt import Core
from netlab.cores.mqtt_amqtt_writing import written
from netlab.cores.mqtt_codes import V311, Reason, Type
from netlab.cores.mqtt_packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Request,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from netlab.cores.mqtt_reading import CONNECT, OPEN, Event
from netlab.cores.mqtt_topics import filter_error
from netlab.cores.mqtt_wire import NOTHING, Wrong, malformed

Result = TypeVar("Result")
FAILURES = (AMQTTError, CodecError, MQTTError, NoDataError, ValueError, struct.error)
"""What reading one of amqtt's packets ends with where it cannot be read."""


class Bytes:
    """The bytes of one packet, in the shape of the stream that amqtt reads from."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    async def read(self, n: int) -> bytes:
        found = self.data[self.at : self.at + n]
        self.at += len(found)
        return found


def outcome(reading: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns that has nothing to wait for: all its bytes are there."""
    try:
        reading.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("amqtt waits for bytes that it has")


class AmqttCore(Core):
    """Core's shape around amqtt's packets."""

    __slots__ = ()

    def pubacks(self, data: bytes) -> tuple[()]:
        """As Reading.pubacks: amqtt is to read them."""
        return ()

    def _read(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        at = 0
        try:
            while self.stage in (CONNECT, OPEN) and (end := self._end_of_packet(data, at)):
                events.append(self._one(data[at:end], at))
                at = end
        except Wrong as wrong:
            events.append(self._violated(wrong, data, at))
            return events
        self._rest = data[at:]
        self._offset += at
        return events

    def _end_of_packet(self, data: bytes, at: int) -> int:
        """Where the packet that begins here ends; 0 while it is not all there."""
        stream = Bytes(data[at : at + 5])
        try:
            header = outcome(mqtt.MQTTFixedHeader.from_stream(stream))
        except MQTTError as error:
            raise malformed(str(error), "length.long", "MQTT 3.1.1 2.2.3") from None
        if header is None:
            return 0
        end: int = at + stream.at + header.remaining_length
        self._check_header(data[at], end - at)
        if end > len(data):
            self._expected = end - len(data)
            return 0
        return end

    def _check_flags(self, first: int) -> None:
        """amqtt does not look at them."""

    def _one(self, data: bytes, at: int) -> Packet:
        """One packet, which begins at this place of what is read."""
        stream, begins = Bytes(data), self._offset + at
        try:
            header = outcome(mqtt.MQTTFixedHeader.from_stream(stream))
            kind = mqtt.packet_class(header)
            head = self._connect_head(stream, header) if kind is mqtt.ConnectPacket else None
            found = outcome(kind.from_stream(stream, header, head))
        except FAILURES as error:
            raise malformed(f"amqtt: {error}", "packet.short", "MQTT 3.1.1 2.1") from None
        span = (begins, begins + len(data))
        if kind is mqtt.PublishPacket:
            return self._published(found, data[0], at, span)
        packet = READERS[header.packet_type](found, span)
        if isinstance(packet, Connect) and packet.will is not None:
            self._topic(packet.will.topic.encode(), at)
        self._begin(packet)
        return packet

    def _connect_head(self, stream: Bytes, header: Any) -> Any:
        """What CONNECT begins with; behind it, other versions have what amqtt would take for something else."""
        head = outcome(ConnectVariableHeader.from_stream(stream, header))
        name, version = head.proto_name, head.proto_level
        if (name, version) == ("MQTT", V311):
            return head
        if name in ("MQTT", "MQIsdp"):
            said = {("MQTT", 5): "5.0", ("MQIsdp", 3): "3.1"}.get((name, version), f"{name} version {version}")
            raise Wrong(
                f"the engine amqtt speaks 3.1.1, and not {said}",
                Reason.UNSUPPORTED_VERSION, "connect.version", "MQTT-3.1.2-2",
            )  # fmt: skip
        raise malformed(f"protocol name {name!r} is not MQTT", "connect.protocol", "MQTT-3.1.2-1")

    def _published(self, found: Any, first: int, at: int, span: tuple[int, int]) -> Publish:
        """Without its bytes as they came: what goes on is written anew, by amqtt."""
        topic = self._topic(found.topic_name.encode(), at)
        if first & 15:
            self._check_publish(first, found.qos, found.retain_flag, found.packet_id)
        return Publish(topic, found.data, found.qos, found.retain_flag, found.dup_flag, found.packet_id or 0,
                       NOTHING, b"", *span)  # fmt: skip

    def serialize(self, packet: Packet) -> bytes:
        return written(packet)

    def acknowledge(self, first: int, packet_id: int, reason: int = 0) -> None:
        """As Core.acknowledge."""
        self.out.append(written(ACKNOWLEDGEMENTS[first](packet_id)))


# -- amqtt's packets as ours -------------------------------------------------------------------------------------------


def _connect(found: Any, span: tuple[int, int]) -> Connect:
    will = None
    if found.will_flag and found.will_topic is not None:
        will = Will(found.will_topic, bytes(found.will_message), found.will_qos, found.will_retain_flag)
    return Connect(
        V311,
        "" if found.client_id_is_random else found.client_id,
        found.clean_session_flag,
        found.keep_alive,
        will,
        found.username,
        None if found.password is None else found.password.encode(),
        NOTHING,
        *span,
    )


def _filter(pattern: str) -> str:
    if error := filter_error(pattern):
        raise Wrong(error, Reason.TOPIC_FILTER_INVALID, "filter.invalid", "MQTT-4.7.1-1")
    return pattern


def _subscribe(found: Any, span: tuple[int, int]) -> Subscribe:
    requests = tuple(Request(_filter(pattern), qos) for pattern, qos in found.payload.topics)
    return Subscribe(found.variable_header.packet_id, requests, NOTHING, *span)


def _unsubscribe(found: Any, span: tuple[int, int]) -> Unsubscribe:
    return Unsubscribe(found.variable_header.packet_id, tuple(map(_filter, found.payload.topics)), NOTHING, *span)


def _numbered(make: Callable[..., Packet], *rest: Any) -> Callable[[Any, tuple[int, int]], Packet]:
    """A packet that is its identifier and nothing more."""
    return lambda found, span: make(found.variable_header.packet_id, *rest, NOTHING, *span)


READERS: dict[int, Callable[[Any, tuple[int, int]], Packet]] = {
    Type.CONNECT: _connect,
    Type.CONNACK: lambda found, span: Connack(bool(found.session_parent), found.return_code, NOTHING, *span),
    Type.PUBACK: _numbered(Puback, 0),
    Type.PUBREC: _numbered(Pubrec, 0),
    Type.PUBREL: _numbered(Pubrel, 0),
    Type.PUBCOMP: _numbered(Pubcomp, 0),
    Type.SUBSCRIBE: _subscribe,
    Type.SUBACK: lambda found, span: Suback(
        found.variable_header.packet_id, tuple(found.payload.return_codes), NOTHING, *span
    ),
    Type.UNSUBSCRIBE: _unsubscribe,
    Type.UNSUBACK: _numbered(Unsuback, ()),
    Type.PINGREQ: lambda found, span: Pingreq(*span),
    Type.PINGRESP: lambda found, span: Pingresp(*span),
    Type.DISCONNECT: lambda found, span: Disconnect(0, NOTHING, *span),
}
ACKNOWLEDGEMENTS: dict[int, Callable[[int], Packet]] = {0x40: Puback, 0x50: Pubrec, 0x62: Pubrel, 0x70: Pubcomp}
