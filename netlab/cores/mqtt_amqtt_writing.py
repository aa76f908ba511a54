"""Our MQTT packets written by amqtt, in 3.1.1."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from amqtt import mqtt
from amqtt.errors import CodecError, MQTTError
from amqtt.mqtt.connect import ConnectPayload, ConnectVariableHeader

from netlab.cores.mqtt_codes import V311
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
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from netlab.errors import LocalProtocolError


def written(packet: Packet) -> bytes:
    """The packet's bytes; LocalProtocolError for what amqtt cannot say."""
    write = WRITERS.get(type(packet))
    if write is None:
        raise LocalProtocolError(f"amqtt speaks 3.1.1, which has no {type(packet).__name__}")
    try:
        data: bytes = write(packet).to_bytes()
    except (CodecError, MQTTError, UnicodeError, struct.error) as error:
        raise LocalProtocolError(f"amqtt cannot write this {type(packet).__name__}: {error}") from None
    return data


def _connect(packet: Connect) -> Any:
    if packet.version != V311:
        raise LocalProtocolError("amqtt speaks 3.1.1 alone")
    head = ConnectVariableHeader(keep_alive=packet.keep_alive)
    head.clean_session_flag = packet.clean_start
    head.username_flag, head.password_flag = packet.user is not None, packet.password is not None
    body = ConnectPayload(packet.client_id, username=packet.user)
    if packet.password is not None:
        body.password = packet.password.decode()
    if packet.will is not None:
        head.will_flag, head.will_qos, head.will_retain_flag = True, packet.will.qos, packet.will.retain
        body.will_topic, body.will_message = packet.will.topic, packet.will.payload
    return mqtt.ConnectPacket(variable_header=head, payload=body)


def _publish(packet: Publish) -> Any:
    return mqtt.PublishPacket.build(
        packet.topic, packet.payload, packet.packet_id or None, packet.dup, packet.qos, packet.retain
    )


def _subscribe(packet: Subscribe) -> Any:
    topics = [(request.filter, request.qos) for request in packet.requests]
    return mqtt.SubscribePacket.build(topics, packet.packet_id)


WRITERS: dict[type, Callable[[Any], Any]] = {
    Connect: _connect,
    Connack: lambda packet: mqtt.ConnackPacket.build(int(packet.session_present), packet.reason),
    Publish: _publish,
    Puback: lambda packet: mqtt.PubackPacket.build(packet.packet_id),
    Pubrec: lambda packet: mqtt.PubrecPacket.build(packet.packet_id),
    Pubrel: lambda packet: mqtt.PubrelPacket.build(packet.packet_id),
    Pubcomp: lambda packet: mqtt.PubcompPacket.build(packet.packet_id),
    Subscribe: _subscribe,
    Suback: lambda packet: mqtt.SubackPacket.build(packet.packet_id, list(packet.reasons)),
    Unsubscribe: lambda packet: mqtt.UnsubscribePacket.build(list(packet.filters), packet.packet_id),
    Unsuback: lambda packet: mqtt.UnsubackPacket.build(packet.packet_id),
    Pingreq: lambda packet: mqtt.PingReqPacket(),
    Pingresp: lambda packet: mqtt.PingRespPacket.build(),
    Disconnect: lambda packet: mqtt.DisconnectPacket(),
}
