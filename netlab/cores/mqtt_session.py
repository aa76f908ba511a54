"""What a client and a server remember of each other beyond one connection: subscriptions, and messages under way.

Both sides of QoS 1 and 2 are here (MQTT 5.0 4.3, 4.4, 4.6, 4.9); a session knows no connection and writes no packet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from netlab.cores.mqtt_message import Message


class Subscription(NamedTuple):
    """What a client wants of one topic filter."""

    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    identifier: int = 0  # 0: none


class Outgoing:
    """A message on its way to one client, above QoS 0 or waiting."""

    __slots__ = ("first", "identifiers", "key", "message", "packet_id", "qos", "sent", "shared")

    def __init__(self, message: Message, qos: int, retain: bool = False, identifiers: tuple[int, ...] = ()) -> None:
        self.message, self.qos, self.identifiers = message, qos, identifiers
        self.first = 0x30 | qos << 1 | retain  # PUBLISH's first byte, DUP left out
        self.packet_id = 0  # until it is its turn
        self.sent = False  # at least once: from then on DUP is set [MQTT-3.3.1-1]
        self.shared = ""  # the shared subscription whose choice this client was
        self.key = 0  # of the store that keeps it

    def __repr__(self) -> str:
        return f"<Outgoing {self.packet_id} QoS {self.qos} {self.message.topic!r}>"


class Session:
    """One client's session, as its server keeps it, or a client's own."""

    __slots__ = (
        "_next",
        "_resend",
        "client_id",
        "in_flight",
        "queue",
        "queued_bytes",
        "received",
        "released",
        "subscriptions",
        "unacknowledged",
        "window",
    )

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.subscriptions: dict[str, Subscription] = {}
        self.window = 65_535  # the peer's receive maximum
        self.in_flight = 0  # how much of it is used on this connection
        self.unacknowledged: dict[int, Outgoing] = {}  # PUBLISH sent, or to be sent again; by packet identifier
        self.released: dict[int, Outgoing | None] = {}  # PUBREL sent, PUBCOMP awaited; in the order of the PUBRECs
        self.queue: deque[Outgoing] = deque()  # not sent yet
        self.queued_bytes = 0
        self.received: dict[int, int] = {}  # QoS 2 messages that came and are not released yet; → their reason code
        self._resend: deque[Outgoing] = deque()  # what was under way when the connection before was lost
        self._next = 0

    # -- messages to the peer --------------------------------------------------------------------------------------

    def offer(self, outgoing: Outgoing) -> bool:
        """A message above QoS 0. True: send it now, with the packet identifier that it has got; False: it waits."""
        if self.queue or self._resend or self.in_flight >= self.window:
            self.wait(outgoing)
            return False
        self._start(outgoing)
        return True

    def wait(self, outgoing: Outgoing) -> None:
        """Keep it until there is a connection, or room on it."""
        self.queue.append(outgoing)
        self.queued_bytes += outgoing.message.size

    def _start(self, outgoing: Outgoing) -> None:
        number = self._next
        while True:  # an identifier is not used again before its exchange is over [MQTT-2.2.1-3]
            number = number + 1 if number < 65_535 else 1
            if number not in self.unacknowledged and number not in self.released:
                break
        self._next = outgoing.packet_id = number
        self.unacknowledged[number] = outgoing
        self.in_flight += 1

    def ready(self) -> Iterator[Outgoing]:
        """What may be sent now that there is room: first what has to be sent again, then what waits, in order."""
        while self.in_flight < self.window:
            if self._resend:
                outgoing = self._resend.popleft()
                if outgoing.packet_id not in self.unacknowledged:
                    continue
                self.in_flight += 1
            elif self.queue:
                outgoing = self.dequeue()
                if outgoing.qos:
                    self._start(outgoing)
            else:
                return
            yield outgoing

    def dequeue(self) -> Outgoing:
        """The oldest that waits, taken out."""
        outgoing = self.queue.popleft()
        self.queued_bytes -= outgoing.message.size
        return outgoing

    def abandon(self, outgoing: Outgoing) -> None:
        """A message that was started is not sent after all: it has expired, or is too large for the client."""
        if self.unacknowledged.pop(outgoing.packet_id, None) is not None:
            self.in_flight -= 1

    def puback(self, packet_id: int) -> Outgoing | None:
        """QoS 1 is over; None: the identifier is of no such message."""
        outgoing = self.unacknowledged.get(packet_id)
        if outgoing is None or outgoing.qos != 1:
            return None
        del self.unacknowledged[packet_id]
        self.in_flight -= 1
        return outgoing

    def pubrec(self, packet_id: int, *, refused: bool = False) -> Outgoing | None:
        """The peer has the QoS 2 message, and is to be sent PUBREL; or it will not have it, and all is over."""
        outgoing = self.unacknowledged.get(packet_id)
        if outgoing is None or outgoing.qos != 2:
            return None
        del self.unacknowledged[packet_id]
        if refused:  # a reason code of 0x80 or more ends it [MQTT-4.3.3-4]
            self.in_flight -= 1
        else:
            self.released[packet_id] = outgoing  # from here on the PUBLISH is never sent again [MQTT-4.3.3-6]
        return outgoing

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
        self._resend = deque(self.unacknowledged.values())
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
