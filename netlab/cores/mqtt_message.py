"""An application message: what was published, and how it is written for each kind of subscriber, once for each kind."""

from __future__ import annotations

import math

from netlab.cores.mqtt_wire import NOTHING, Properties, property_block, write_text, write_variable

NOT_FORWARDED = frozenset(("topic_alias", "message_expiry_interval", "subscription_identifier", "will_delay_interval"))
"""Properties that are of one hop (3.3.2.3), or are written anew for it."""


class Message:
    """A message on its way through a server, shared by all who get it; what was written of it once is kept."""

    __slots__ = (
        "_block",
        "_topic",
        "_written",
        "expires",
        "holders",
        "key",
        "payload",
        "properties",
        "publisher",
        "qos",
        "retain",
        "topic",
    )

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        properties: Properties = NOTHING,
        *,
        now: float = 0.0,
        publisher: str = "",
    ) -> None:
        """`properties` as they were received; `now` is lab time, and counts only where they have an expiry interval."""
        self.topic, self.payload, self.qos, self.retain, self.publisher = topic, payload, qos, retain, publisher
        self.expires = math.inf  # lab time
        if properties:
            if (seconds := properties.get("message_expiry_interval")) is not None:
                self.expires = now + seconds
            properties = {name: value for name, value in properties.items() if name not in NOT_FORWARDED}
        self.properties = properties
        self.key = self.holders = 0  # of the store that keeps it, and how many deliveries it keeps it for
        self._topic = b""
        self._block: bytes | None = None
        self._written: dict[tuple[int, int, tuple[int, ...], int], tuple[bytes, bytes]] | None = None

    def parts(
        self, version5: bool, first: int, identifiers: tuple[int, ...] = (), left: int = -1
    ) -> tuple[bytes, bytes]:
        """The PUBLISH before and behind its packet identifier; of QoS 0, where there is none, joined they are it.

        `first` is the first byte; `identifiers` are of the subscriptions that matched; `left` is how many seconds it
        has still to live (-1: for ever), which 5.0 tells [MQTT-3.3.2-6].
        """
        key = (version5, first, identifiers, left)
        if self._written is None:
            self._written = {}
        parts = self._written.get(key)
        if parts is None:
            if not self._topic:
                self._topic = write_text(self.topic)
            properties = self.property_field(identifiers, left) if version5 else b""
            parts = self._written[key] = written(first, self._topic, properties, self.payload)
        return parts

    def property_field(self, identifiers: tuple[int, ...] = (), left: int = -1, alias: int = 0) -> bytes:
        """The properties with their length."""
        if self._block is None:
            self._block = property_block(self.properties)
        block = self._block
        if left >= 0:
            block = b"\x02" + left.to_bytes(4, "big") + block
        for identifier in identifiers:
            block += b"\x0b" + write_variable(identifier)
        if alias:
            block += b"\x23" + alias.to_bytes(2, "big")
        return write_variable(len(block)) + block

    def left(self, now: float) -> int:
        """Whole seconds that it has still to live; -1: for ever. At 0 it has expired."""
        return -1 if self.expires == math.inf else max(math.ceil(self.expires - now), 0)

    @property
    def size(self) -> int:
        """Bytes that a bound on queues counts."""
        return len(self.payload) + len(self.topic) + 64

    def __repr__(self) -> str:
        return f"<Message {self.topic!r} QoS {self.qos}{' retained' if self.retain else ''} {len(self.payload)} bytes>"


def written(first: int, topic: bytes, properties: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """A PUBLISH before and behind its packet identifier; `topic` with its length."""
    length = len(topic) + len(properties) + len(payload) + (2 if first & 6 else 0)
    return b"%c%b%b" % (first, write_variable(length), topic), properties + payload
