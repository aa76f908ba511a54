"""One connection to the broker: bytes to packets to what they mean, and out again, gathered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from netlab.cores.mqtt import Core, Event, Stage
from netlab.cores.mqtt_codes import Reason, reason_name
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_packets import Packet, Publish
from netlab.cores.mqtt_session import Delivery
from netlab.cores.mqtt_wire import TWO, write_text, write_variable
from netlab.errors import RemoteProtocolError, StoreFailed
from netlab.flow import Flow, Outcome
from netlab.net.connection import Connection
from servers.mqtt.client import SENT
from servers.mqtt.handling import HANDLERS, pubacks
from servers.mqtt.notes import note
from servers.mqtt.striking import after_faults, struck

if TYPE_CHECKING:
    from servers.mqtt.admission import Admission
    from servers.mqtt.authenticating import Exchange
    from servers.mqtt.client import Client
    from servers.mqtt.server import Server

TOO_LARGE = "not sent: larger than its maximum packet size"
PIECE = 1 << 20
"""Bytes that are joined for one write at most."""


class Link(Connection):
    """What a client's bytes mean to the broker, and what the broker has for it."""

    __slots__ = (
        "_aliases",
        "admission",
        "alias_maximum",
        "bound",
        "broker",
        "client",
        "core",
        "dirty",
        "exchange",
        "finished",
        "holding",
        "keep_alive",
        "method",
        "most",
        "mqtt",
        "pace",
        "paid_until",
        "pending",
        "server",
        "shadow",
        "simple",
        "user",
        "version5",
    )

    CORE: ClassVar[type[Core]] = Core
    SHARES: ClassVar[bool] = True  # what was written once for several clients is good for this one, too

    def __init__(self, server: Server, admission: Admission) -> None:
        super().__init__(server.gate, server.context.flows, "mqtt")
        self.server, self.broker = server, server.broker
        self.core = self.CORE(server=True, limits=server.limits, topics=server.topics)
        self.admission, self.user = admission, ""  # who may come in here, and as whom this one did
        self.method = ""  # of enhanced authentication
        self.exchange: Exchange | None = None  # that is under way
        self.client: Client | None = None
        self.mqtt: Flow | None = None  # of the MQTT connection, on the flow of the TCP connection
        self.keep_alive = 0.0  # seconds of silence after which the client is taken for gone
        self.most = self.broker.config.queue_bytes or math.inf
        self.pace = self.broker.config.max_rate  # messages a second; 0: no limit
        self.shadow: Core | None = None  # at level full: reads what we write, so that the flow can tell
        self.paid_until = 0.0  # loop time up to which the rate allows what was published
        self.pending = 0  # bytes given and not yet written
        self.dirty = False  # in the outbox
        self.bound = False  # something of it must not be sent before what it rests on is kept
        self.holding = 0  # pieces that are held back for that
        self.finished = False  # nothing that came is looked at any more
        self.version5 = False
        self.simple = True  # no aliases, no bound on packets: what others get is good for this one, too
        self.alias_maximum = 0  # topic aliases that the client takes
        self._aliases: dict[str, int] = {}

    # -- in --------------------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.broker.statistics.sockets += 1
        self.set_deadline("connect", self.broker.config.connect_timeout)

    def feed(self, data: bytes) -> None:
        broker, core = self.broker, self.core
        broker.statistics.bytes_received += len(data)
        if data[:1] == b"@" and not self.watched and (numbers := core.pubacks(data)):
            broker.statistics.packets_received += len(numbers)
            pubacks(self, numbers)
        else:
            events = core.receive(data)
            self.handle(events)
            if self.pace:
                self.keep_pace(sum(type(event) is Publish for event in events))
        if not data:
            self.end_flow(Outcome.CUT)
            self.finish()  # the client has ended its half: there is nothing it could acknowledge any more
        elif self.keep_alive and not self.writing_paused and not self.lingering:
            self.deadline = self.loop.time() + self.keep_alive

    def keep_pace(self, published: int) -> None:
        """A client that publishes more than a second's worth ahead of its rate is not read from until it is not."""
        now = self.loop.time()
        self.paid_until = max(self.paid_until, now) + published / self.pace
        wait = self.paid_until - now - 1.0
        if wait > 0 and not self.finished:
            self.transport.pause_reading()
            self.deadline += wait
            self.loop.call_later(wait, self.read_on)

    def read_on(self) -> None:
        if not self.finished and not self.transport.is_closing():
            self.transport.resume_reading()

    def handle(self, events: list[Event]) -> None:
        watched = self.watched
        for event in events:
            if watched and self.taken(event):
                continue
            HANDLERS[type(event)](self, event)
            if self.finished:
                break
        broker = self.broker
        broker.statistics.packets_received += len(events)
        if self.core.out:
            broker.statistics.others_sent += len(events)  # nearly each is answered
            self.bound = True
            self.touch()

    @property
    def watched(self) -> bool:
        """Whether somebody looks at each packet: a fault may strike it, or a flow is recorded in full."""
        return self.shadow is not None or bool(self.broker.mischief.faults)

    def taken(self, event: Event) -> bool:
        """Whether a fault has kept a packet from us; a flow tells of the others."""
        if self.broker.mischief.faults and struck(self, event):
            return True
        if self.shadow is not None and self.mqtt is not None:
            note(self.mqtt, "client", event)
        return False

    def violated(self, error: RemoteProtocolError) -> None:
        """The core has said its farewell; the flows say what was wrong."""
        for flow in (self.mqtt, self.flow):
            if flow is not None:
                flow.note("protocol.violated", "client", **error.facts())
                flow.outcome, flow.result = Outcome.VIOLATION, f"{reason_name(error.status)}: {error}"
        self.finish()

    # -- out -------------------------------------------------------------------------------------------------------

    def give(self, packet: bytes) -> None:
        """A whole PUBLISH of QoS 0, as it is to be written."""
        if self.pending > self.most:
            self.overflow()
            return
        self.pending += len(packet)
        self.core.out.append(packet)
        if not self.dirty:
            self.touch()

    def overflow(self) -> None:
        """A client that does not read loses messages of QoS 0, or its connection."""
        self.broker.statistics.dropped += 1
        if self.broker.config.queue_full == "disconnect":
            self.disconnect(Reason.QUOTA_EXCEEDED, "it does not read what it has subscribed to")

    def send_at_most_once(self, message: Message, retain: bool, identifiers: tuple[int, ...]) -> str:
        """QoS 0, whatever is special about it; what came of it, in words."""
        left = -1 if message.expires == math.inf else message.left(self.broker.now())
        if not left:
            return "expired"
        packet = b"".join(self.parts(message, 0x30 | retain, identifiers, left))
        if len(packet) > self.core.peer_packet_size:  # [MQTT-3.1.2-24]
            return TOO_LARGE
        if self.pending > self.most:
            self.overflow()
            return "dropped: it does not read"
        self.give(packet)
        return SENT[0]

    def transmit(self, packet_id: int, delivery: Delivery, *, again: bool = False) -> str:
        """A message above QoS 0 under its packet identifier, or of QoS 0, that had to wait; what came of it."""
        message = delivery.message
        if not delivery.qos:
            return self.send_at_most_once(message, bool(delivery.first & 1), delivery.identifiers)
        left = -1 if message.expires == math.inf else message.left(self.broker.now())
        first = delivery.first | 8 if again else delivery.first  # DUP [MQTT-3.3.1-1]
        head, tail = self.parts(message, first, delivery.identifiers, left)
        if len(head) + len(tail) + 2 > self.core.peer_packet_size:
            assert self.client is not None
            self.client.abandon(packet_id, delivery)  # as if it had been delivered [MQTT-3.1.2-25]
            self.broker.statistics.dropped += 1
            return TOO_LARGE
        self.give_numbered(packet_id, head, tail)
        return SENT[delivery.qos]

    def give_numbered(self, packet_id: int, head: bytes, tail: bytes) -> None:
        """A PUBLISH above QoS 0: what stands before and behind its packet identifier."""
        self.core.out += (head, TWO[packet_id], tail)
        self.pending += len(head) + len(tail) + 2
        self.bound = True
        if not self.dirty:
            self.touch()

    def parts(self, message: Message, first: int, identifiers: tuple[int, ...], left: int) -> tuple[bytes, bytes]:
        """A PUBLISH for this client before and behind its packet identifier; by alias where it takes them."""
        if not self.version5:
            return message.parts(False, first)
        if not self.alias_maximum:
            return message.parts(True, first, identifiers, left)
        alias = self._aliases.get(message.topic)
        if alias is not None:
            topic = b"\0\0"
        elif len(self._aliases) < self.alias_maximum:
            alias = self._aliases[message.topic] = len(self._aliases) + 1
            topic = write_text(message.topic)
        else:
            return message.parts(True, first, identifiers, left)
        tail = message.property_field(identifiers, left, alias) + message.payload
        length = len(topic) + len(tail) + (2 if first & 6 else 0)
        return b"%c%b%b" % (first, write_variable(length), topic), tail

    def send(self, packet: Packet) -> None:
        self.core.send(packet)
        self.touch()

    def touch(self) -> None:
        """There is something to be written."""
        if not self.dirty:
            self.dirty = True
            self.broker.outbox.add(self)

    def take_late(self, event: Event) -> None:
        """What a fault has kept until now; no other strikes it."""
        if not self.finished:
            HANDLERS[type(event)](self, event)
            self.bound = True
            self.touch()

    def write(self, data: bytes) -> None:
        if self.broker.mischief.faults:
            data = b"".join(after_faults(self, data))
            if not data:
                return
        self.put(data)

    def put_late(self, data: bytes) -> None:
        """As `take_late`."""
        if not self.transport.is_closing():
            self.put(data)

    def put(self, data: bytes) -> None:
        self.broker.statistics.bytes_sent += len(data)
        Connection.write(self, data)
        if self.shadow is not None and self.mqtt is not None:
            for event in self.shadow.receive(data):
                note(self.mqtt, "server", event)

    @property
    def name(self) -> str:
        """The client's identifier, as soon as there is one."""
        return self.client.client_id if self.client is not None else ""

    def flush(self) -> None:
        """Write what has gathered, in pieces that are bounded; a client that does not read keeps it waiting."""
        self.dirty = self.bound = False
        core, transport = self.core, self.transport
        out = core.out
        if self.writing_paused or transport is None or transport.is_closing():
            return
        if self.pending <= PIECE:
            self.pending = 0
            if out:
                self.write(core.outgoing())
        else:
            self._write_pieces(out)
        if self.finished and not out:
            self.part()

    def _write_pieces(self, out: list[bytes]) -> None:
        while out and not self.writing_paused:
            size = count = 0
            for part in out:
                size += len(part)
                count += 1
                if size >= PIECE:
                    break
            self.write(b"".join(out[:count]))
            del out[:count]
        self.pending = sum(map(len, out))

    def take(self) -> bytes:
        """What has gathered, to be given back with `send_held`."""
        self.dirty = self.bound = False
        self.pending = 0
        return self.core.outgoing()

    def send_held(self, data: bytes) -> None:
        """What it rests on is kept now."""
        if self.transport.is_closing():
            return
        if data:
            self.write(data)
        if self.finished and not self.holding and not self.core.out:
            self.part()

    def fail(self, error: StoreFailed) -> None:
        """What was to be acknowledged is not kept: the client hears nothing of it, and will send it again."""
        for flow in (self.mqtt, self.flow):
            if flow is not None and not flow.outcome:
                flow.outcome, flow.result = Outcome.ERROR, str(error)
        self.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.keep_alive and self.stage == "keep alive":  # what it sent meanwhile was heard, too
            self.deadline = self.loop.time() + self.keep_alive
        if self.core.out or self.finished:
            self.touch()

    # -- the end ---------------------------------------------------------------------------------------------------

    def disconnect(self, reason: Reason, words: str = "") -> None:
        """Our side ends it, and says why where the version has words for it."""
        self.core.farewell(reason, words)
        for flow in (self.mqtt, self.flow):
            if flow is not None and not flow.outcome:
                flow.outcome = Outcome.OK if reason is Reason.SHUTTING_DOWN else Outcome.REFUSED  # it broke no rule
                flow.result = f"{reason_name(reason)}: {words}".strip(" :")
        self.finish()

    def finish(self, *, with_will: bool = True) -> None:
        """Nothing more is read; what is to be said is said, and the connection closed behind it."""
        self.finished, self.core.stage = True, Stage.CLOSED
        self.leave(with_will=with_will)
        self.core.conclude()
        self.bound = True  # that the client is gone, and its will with it, is kept before it sees the end
        self.touch()

    def part(self) -> None:
        """All is said."""
        self.end_flow(Outcome.OK)
        if not self.lingering and not self.transport.is_closing():
            self.linger()

    def leave(self, *, with_will: bool = True) -> None:
        """The client is no longer here."""
        client, self.client = self.client, None
        if client is not None:
            self.broker.left(client, with_will=with_will)

    def timed_out(self, stage: str) -> None:
        if stage == "keep alive":
            self.disconnect(Reason.KEEP_ALIVE_TIMEOUT)  # [MQTT-3.1.2-22]
        else:
            self.finish()

    def drain(self) -> None:
        self.disconnect(Reason.SHUTTING_DOWN)

    def ended(self, error: Exception | None) -> None:
        self.finished, self.core.stage = True, Stage.CLOSED
        self.core.out.clear()
        self.leave()
        self.end_flow(Outcome.CUT)

    def end_flow(self, outcome: str) -> None:
        if self.mqtt is not None:
            if not self.mqtt.ended and self.flow is not None:
                self.mqtt.received, self.mqtt.sent = self.flow.received, self.written
            self.mqtt.end(self.mqtt.outcome or outcome)
