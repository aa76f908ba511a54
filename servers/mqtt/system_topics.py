"""The $SYS tree: what the broker counts, as retained messages under mosquitto's names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from netlab import __version__
from netlab.cores.mqtt_message import Message

if TYPE_CHECKING:
    from servers.mqtt.broker import Broker

MINUTES = (1, 5, 15)
LOADS = {
    "messages/received": "messages/received",
    "messages/sent": "messages/sent",
    "publish/messages/received": "publish/received",
    "publish/messages/sent": "publish/sent",
    "publish/messages/dropped": "publish/dropped",
    "bytes/received": "bytes/received",
    "bytes/sent": "bytes/sent",
}
"""Of what is counted, what is told by the minute too, and as what."""


class SystemTopics:
    """Publishes every so often what has changed since the last time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._told: dict[str, str] = {}
        self._before: dict[str, int] = {}  # counters at the last time
        self._loads: dict[tuple[str, int], float] = {}

    def tell(self, seconds: float) -> None:
        """`seconds` have passed since the last time; 0: it is the first."""
        broker = self._broker
        for name, value in (*self._counts(), *self._load(seconds)):
            topic = f"$SYS/broker/{name}"
            if self._told.get(topic) != value:
                self._told[topic] = value
                broker.publish(Message(topic, value.encode(), 0, retain=True))

    def _counts(self) -> Iterator[tuple[str, str]]:
        broker = self._broker
        statistics = broker.statistics
        connected = sum(client.link is not None for client in broker.clients.values())
        stored = list(broker.retained.match("#"))
        yield "version", f"netlab version {__version__}"
        yield "uptime", f"{broker.now() - statistics.started:.0f} seconds"
        for name, value in (
            ("clients/total", len(broker.clients)),
            ("clients/connected", connected),
            ("clients/active", connected),
            ("clients/disconnected", len(broker.clients) - connected),
            ("clients/inactive", len(broker.clients) - connected),
            ("clients/maximum", statistics.most_connected),
            ("clients/expired", statistics.sessions_expired),
            ("subscriptions/count", broker.routes.count),
            ("shared_subscriptions/count", broker.routes.shared_count),
            ("retained messages/count", len(broker.retained)),
            ("store/messages/count", len(stored)),
            ("store/messages/bytes", sum(len(message.payload) for message in stored)),
            ("messages/stored", len(stored)),
            *self._totals().items(),
        ):
            yield name, str(value)

    def _totals(self) -> dict[str, int]:
        """What only grows."""
        statistics = self._broker.statistics
        return {
            "messages/received": statistics.packets_received,
            "messages/sent": statistics.packets_sent,
            "publish/messages/received": statistics.messages_received,
            "publish/messages/sent": statistics.messages_sent,
            "publish/messages/dropped": statistics.dropped,
            "publish/bytes/received": statistics.payload_received,
            "publish/bytes/sent": statistics.payload_sent,
            "bytes/received": statistics.bytes_received,
            "bytes/sent": statistics.bytes_sent,
        }

    def _load(self, seconds: float) -> Iterator[tuple[str, str]]:
        """How much a minute, averaged over 1, 5 and 15 of them: what is longer ago counts less and less."""
        totals = {LOADS[name]: total for name, total in self._totals().items() if name in LOADS}
        totals |= {"sockets": self._broker.statistics.sockets, "connections": self._broker.statistics.connections}
        for name, total in totals.items():
            rate = (total - self._before.get(name, 0)) * 60 / seconds if seconds else 0.0
            for minutes in MINUTES:
                share = math.exp(-seconds / (60 * minutes)) if seconds else 0.0
                load = self._loads[name, minutes] = rate + share * (self._loads.get((name, minutes), 0.0) - rate)
                yield f"load/{name}/{minutes}min", f"{load:.2f}"
        self._before = totals
