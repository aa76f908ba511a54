"""The bodies of MQTT's control packets, read and checked (MQTT 5.0 3, 3.1.1 3); PUBLISH is read by the core itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netlab.cores.mqtt_codes import V5, V31, V311, WILL, Reason, Type
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
    Pubrec,
    Pubrel,
    Request,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from netlab.cores.mqtt_topics import filter_error, name_error
from netlab.cores.mqtt_wire import NOTHING, Properties, Reader, Wrong, malformed, protocol_error

Span = tuple[int, int]
Parse = Callable[[Reader, int, Span], Packet]


def parse(kind: int, body: Reader, version: int, span: Span) -> Packet:
    """The packet of this type; Wrong where it is none."""
    packet: Packet = PARSERS[kind](body, version, span)
    if body.left:
        raise malformed(
            f"{body.left} bytes more than a packet of this type has", "packet.long", "MQTT 5.0 2.1.4", body.at
        )
    return packet


def parse_connect(body: Reader, _: int, span: Span) -> Connect:
    name = body.text()
    version = body.number(1)
    if (name, version) not in (("MQTT", V311), ("MQTT", V5), ("MQIsdp", V31)):
        if name in ("MQTT", "MQIsdp"):
            raise Wrong(
                f"{name} version {version} is none of 3.1, 3.1.1, 5.0",
                Reason.UNSUPPORTED_VERSION, "connect.version", "MQTT-3.1.2-2", body.at - 1,
            )  # fmt: skip
        raise malformed(f"protocol name {name!r} is not MQTT", "connect.protocol", "MQTT-3.1.2-1")
    flags = body.number(1)
    if flags & 1:
        raise malformed("the reserved flag of CONNECT is set", "connect.flags", "MQTT-3.1.2-3", body.at - 1)
    keep_alive = body.number(2)
    properties = body.properties(Type.CONNECT) if version == V5 else NOTHING
    if "authentication_data" in properties and "authentication_method" not in properties:
        raise protocol_error("authentication data without a method", "connect.authentication", "MQTT 5.0 3.1.2.11.10")
    client_id = body.text()
    will = _will(body, flags, version)
    if flags & 0x40 and not flags & 0x80 and version != V5:
        raise malformed("a password without a user name", "connect.flags", "MQTT-3.1.2-22")  # allowed in 5.0
    user = body.text() if flags & 0x80 else None
    password = body.binary() if flags & 0x40 else None
    return Connect(version, client_id, bool(flags & 2), keep_alive, will, user, password, properties, *span)


def _will(body: Reader, flags: int, version: int) -> Will | None:
    qos, retain = flags >> 3 & 3, bool(flags & 0x20)
    if not flags & 4:
        if qos or retain:
            raise malformed("no will, but a QoS or retain flag of one", "connect.will", "MQTT-3.1.2-11")
        return None
    if qos == 3:
        raise malformed("a will of QoS 3", "connect.will", "MQTT-3.1.2-12")
    properties = body.properties(WILL) if version == V5 else NOTHING
    at = body.at
    topic = body.text()
    if error := name_error(topic):
        raise Wrong(f"the will's {error}", Reason.TOPIC_NAME_INVALID, "connect.will", "MQTT-3.1.3-11", at)
    return Will(topic, body.binary(), qos, retain, properties)


def parse_connack(body: Reader, version: int, span: Span) -> Connack:
    flags, reason = body.number(1), body.number(1)
    if flags > 1:
        raise malformed("reserved flags of CONNACK are set", "connack.flags", "MQTT-3.2.2-1")
    return Connack(bool(flags), reason, body.properties(Type.CONNACK) if version == V5 else NOTHING, *span)


def _packet_id(body: Reader) -> int:
    packet_id = body.number(2)
    if not packet_id:
        raise protocol_error("packet identifier 0", "packet.id", "MQTT-2.2.1-3", body.at - 2)
    return packet_id


def _acknowledgement(kind: Type, make: Callable[..., Packet]) -> Parse:
    allowed = {0, 0x92} if kind in (Type.PUBREL, Type.PUBCOMP) else ACKNOWLEDGED

    def parse(body: Reader, version: int, span: Span) -> Packet:
        packet_id = _packet_id(body)
        if version != V5 or not body.left:  # 3.4.2.1: nothing more means success
            return make(packet_id, 0, NOTHING, *span)
        reason = body.number(1)
        if reason not in allowed:
            raise protocol_error(
                f"reason 0x{reason:02x} in {kind.name}", "reason.misplaced", "MQTT 5.0 2.4", body.at - 1
            )
        return make(packet_id, reason, body.properties(kind) if body.left else NOTHING, *span)

    return parse


ACKNOWLEDGED = {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
"""Reason codes of PUBACK and PUBREC (3.4.2.1)."""
DISCONNECTED = frozenset(
    (0, 4, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, *range(0x93, 0xA3)),
)
"""Reason codes of DISCONNECT (3.14.2.1)."""


def parse_subscribe(body: Reader, version: int, span: Span) -> Subscribe:
    packet_id = _packet_id(body)
    properties = body.properties(Type.SUBSCRIBE) if version == V5 else NOTHING
    requests = []
    while body.left:
        at = body.at
        pattern = _filter(body)
        requests.append(_request(pattern, body.number(1), version, at))
    if not requests:
        raise protocol_error("SUBSCRIBE without a topic filter", "subscribe.empty", "MQTT-3.8.3-2")
    return Subscribe(packet_id, tuple(requests), properties, *span)


def _filter(body: Reader) -> str:
    at = body.at
    pattern = body.text()
    if error := filter_error(pattern):
        raise Wrong(error, Reason.TOPIC_FILTER_INVALID, "filter.invalid", "MQTT-4.7.1-1", at)
    return pattern


def _request(pattern: str, options: int, version: int, at: int) -> Request:
    qos = options & 3
    if qos == 3:
        code = Reason.PROTOCOL_ERROR if version == V5 else Reason.MALFORMED_PACKET
        raise Wrong("a subscription of QoS 3", code, "subscribe.qos", "MQTT 5.0 3.8.3.1", at)
    if options & (0xC0 if version == V5 else 0xFC):
        raise malformed("reserved bits of a subscription's options are set", "subscribe.reserved", "MQTT-3.8.3-5", at)
    handling, no_local = options >> 4 & 3, bool(options & 4)
    if handling == 3:
        raise protocol_error("retain handling 3", "subscribe.retain_handling", "MQTT 5.0 3.8.3.1", at)
    if no_local and pattern.startswith("$share/"):
        raise protocol_error("no local on a shared subscription", "subscribe.no_local", "MQTT-3.8.3-4", at)
    return Request(pattern, qos, no_local, bool(options & 8), handling)


def parse_suback(body: Reader, version: int, span: Span) -> Suback:
    packet_id = _packet_id(body)
    properties = body.properties(Type.SUBACK) if version == V5 else NOTHING
    return Suback(packet_id, tuple(body.rest()), properties, *span)


def parse_unsubscribe(body: Reader, version: int, span: Span) -> Unsubscribe:
    packet_id = _packet_id(body)
    properties = body.properties(Type.UNSUBSCRIBE) if version == V5 else NOTHING
    filters = []
    while body.left:
        filters.append(_filter(body))
    if not filters:
        raise protocol_error("UNSUBSCRIBE without a topic filter", "unsubscribe.empty", "MQTT-3.10.3-2")
    return Unsubscribe(packet_id, tuple(filters), properties, *span)


def parse_unsuback(body: Reader, version: int, span: Span) -> Unsuback:
    packet_id = _packet_id(body)
    properties = body.properties(Type.UNSUBACK) if version == V5 else NOTHING
    return Unsuback(packet_id, tuple(body.rest()) if version == V5 else (), properties, *span)


def _reason_and_properties(body: Reader, kind: Type, allowed: frozenset[int]) -> tuple[int, Properties]:
    """What DISCONNECT and AUTH consist of; nothing at all means success (3.14.2.1, 3.15.2.1)."""
    if not body.left:
        return 0, NOTHING
    reason = body.number(1)
    if reason not in allowed:
        raise protocol_error(f"reason 0x{reason:02x} in {kind.name}", "reason.misplaced", "MQTT 5.0 2.4", body.at - 1)
    return reason, body.properties(kind) if body.left else NOTHING


def parse_disconnect(body: Reader, version: int, span: Span) -> Disconnect:
    if version != V5:
        return Disconnect(0, NOTHING, *span)
    return Disconnect(*_reason_and_properties(body, Type.DISCONNECT, DISCONNECTED), *span)


def parse_auth(body: Reader, version: int, span: Span) -> Auth:
    if version != V5:
        raise protocol_error("AUTH is a packet of 5.0", "packet.type", "MQTT 3.1.1 2.2.1")
    return Auth(*_reason_and_properties(body, Type.AUTH, frozenset((0, 0x18, 0x19))), *span)


PARSERS: dict[int, Callable[[Reader, int, Span], Any]] = {
    Type.CONNECT: parse_connect,
    Type.CONNACK: parse_connack,
    Type.PUBACK: _acknowledgement(Type.PUBACK, Puback),
    Type.PUBREC: _acknowledgement(Type.PUBREC, Pubrec),
    Type.PUBREL: _acknowledgement(Type.PUBREL, Pubrel),
    Type.PUBCOMP: _acknowledgement(Type.PUBCOMP, Pubcomp),
    Type.SUBSCRIBE: parse_subscribe,
    Type.SUBACK: parse_suback,
    Type.UNSUBSCRIBE: parse_unsubscribe,
    Type.UNSUBACK: parse_unsuback,
    Type.PINGREQ: lambda body, version, span: Pingreq(*span),
    Type.PINGRESP: lambda body, version, span: Pingresp(*span),
    Type.DISCONNECT: parse_disconnect,
    Type.AUTH: parse_auth,
}
