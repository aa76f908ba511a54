"""The broker's connections on amqtt's packets instead of our own: the same sessions, routes and flows, in 3.1.1."""

from __future__ import annotations

from netlab.cores.mqtt_amqtt import AmqttCore
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_packets import Publish
from servers.mqtt.link import Link


class AmqttLink(Link):
    """amqtt reads and writes every packet of this link; none goes on as it came, or as it was written for others."""

    __slots__ = ()

    CORE = AmqttCore
    SHARES = False

    def parts(self, message: Message, first: int, identifiers: tuple[int, ...], left: int) -> tuple[bytes, bytes]:
        """As Link.parts."""
        qos = first >> 1 & 3
        packet = Publish(message.topic, message.payload, qos, bool(first & 1), bool(first & 8), 1 if qos else 0)
        data = self.core.serialize(packet)
        ends = len(data) - len(message.payload)
        return data[: ends - 2] if qos else data[:ends], data[ends:]  # the link puts the identifier between
