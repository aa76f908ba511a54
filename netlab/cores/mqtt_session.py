"""What a client and a server remember of each other beyond one connection: subscriptions, and messages under way.

Both sides of QoS 1 and 2 are here (MQTT 5.0 4.3, 4.4, 4.6, 4.9); a session knows no connection and writes no packet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netlab.cores.mqtt_message import Message


class Subscription(NamedTuple):
    """What a client wants of one topic filter."""

    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    identifier: int = 0  # 0: none


class Delivery:
    """A message as one or several clients get it; nothing of it is one client's own."""

    __slots__ = ("first", "identifiers", "message", "qos", "shared")

    def __init__(
        self, message: Message, qos: int, retain: bool = False, identifiers: tuple[int, ...] = (), shared: str = ""
    ) -> None:
        self.message, self.qos, self.identifiers = message, qos, identifiers
        self.first = 0x30 | qos << 1 | retain  # PUBLISH's first byte, but for DUP
        self.shared = shared  # the shared subscription whose choice the client was

    def __repr__(self) -> str:
        return f"<Delivery QoS {self.qos} {self.message.topic!r}>"


class Session:
    """One client's session, as its server keeps it, or a client's own."""

    __slots__ = (
        "_last",
        "client_id",
        "in_flight",
        "queue",
        "queued_bytes",
        "received",
        "released",
        "resending",
        "subscriptions",
        "unacknowledged",
        "window",
    )

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.subscriptions: dict[str, Subscription] = {}
        self.window = 65_535  # the peer's receive maximum
        self.in_flight = 0  # how much of it is used on this connection
        self.unacknowledged: dict[int, Delivery] = {}  # PUBLISH sent, or to be sent again; by packet identifier
        self.released: dict[int, None] = {}  # PUBREL sent, PUBCOMP awaited; in the order of the PUBRECs
        self.queue: deque[Delivery] = deque()  # not sent yet
        self.queued_bytes = 0
        self.received: dict[int, int] = {}  # QoS 2 messages that came and are not released yet; → their reason code
        self.resending: deque[int] = deque()  # what was under way when the connection before was lost
        self._last = 0  # packet identifier

    # -- messages to the peer --------------------------------------------------------------------------------------

    def offer(self, delivery: Delivery) -> int:
        """A message above QoS 0: the packet identifier with which to send it now; 0: it waits."""
        if self.queue or self.resending or self.in_flight >= self.window:
            self.wait(delivery)
            return 0
        return self.start(delivery)

    def wait(self, delivery: Delivery) -> None:
        """Keep it until there is a connection, or room on it."""
        self.queue.append(delivery)
        self.queued_bytes += delivery.message.size

    def start(self, delivery: Delivery) -> int:
        """Its exchange begins, with an identifier that no other one under way has [MQTT-2.2.1-3]."""
        number = self._last + 1
        while number > 65_535 or number in self.unacknowledged or number in self.released:
            number = number + 1 if number < 65_535 else 1
        self._last = number
        self.unacknowledged[number] = delivery
        self.in_flight += 1
        return number

    def ready(self) -> Iterator[tuple[int, Delivery, bool]]:
        """What may be sent now that there is room: identifier (0 at QoS 0), message, and whether it is sent again.

        First comes what has to be sent again, then what waits, in order.
        """
        while self.in_flight < self.window:
            if self.resending:
                packet_id = self.resending.popleft()
                if packet_id in self.unacknowledged:
                    self.in_flight += 1
                    yield packet_id, self.unacknowledged[packet_id], True
            elif self.queue:
                delivery = self.dequeue()
                yield self.start(delivery) if delivery.qos else 0, delivery, False
            else:
                return

    def dequeue(self) -> Delivery:
        """The oldest that waits, taken out."""
        delivery = self.queue.popleft()
        self.queued_bytes -= delivery.message.size
        return delivery

    def abandon(self, packet_id: int) -> None:
        """A message that was started is not sent after all: it has expired, or is too large for the client."""
        if self.unacknowledged.pop(packet_id, None) is not None:
            self.in_flight -= 1

    def puback(self, packet_id: int) -> Delivery | None:
        """QoS 1 is over; None: the identifier is of no such message."""
        delivery = self.unacknowledged.get(packet_id)
        if delivery is None or delivery.qos != 1:
            return None
        del self.unacknowledged[packet_id]
        self.in_flight -= 1
        return delivery

    def pubacks(self, packet_ids: Sequence[int]) -> tuple[list[Delivery], int]:
        """The same for several: what is over, and the first identifier that is of no such message; 0: all are."""
        over: list[Delivery] = []
        unacknowledged = self.unacknowledged
        for packet_id in packet_ids:
            delivery = unacknowledged.get(packet_id)
            if delivery is None or delivery.qos != 1:
                self.in_flight -= len(over)
                return over, packet_id
            del unacknowledged[packet_id]
            over.append(delivery)
        self.in_flight -= len(over)
        return over, 0

    def pubrec(self, packet_id: int, *, refused: bool = False) -> Delivery | None:
        """The peer has the QoS 2 message, and is to be sent PUBREL; or it will not have it, and all is over."""
        delivery = self.unacknowledged.get(packet_id)
        if delivery is None or delivery.qos != 2:
            return None
        del self.unacknowledged[packet_id]
        if refused:  # a reason code of 0x80 or more ends it [MQTT-4.3.3-4]
            self.in_flight -= 1
        else:
            self.released[packet_id] = None  # from here on the PUBLISH is never sent again [MQTT-4.3.3-6]
        return delivery

    def pubcomp(self, packet_id: int) -> bool:
        """QoS 2 is over."""
        if packet_id not in self.released:
            return False
        del self.released[packet_id]
        self.in_flight -= 1
        return True

    def resume(self, window: int) -> list[int]:
        """A new connection takes the session up. Returns the packet identifiers whose PUBREL has to be sent again
        [MQTT-4.4.0-1]; what else is under way comes with `ready`, in the order it was sent in [MQTT-4.6.0-1].
        """
        self.window = window
        self.in_flight = len(self.released)
        self.resending = deque(self.unacknowledged)
        return list(self.released)

    # -- messages from the peer ------------------------------------------------------------------------------------

    def arrived(self, packet_id: int) -> int | None:
        """The reason code that a QoS 2 message was answered with when it came the first time; None: it is new."""
        return self.received.get(packet_id)

    def accept(self, packet_id: int, reason: int = 0) -> None:
        """A QoS 2 message is ours now: the same identifier means the same message until it is released."""
        self.received[packet_id] = reason

    def release(self, packet_id: int) -> bool:
        """PUBREL came; whether there was such a message."""
        return self.received.pop(packet_id, None) is not None

    @property
    def idle(self) -> bool:
        """Nothing is under way or waits."""
        return not (self.unacknowledged or self.released or self.queue or self.received)

    def __repr__(self) -> str:
        under_way = len(self.unacknowledged) + len(self.released)
        return f"<Session {self.client_id!r} {under_way} under way, {len(self.queue)} waiting>"
