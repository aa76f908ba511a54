"""What one side of an MQTT connection reads: bytes to control packets, in the order in which they may come."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from netlab.cores.mqtt_codes import FLAGS, FROM_CLIENT, FROM_SERVER, LARGEST_PACKET, V5, Reason, Type
from netlab.cores.mqtt_packets import Connack, Connect, Packet, Puback, Pubcomp, Publish, Pubrec, Pubrel
from netlab.cores.mqtt_parse import parse
from netlab.cores.mqtt_topics import name_error
from netlab.cores.mqtt_wire import NOTHING, Properties, Reader, Wrong, decode_text, malformed, protocol_error
from netlab.errors import RemoteProtocolError, Truncated

Event = Packet | RemoteProtocolError


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one side lets the other do; a server announces it in CONNACK, a client in CONNECT."""

    packet_size: int = LARGEST_PACKET  # bytes, fixed header included
    connect_size: int = 1 << 17  # of a CONNECT: nobody is known yet
    receive_maximum: int = 65_535  # PUBLISH packets above QoS 0 without a last acknowledgement of ours
    topic_alias_maximum: int = 0
    maximum_qos: int = 2
    retain_available: bool = True
    topic_levels: int = 0  # 0: as many as fit


class Stage(Enum):
    CONNECT = "connect"  # the first packet is awaited: CONNECT, or its answer
    HELD = "held"  # the server has not yet answered the CONNECT
    AUTHENTICATING = "authenticating"  # it has, with a challenge: AUTH is awaited, and nothing else (5.0 4.12)
    OPEN = "open"
    CLOSED = "closed"


CONNECT, HELD, AUTHENTICATING, OPEN, CLOSED = Stage  # a look-up in an Enum costs a small function in Python 3.11


class Reading:
    """One connection's packets as they come in; `netlab.cores.mqtt.Core` adds what goes out."""

    __slots__ = (
        "_aliases",
        "_bounded",
        "_expected",
        "_from_peer",
        "_offset",
        "_pieces",
        "_rest",
        "_server",
        "_topics",
        "_unanswered",
        "last_words",
        "limits",
        "out",
        "peer_packet_size",
        "stage",
        "version",
    )

    def __init__(
        self, *, server: bool, limits: Limits | None = None, version: int = V5, topics: dict[bytes, str] | None = None
    ) -> None:
        """`topics` are names known to be good; connections may share them, and the owner bounds them."""
        self._server = server
        self._from_peer = FROM_CLIENT if server else FROM_SERVER
        self.limits = limits or Limits()
        self.version = 0 if server else version  # 0 until the client has said it
        self.stage = CONNECT
        self.out: list[bytes] = []  # what must be written now, in this order
        self.last_words = b""  # behind them: a farewell, once the packets that came before its reason are answered
        self.peer_packet_size = LARGEST_PACKET  # what the other side takes
        self._rest, self._offset = b"", 0  # received and not yet read, and its place in all that was received
        self._pieces: list[bytes] = []  # behind the rest, of a packet that takes several reads
        self._expected = 0  # bytes that must be there before it is worth looking again
        self._topics = {} if topics is None else topics
        self._aliases: dict[int, str] = {}
        self._bounded = True  # there is something to be looked at in each PUBLISH above QoS 0
        self._unanswered: set[int] = set()  # packet identifiers that the peer may not use again yet (5.0 4.9)

    # -- receiving -------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """What the peer's bytes mean; b"" is the end of them. A violation is the last event."""
        if self.stage is CLOSED:
            return []
        if not data:
            return self._end_of_bytes()
        if self._rest or self._pieces:
            self._pieces.append(data)
            self._expected -= len(data)
            if self._expected > 0:
                return []
            data = b"".join((self._rest, *self._pieces))
            self._rest, self._pieces = b"", []
        return self._read(data)

    def pubacks(self, data: bytes) -> Sequence[int]:
        """The packet identifiers, where what came is nothing but PUBACKs with a reason of 0, unsaid: the commonest read
        of a subscriber, without a packet for each. Empty where it is anything else, which `receive` is to read.
        """
        if self.stage is not OPEN or self._rest or self._pieces or len(data) & 3:
            return ()
        words = struct.unpack(f">{len(data) >> 1}H", data)
        numbers = words[1::2]
        if words[::2].count(PUBACK_OF_TWO) != len(numbers) or 0 in numbers:
            return ()
        self._offset += len(data)
        return numbers

    def _end_of_bytes(self) -> list[Event]:
        left = len(self._rest) + sum(map(len, self._pieces))
        if self.stage is HELD or not left:
            return []
        self.stage = CLOSED
        return [Truncated("the peer ended inside a packet", offset=self._offset + left, rule="packet.truncated",
                          section="MQTT 5.0 2.1.4", status=Reason.MALFORMED_PACKET)]  # fmt: skip

    def _read(self, data: bytes) -> list[Event]:
        """All whole packets; what is left waits for more."""
        events: list[Event] = []
        at, size, base = 0, len(data), self._offset
        most = self.limits.packet_size
        stage = self.stage
        try:
            while at + 2 <= size and (stage is OPEN or stage is CONNECT or stage is AUTHENTICATING):
                first, length, body = data[at], data[at + 1], at + 2
                if length > 127:
                    length, body = self._length(data, at, size)
                    if not body:
                        break
                end = body + length
                if end > size or end - at > most or stage is not OPEN:
                    self._check_header(first, end - at)
                    if end > size:
                        self._expected = end - size
                        break
                if first & 0xF0 == 0x30:
                    events.append(self._publish(data, at, body, end))
                elif length == 2 and first in ACKNOWLEDGEMENTS and (data[body] or data[body + 1]):
                    # the commonest packet but PUBLISH: a reason of 0, unsaid
                    number = data[body] << 8 | data[body + 1]
                    events.append(_new(ACKNOWLEDGEMENTS[first], (number, 0, NOTHING, base + at, base + end)))
                else:
                    self._check_header(first, end - at)
                    events.append(self._packet(first >> 4, Reader(data, body, end), at, end))
                    stage = self.stage
                at = end
        except Wrong as wrong:
            events.append(self._violated(wrong, data, at))
            return events
        if at < size:
            self._rest = data[at:] if at else data
        self._offset += at
        return events

    def _length(self, data: bytes, at: int, size: int) -> tuple[int, int]:
        """The remaining length of more than one byte, and where the body begins; 0 while it is not all there."""
        length = 0
        for place in range(4):
            if at + 1 + place >= size:
                return 0, 0
            byte = data[at + 1 + place]
            length |= (byte & 127) << 7 * place
            if byte < 128:
                if not byte and place:
                    break
                return length, at + 2 + place
        raise malformed("a remaining length of more bytes than it needs", "length.long", "MQTT-1.5.5-1", at + 1)

    def _check_header(self, first: int, whole: int) -> None:
        """What the first bytes of a packet tell, before the rest of it is waited for."""
        kind = first >> 4
        if kind == 0:
            raise malformed("packet type 0 is reserved", "packet.type", "MQTT 5.0 2.1.2")
        if self.stage is CONNECT:
            expected = Type.CONNECT if self._server else Type.CONNACK
            if kind != expected and not (kind == Type.AUTH and not self._server):
                raise protocol_error(f"{Type(kind).name} before {expected.name}", "packet.first", "MQTT-3.1.0-1")
            if self._server and whole > min(self.limits.connect_size, self.limits.packet_size):
                raise Wrong(f"a CONNECT of {whole} bytes", Reason.PACKET_TOO_LARGE, "packet.size", "MQTT-3.1.2-24")
        elif self.stage is AUTHENTICATING and kind not in (Type.AUTH, Type.DISCONNECT):
            raise protocol_error(f"{Type(kind).name} before CONNACK", "packet.early", "MQTT-3.1.2-30")
        elif kind not in self._from_peer:
            raise protocol_error(f"{Type(kind).name} from this side", "packet.side", "MQTT 5.0 2.1.2")
        elif kind in (Type.CONNECT, Type.CONNACK):
            raise protocol_error(f"a second {Type(kind).name}", "packet.second", "MQTT-3.1.0-2")
        self._check_flags(first)
        if whole > self.limits.packet_size:
            raise Wrong(f"a packet of {whole} bytes", Reason.PACKET_TOO_LARGE, "packet.size", "MQTT-3.1.2-24")

    def _check_flags(self, first: int) -> None:
        kind = Type(first >> 4)
        if kind != Type.PUBLISH and first & 15 != FLAGS.get(kind, 0):
            raise malformed(f"flags {first & 15:04b} of {kind.name} are reserved", "packet.flags", "MQTT-2.1.3-1")

    def _packet(self, kind: int, body: Reader, at: int, end: int) -> Packet:
        """Any packet but PUBLISH."""
        packet = parse(kind, body, self.version, (self._offset + at, self._offset + end))
        self._begin(packet)
        return packet

    def _begin(self, packet: Packet) -> None:
        """What the first packet decides for those behind it."""
        if isinstance(packet, Connect):
            self.version, self.stage = packet.version, HELD
            self._bounded = self.version == V5 or self.limits.maximum_qos < 2
            self.peer_packet_size = packet.properties.get("maximum_packet_size", LARGEST_PACKET)
        elif isinstance(packet, Connack):
            self.stage = CLOSED if packet.reason else OPEN
            self.peer_packet_size = packet.properties.get("maximum_packet_size", LARGEST_PACKET)

    def _publish(self, data: bytes, at: int, body: int, end: int) -> Publish:
        """The packet that there are most of: each step of it at most once."""
        first = data[at]
        qos, retain = first >> 1 & 3, first & 1
        after = body + 2
        if after > end:
            raise malformed("a PUBLISH without a topic", "packet.short", "MQTT 5.0 2.1.4", at)
        after += data[body] << 8 | data[body + 1]
        if after > end:
            raise malformed("a topic that goes beyond its PUBLISH", "packet.short", "MQTT 5.0 2.1.4", body)
        raw = data[body + 2 : after]
        topic = self._topics.get(raw)
        if topic is None:
            topic = self._topic(raw, body)
        packet_id = 0
        if qos:
            if qos == 3:
                raise malformed("a PUBLISH of QoS 3", "publish.qos", "MQTT-3.3.1-4", at)
            after += 2
            if after > end:
                raise malformed(
                    "a PUBLISH that ends before its packet identifier", "packet.short", "MQTT 5.0 2.1.4", at
                )
            packet_id = data[after - 2] << 8 | data[after - 1]
            if not packet_id:
                raise protocol_error("packet identifier 0", "packet.id", "MQTT-2.2.1-3", after - 2)
        properties = NOTHING
        forwardable = raw and not first & 9  # neither said again, nor retained: both are of one hop (3.3.1)
        if self.version == V5:
            if after < end and not data[after]:
                after += 1
            else:
                reader = Reader(data, min(after, end), end)
                properties = reader.properties(3)
                after = reader.at
                forwardable = forwardable and not (
                    "topic_alias" in properties or "message_expiry_interval" in properties
                )
            if not raw or properties:
                topic = self._check_properties(topic, raw, properties)
        if after > end:
            raise malformed("a PUBLISH that ends too early", "packet.short", "MQTT 5.0 2.1.4", at)
        if first & 9 or (qos and self._bounded):
            self._check_publish(first, qos, retain, packet_id)
        return _published(Publish, (
            topic, data[after:end], qos, retain == 1, first & 8 == 8, packet_id, properties,
            data[at:end] if forwardable else b"", self._offset + at, self._offset + end,
        ))  # fmt: skip

    def _topic(self, raw: bytes, at: int) -> str:
        """A name that was not seen before."""
        topic = decode_text(raw, at)
        if not raw:
            if self.version == V5:
                return ""  # an alias has to say what it is
            raise malformed("a PUBLISH with an empty topic", "topic.empty", "MQTT-4.7.3-1", at)
        if error := name_error(topic):
            raise Wrong(error, Reason.TOPIC_NAME_INVALID, "topic.invalid", "MQTT-3.3.2-2", at)
        levels = self.limits.topic_levels
        if levels and topic.count("/") >= levels:
            raise Wrong(
                f"a topic of more than {levels} levels", Reason.TOPIC_NAME_INVALID, "topic.levels", "MQTT 5.0 4.7", at
            )
        self._topics[raw] = topic
        return topic

    def _check_properties(self, topic: str, raw: bytes, properties: Properties) -> str:
        """The topic that is meant, with or without an alias (3.3.2.3.4); what else this side may not say of it."""
        alias = properties.get("topic_alias")
        if alias is not None:
            if not 0 < alias <= self.limits.topic_alias_maximum:
                raise Wrong(
                    f"topic alias {alias}, and 1 to {self.limits.topic_alias_maximum} are allowed",
                    Reason.TOPIC_ALIAS_INVALID, "alias.invalid", "MQTT-3.3.2-9",
                )  # fmt: skip
            if raw:
                self._aliases[alias] = topic
            elif alias not in self._aliases:
                raise protocol_error(
                    f"topic alias {alias} stands for nothing yet", "alias.unknown", "MQTT 5.0 3.3.2.3.4"
                )
            else:
                topic = self._aliases[alias]
        elif not raw:
            raise protocol_error("neither a topic nor an alias", "topic.empty", "MQTT 5.0 3.3.2.1")
        if self._server and "subscription_identifier" in properties:
            raise protocol_error("a subscription identifier from a client", "publish.identifier", "MQTT-3.3.4-6")
        if (response := properties.get("response_topic")) is not None and (error := name_error(response)):
            raise Wrong(f"the response topic: {error}", Reason.PROTOCOL_ERROR, "topic.response", "MQTT-3.3.2-14")
        return topic

    def _check_publish(self, first: int, qos: int, retain: int, packet_id: int) -> None:
        """DUP, and what this side has announced it does not take."""
        if first & 8 and not qos:
            raise malformed("DUP at QoS 0", "publish.dup", "MQTT-3.3.1-2")
        limits = self.limits
        if qos > limits.maximum_qos:
            raise Wrong(
                f"QoS {qos}, and {limits.maximum_qos} is the most",
                Reason.QOS_NOT_SUPPORTED,
                "publish.qos",
                "MQTT-3.2.2-11",
            )
        if retain and not limits.retain_available:
            raise Wrong("a retained message", Reason.RETAIN_NOT_SUPPORTED, "publish.retain", "MQTT-3.2.2-14")
        if qos and self.version == V5:
            self._unanswered.add(packet_id)
            if len(self._unanswered) > limits.receive_maximum:
                raise Wrong(
                    f"more than {limits.receive_maximum} messages without acknowledgement",
                    Reason.RECEIVE_MAXIMUM_EXCEEDED, "receive_maximum", "MQTT-3.3.4-9",
                )  # fmt: skip

    def _violated(self, wrong: Wrong, data: bytes, at: int) -> RemoteProtocolError:
        """What is left of the connection is a farewell; the violation names the place in all that was received."""
        where = wrong.at if wrong.at >= 0 else at
        begin = max(where - 16, 0)
        self._part(wrong, data[at:])
        self.stage = CLOSED
        return RemoteProtocolError(
            str(wrong), offset=self._offset + where, rule=wrong.rule, section=wrong.section, status=int(wrong.code),
            excerpt=data[begin : where + 24], caret=where - begin,
        )  # fmt: skip

    def _part(self, wrong: Wrong, packet: bytes) -> None:
        """Say why, where the version and the moment have words for it."""
        raise NotImplementedError


PUBACK_OF_TWO = 0x4002  # type and remaining length
ACKNOWLEDGEMENTS: dict[int, type[Packet]] = {0x40: Puback, 0x50: Pubrec, 0x62: Pubrel, 0x70: Pubcomp}
_new: Callable[..., Packet] = tuple.__new__
_published: Callable[..., Publish] = tuple.__new__
