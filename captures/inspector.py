"""Packets of a capture in their order, each with what it means for those before it: streams, messages, oddities."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from captures import applications
from captures.blocks import Packet, SimplePacket
from captures.conversations import Conversation, Given, Segment, Tcp, segment
from captures.dissect import DISSECTORS, dissect, opaque, outermost
from captures.messages import Message, Side
from captures.reassemble import Fragments
from captures.skim import ICMP, ICMPV6, TCP, UDP, Skimmed, address_text, skim
from captures.tree import Layer

CONVERSATIONS = 20_000
"""Connections and flows remembered at once; the one that was quiet for longest is forgotten."""
HELD = 64 << 20
"""Bytes of unfinished messages held by all conversations together."""
BEFORE_TEXT = {ICMP: "icmp", ICMPV6: "icmpv6", TCP: "tcp", UDP: "udp"}


class Buffer(NamedTuple):
    """Bytes and the tree that covers them: the packet, a message reassembled, or what was decoded of one."""

    label: str
    data: bytes
    layers: tuple[Layer, ...]


class Seen:
    """One packet: where it stands, whose it is, what it carries."""

    __slots__ = (
        "conversation", "given", "lost", "messages", "number", "odd", "offset", "packet", "part", "ports",
        "reassembled", "side", "skimmed", "tcp", "time",
    )  # fmt: skip

    def __init__(self, number: int, packet: Packet | SimplePacket, time: int, skimmed: Skimmed) -> None:
        self.number, self.packet, self.time, self.skimmed = number, packet, time, skimmed
        self.conversation: Conversation | None = None
        self.side: Side = "client"
        self.part: Segment | None = None
        self.tcp: Tcp | None = None
        self.ports = (0, 0)
        self.offset = 0  # where its payload stands in its side's stream
        self.messages: list[Message] = []
        self.reassembled: bytes | None = None  # the payload of the IP packet whose last fragment this is
        self.given: list[Given] = []  # what is in order now of the stream, this packet's bytes or older ones
        self.lost = 0  # bytes of the stream found missing here
        self.odd: tuple[str, ...] = ()  # what its trees say is odd, where somebody has looked at them

    @property
    def source(self) -> str:
        return address_text(self.skimmed.source)

    @property
    def destination(self) -> str:
        return address_text(self.skimmed.destination)

    @property
    def length(self) -> int:
        """Bytes on the wire."""
        return self.packet.original_length

    @property
    def notes(self) -> tuple[str, ...]:
        if self.tcp is None:
            return self.odd
        return self.tcp.notes + self.odd if self.odd else self.tcp.notes


class Inspector:
    """Reads packets in their order. What it holds is bounded, whatever the capture's size."""

    def __init__(self, decode_as: Mapping[int, str] | None = None) -> None:
        self._fragments = Fragments()
        self._decode_as = decode_as or {}
        self._known: OrderedDict[tuple[int, bytes, int, bytes, int], Conversation] = OrderedDict()
        self._counts = {"tcp": 0, "udp": 0}
        self._held = 0
        self.number = 0
        self.first = 0  # the first packet's time

    def add(self, packet: Packet | SimplePacket) -> Seen:
        """The next packet."""
        self.number += 1
        data = packet.data
        time = packet.time if isinstance(packet, Packet) else 0
        if self.number == 1:
            self.first = time
        skimmed = skim(packet.interface.link_type, data)
        seen = Seen(self.number, packet, time, skimmed)
        if skimmed.fragment is not None:
            self._gather(seen, data)
        elif skimmed.protocol == TCP:
            self._tcp(seen, data, skimmed.start, skimmed.end, skimmed.length)
        elif skimmed.protocol == UDP:
            self._udp(seen, data, skimmed.start, skimmed.end)
        return seen

    @property
    def conversations(self) -> list[Conversation]:
        """Those that are remembered, in the order of their beginning."""
        return sorted(self._known.values(), key=lambda each: (each.first, each.index))

    def _gather(self, seen: Seen, data: bytes) -> None:
        skimmed = seen.skimmed
        assert skimmed.fragment is not None
        identification, offset, more = skimmed.fragment
        key = (skimmed.source, skimmed.destination, skimmed.protocol, identification)
        whole = self._fragments.add(key, offset, more, data[skimmed.start : skimmed.end])
        seen.reassembled = whole
        if whole is not None and skimmed.protocol == TCP:
            self._tcp(seen, whole, 0, len(whole), len(whole))
        elif whole is not None and skimmed.protocol == UDP:
            self._udp(seen, whole, 0, len(whole))

    def _tcp(self, seen: Seen, data: bytes, start: int, end: int, length: int) -> None:
        read = segment(data, start, end, length)
        if read is None:
            return
        source_port, destination_port, part = read
        seen.ports, seen.part = (source_port, destination_port), part
        fresh = part.flags & 0x12 == 2
        conversation = self._find(TCP, seen, opens=fresh, answers=part.flags & 0x12 == 0x12)
        again = conversation.halves["client"].base != part.sequence
        if fresh and again and conversation.ends and seen.side == "client":  # the same ports once more
            self._forget(seen)
            conversation = self._find(TCP, seen, opens=True)
        seen.tcp, seen.offset, seen.messages, seen.lost = conversation.add(seen.side, part, data, seen.time)
        seen.given = conversation.given
        held = conversation.hold()
        self._held += held - conversation.held
        conversation.held = held
        if self._held > HELD:
            self._release()

    def _udp(self, seen: Seen, data: bytes, start: int, end: int) -> None:
        if end - start < 8:
            return
        seen.ports = data[start] << 8 | data[start + 1], data[start + 2] << 8 | data[start + 3]
        length = data[start + 4] << 8 | data[start + 5]
        end = min(start + length, end) if length >= 8 else end
        conversation = self._find(UDP, seen)
        half = conversation.halves[seen.side]
        half.packets += 1
        half.bytes += end - start - 8
        conversation.last = seen.time
        protocol = self._decode_as.get(seen.ports[1]) or self._decode_as.get(seen.ports[0])
        protocol = protocol or applications.datagram_protocol(data[start + 8 : end], seen.ports)
        if protocol in applications.MODULES and end > start + 8:
            seen.messages = [Message(protocol, 0, data[start + 8 : end])]

    def _find(self, kind: int, seen: Seen, *, opens: bool = False, answers: bool = False) -> Conversation:
        """The packet's conversation and its side in it; the sender of its first packet is the client, as a rule."""
        skimmed, (port, other_port) = seen.skimmed, seen.ports
        one, two = (skimmed.source, port), (skimmed.destination, other_port)
        key = (kind, *one, *two) if one <= two else (kind, *two, *one)
        conversation = self._known.get(key)
        if conversation is None:
            name = "tcp" if kind == TCP else "udp"
            # a capture that begins in the middle shows an answer first: the lower port is a server's, as a rule
            backwards = answers or (not opens and port < other_port and (port < 1024 or other_port >= 32768))
            client, server = (two, one) if backwards else (one, two)
            conversation = Conversation(name, self._counts[name], client, server, seen.time)
            self._counts[name] += 1
            protocol = self._decode_as.get(server[1]) or self._decode_as.get(client[1])
            conversation.talk.protocol = protocol or ""
            self._known[key] = conversation
            if len(self._known) > CONVERSATIONS:
                self._held -= self._known.popitem(last=False)[1].held
        else:
            self._known.move_to_end(key)
        seen.conversation = conversation
        seen.side = "client" if conversation.client == one else "server"
        return conversation

    def _release(self) -> None:
        """Let go of what the conversations hold that were quiet for longest, until half of the bound is free."""
        for conversation in self._known.values():
            if self._held <= HELD // 2:
                break
            self._held -= conversation.held
            conversation.held = 0
            conversation.forget()

    def _forget(self, seen: Seen) -> None:
        one, two = (seen.skimmed.source, seen.ports[0]), (seen.skimmed.destination, seen.ports[1])
        forgotten = self._known.pop((TCP, *one, *two) if one <= two else (TCP, *two, *one))
        self._held -= forgotten.held


def buffers(seen: Seen) -> list[Buffer]:
    """The packet's tree, and behind it those of messages that began in earlier packets and of what was decoded."""
    found: list[Buffer] = []
    data = seen.packet.data
    base = dissect(data, outermost(seen.packet.interface.link_type, data))
    layers, inside = _with_messages(seen, base, data) if seen.reassembled is None else (base, [])
    if seen.skimmed.protocol in (ICMP, ICMPV6):
        layers = _with_quoted(layers, data)
    found.append(Buffer("Packet", data, layers))
    if seen.reassembled is not None:
        found.append(Buffer("Reassembled IP", seen.reassembled, _reassembled(seen, base)))
    for message in seen.messages:
        if message not in inside:
            tree = applications.layer(message, message.data, 0, len(message.data))
            found.append(Buffer(f"Reassembled {applications.label(message.protocol)}", message.data, (tree,)))
        for each in applications.decoded(message):
            found.append(Buffer(each.label, each.data, applications.decoded_layers(message, each)))  # noqa: PERF401  it reads better
    return found


def oddities(seen: Seen, found: Iterable[Buffer]) -> tuple[str, ...]:
    """What a packet's trees say is odd: checksums that are wrong, and fields that cannot be what they should be."""
    fields = [field for buffer in found for layer in buffer.layers for field in layer.all()]
    wrong = any(field.name.endswith(".checksum") and field.meaning.startswith("wrong") for field in fields)
    whole = len(seen.packet.data) >= seen.length  # what the capture has cut is short, and no fault
    malformed = whole and any(field.malformed for field in fields)
    return (*(("checksum_bad",) if wrong else ()), *(("malformed",) if malformed else ()))


def _reassembled(seen: Seen, base: tuple[Layer, ...]) -> tuple[Layer, ...]:
    assert seen.reassembled is not None
    data, protocol = seen.reassembled, BEFORE_TEXT.get(seen.skimmed.protocol, "")
    if protocol not in DISSECTORS:
        return (opaque(data, 0, len(data)),)
    layer = DISSECTORS[protocol](data, 0, len(data), None)
    rest = layer.payload[0]
    return (layer, opaque(data, rest, len(data))) if rest < len(data) else (layer,)


def _with_messages(seen: Seen, base: tuple[Layer, ...], data: bytes) -> tuple[tuple[Layer, ...], list[Message]]:
    """The packet's layers with those of the messages that lie wholly in it, in the place of its opaque payload."""
    place = next((index for index, layer in enumerate(base) if layer.name == "data" and index), None)
    carrier = base[place - 1] if place is not None else None
    if place is None or carrier is None or carrier.name not in ("tcp", "udp"):
        return base, []
    begin, end = carrier.payload
    layers: list[Layer] = []
    inside: list[Message] = []
    at = begin
    for message in seen.messages:
        start = begin + message.offset - seen.offset if carrier.name == "tcp" else begin
        stop = start + len(message.data)
        if start < at or stop > end or data[start:stop] != message.data:
            continue
        if start > at:
            layers.append(_part(data, at, start, seen))
        layers.append(applications.layer(message, data, start, stop))
        inside.append(message)
        at = stop
    if at < end:
        layers.append(_part(data, at, end, seen))
    return (*base[:place], *layers, *base[place + 1 :]), inside


def _with_quoted(layers: tuple[Layer, ...], data: bytes) -> tuple[Layer, ...]:
    """An error's layers, and the datagram's message in the packet that it quotes, as far as it goes."""
    place = next((at for at, layer in enumerate(layers) if at and layer.name == "data"), 0)
    carrier = layers[place - 1] if place else None
    if carrier is None or carrier.name != "udp":
        return layers
    begin, end = carrier.payload
    ports = int(carrier.value("udp.srcport")), int(carrier.value("udp.dstport"))
    protocol = applications.datagram_protocol(data[begin:end], ports)
    if protocol not in applications.MODULES or end <= begin:
        return layers
    tree = applications.layer(Message(protocol, 0, data[begin:end]), data, begin, end)
    return (*layers[:place], tree, *layers[place + 1 :])


def _part(data: bytes, start: int, end: int, seen: Seen) -> Layer:
    """Bytes of a stream that are a part of a message, as far as somebody knows its protocol."""
    talk = seen.conversation.talk if seen.conversation is not None else None
    if talk is not None and talk.protocol in applications.MODULES and seen.part is not None:
        label = f"Part of a message of {applications.label(talk.protocol)}"
        return opaque(data, start, end, "tcp.segment_data", label, "shown whole with the packet that completes it")
    return opaque(data, start, end)
