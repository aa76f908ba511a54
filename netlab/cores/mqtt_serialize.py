"""MQTT's control packets written as bytes, for the version that was agreed (MQTT 5.0 3, 3.1.1 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netlab.cores.mqtt_codes import V5, V31
from netlab.cores.mqtt_packets import (
    Auth,
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
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from netlab.cores.mqtt_wire import TWO, write_binary, write_properties, write_text, write_variable
from netlab.errors import LocalProtocolError


def serialize(packet: Packet, version: int) -> bytes:
    """The packet's bytes; LocalProtocolError for what MQTT has no way to say."""
    return WRITERS[type(packet)](packet, version)


def framed(first: int, body: bytes) -> bytes:
    """The fixed header and the body."""
    return b"%c%b%b" % (first, write_variable(len(body)), body)


def _connect(packet: Connect, version: int) -> bytes:
    will = packet.will
    flags = packet.clean_start << 1
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
    flags |= (packet.user is not None) << 7 | (packet.password is not None) << 6
    parts = [write_text("MQIsdp" if packet.version == V31 else "MQTT"), bytes((packet.version, flags))]
    parts.append(TWO[packet.keep_alive])
    if packet.version == V5:
        parts.append(write_properties(packet.properties))
    parts.append(write_text(packet.client_id))
    if will is not None:
        if packet.version == V5:
            parts.append(write_properties(will.properties))
        parts += [write_text(will.topic), write_binary(will.payload)]
    if packet.user is not None:
        parts.append(write_text(packet.user))
    if packet.password is not None:
        parts.append(write_binary(packet.password))
    return framed(0x10, b"".join(parts))


def _connack(packet: Connack, version: int) -> bytes:
    body = bytes((packet.session_present, packet.reason))
    return framed(0x20, body + write_properties(packet.properties) if version == V5 else body)


def _publish(packet: Publish, version: int) -> bytes:
    if packet.qos and not packet.packet_id:
        raise LocalProtocolError("a PUBLISH above QoS 0 has a packet identifier")
    first = 0x30 | packet.dup << 3 | packet.qos << 1 | packet.retain
    body = write_text(packet.topic)
    if packet.qos:
        body += TWO[packet.packet_id]
    if version == V5:
        body += write_properties(packet.properties)
    return framed(first, body + packet.payload)


def _acknowledgement(first: int) -> Callable[[Any, int], bytes]:
    def write(packet: Puback | Pubrec | Pubrel | Pubcomp, version: int) -> bytes:
        if version != V5 or not (packet.reason or packet.properties):
            return b"%c\x02%b" % (first, TWO[packet.packet_id])  # 3.4.2.1: a reason of 0 can go unsaid
        body = TWO[packet.packet_id] + bytes((packet.reason,))
        return framed(first, body + write_properties(packet.properties) if packet.properties else body)

    return write


def _subscribe(packet: Subscribe, version: int) -> bytes:
    parts = [TWO[packet.packet_id]]
    if version == V5:
        parts.append(write_properties(packet.properties))
    for request in packet.requests:
        options = request.qos
        if version == V5:
            options |= request.no_local << 2 | request.retain_as_published << 3 | request.retain_handling << 4
        parts += [write_text(request.filter), bytes((options,))]
    return framed(0x82, b"".join(parts))


def _suback(packet: Suback, version: int) -> bytes:
    properties = write_properties(packet.properties) if version == V5 else b""
    return framed(0x90, TWO[packet.packet_id] + properties + bytes(packet.reasons))


def _unsubscribe(packet: Unsubscribe, version: int) -> bytes:
    properties = write_properties(packet.properties) if version == V5 else b""
    return framed(0xA2, TWO[packet.packet_id] + properties + b"".join(map(write_text, packet.filters)))


def _unsuback(packet: Unsuback, version: int) -> bytes:
    if version != V5:
        return b"\xb0\x02" + TWO[packet.packet_id]
    return framed(0xB0, TWO[packet.packet_id] + write_properties(packet.properties) + bytes(packet.reasons))


def _reasoned(first: int) -> Callable[[Any, int], bytes]:
    def write(packet: Disconnect | Auth, version: int) -> bytes:
        if version != V5:
            if packet.reason or first != 0xE0:
                raise LocalProtocolError("before 5.0 there is no AUTH, and no reason in a DISCONNECT")
            return b"\xe0\0"
        if packet.properties:
            return framed(first, bytes((packet.reason,)) + write_properties(packet.properties))
        return b"%c\x01%c" % (first, packet.reason) if packet.reason else b"%c\0" % first

    return write


WRITERS: dict[type, Callable[[Any, int], bytes]] = {
    Connect: _connect,
    Connack: _connack,
    Publish: _publish,
    Puback: _acknowledgement(0x40),
    Pubrec: _acknowledgement(0x50),
    Pubrel: _acknowledgement(0x62),
    Pubcomp: _acknowledgement(0x70),
    Subscribe: _subscribe,
    Suback: _suback,
    Unsubscribe: _unsubscribe,
    Unsuback: _unsuback,
    Pingreq: lambda packet, version: b"\xc0\0",
    Pingresp: lambda packet, version: b"\xd0\0",
    Disconnect: _reasoned(0xE0),
    Auth: _reasoned(0xF0),
}
