"""One client of the broker, whether it is connected or away: its session, its will, and what is delivered to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from netlab.cores.mqtt_codes import Reason
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_packets import Will
from netlab.cores.mqtt_session import Delivery, Session

if TYPE_CHECKING:
    from netlab.stores.mqtt import MqttStore
    from servers.mqtt.broker import Broker
    from servers.mqtt.link import Link

WAITS_AWAY, WAITS_FULL = "waits: it is away", "waits: its receive maximum is used up"
SENT = tuple(f"sent at QoS {qos}" for qos in range(3))


class Client:
    """The session outlives the link; both ends are the broker's to decide."""

    __slots__ = ("broker", "ends", "expiry", "kept", "link", "listener", "session", "user", "will", "will_due")

    def __init__(self, broker: Broker, client_id: str) -> None:
        self.broker = broker
        self.session = Session(client_id)
        self.link: Link | None = None
        self.user, self.listener = "", "tcp"  # whose it is, and where it came in last: both say what it may
        self.kept: MqttStore | None = None  # where what happens to the session is written down
        self.expiry = 0.0  # seconds that the session stays without a connection; inf: for ever
        self.ends = math.inf  # lab time at which it does
        self.will: Will | None = None
        self.will_due = math.inf  # lab time at which the will is published; inf: not while the link stands

    @property
    def will_delay(self) -> float:
        return float(self.will.properties.get("will_delay_interval", 0)) if self.will is not None else 0.0

    @property
    def client_id(self) -> str:
        return self.session.client_id

    # -- delivery --------------------------------------------------------------------------------------------------

    def deliver(
        self, message: Message, qos: int, retain: bool = False, identifiers: tuple[int, ...] = (), shared: str = ""
    ) -> str:
        """A message for this client, at the QoS that subscription and message agree on; what came of it, in words."""
        link, session = self.link, self.session
        if qos:
            delivery = Delivery(message, qos, retain, identifiers, shared)
            if link is not None and not session.queue and not session.resending and session.in_flight < session.window:
                packet_id = session.start(delivery)
                if self.kept is not None:
                    self.kept.delivered(session.client_id, delivery, packet_id)
                return link.transmit(packet_id, delivery)
            if not self.room(message):
                return "dropped: its queue is full"
            session.wait(delivery)
            if self.kept is not None:
                self.kept.delivered(session.client_id, delivery, 0)
            return WAITS_AWAY if link is None else WAITS_FULL
        if link is not None:
            return link.send_at_most_once(message, retain, identifiers)
        if self.broker.config.queue_qos0 and self.room(message):
            session.wait(Delivery(message, 0, retain, identifiers))
            return WAITS_AWAY
        return "not kept: QoS 0, and it is away"

    def room(self, message: Message) -> bool:
        """Whether one more message may wait; where not, what the settings say is done about it."""
        config, session = self.broker.config, self.session
        full = (config.queue_messages and len(session.queue) >= config.queue_messages) or (
            config.queue_bytes and session.queue and session.queued_bytes + message.size > config.queue_bytes
        )
        if not full:
            return True
        self.broker.statistics.dropped += 1
        match config.queue_full:
            case "drop-oldest":
                oldest = session.dequeue()
                if self.kept is not None and oldest.qos:
                    self.kept.settled(session.client_id, oldest)
                self.tell(oldest, "dropped: its queue is full, and a newer one takes its place")
                return True
            case "disconnect":
                if self.link is not None:
                    self.link.disconnect(Reason.QUOTA_EXCEEDED, "too many messages wait for this client")
        return False

    def go_on(self) -> None:
        """There may be room in the window: send what waits."""
        link = self.link
        if link is None:
            return
        now = self.broker.now()
        for packet_id, delivery, again in self.session.ready():
            if delivery.message.expires <= now and not again:  # [MQTT-3.3.2-5]
                self.abandon(packet_id, delivery)
                self.broker.statistics.expired += 1
                self.tell(delivery, "expired")
                continue
            if self.kept is not None and delivery.qos and not again:
                self.kept.started(self.client_id, delivery, packet_id)
            self.tell(delivery, link.transmit(packet_id, delivery, again=again) + (", again" if again else ""))

    def tell(self, delivery: Delivery, verdict: str) -> None:
        """What became of a message that waited, for who asks."""
        if self.broker.trace is not None:
            self.broker.trace.later(delivery.message, self.client_id, verdict)

    def abandon(self, packet_id: int, delivery: Delivery) -> None:
        """It will not be delivered."""
        self.session.abandon(packet_id)
        if self.kept is not None and delivery.qos:
            self.kept.settled(self.client_id, delivery)

    def __repr__(self) -> str:
        return f"<Client {self.client_id!r} {'connected' if self.link is not None else 'away'}>"
