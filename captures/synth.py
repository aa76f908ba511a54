"""Packets for conversations that were seen as bytes read and written, not as packets: a capture without privileges.

Real: addresses, ports, payload, its order and its times. Synthesized: the handshake, the cut into segments, sequence
numbers, acknowledgements, the end. Every capture and every conversation in it says so in a comment. Bytes that were
not kept are a gap in the sequence numbers, as in a capture that lost packets, and the packet behind it says how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Literal, NamedTuple
from zlib import crc32

from captures.serialize import ACK, FIN, PSH, RST, SYN, TCP, UDP, ip_packet, tcp_segment, udp_datagram

Side = Literal["client", "server"]
Transport = Literal["tcp", "udp"]
Address = IPv4Address | IPv6Address

LABEL = "synthesized by netlab from what it read and wrote; segments, acknowledgements and handshake are made up"
"""The comment on the first packet of every conversation."""

REAL_SYN = "real: the client's SYN as the kernel kept it"
"""The comment on a packet that was not made up."""

SEGMENTS_PER_ACK = 32
"""Segments of one write before the other side acknowledges, so that what is in flight stays within any window."""

_HANDSHAKE_STEP = 1_000
"""Nanoseconds between SYN, SYN-ACK and ACK, which end at the conversation's start: their real times are not known."""

_SYN_OPTIONS = Struct(
    "!BBHBBBBBBBB"
)  # MSS; NOP and window scale; NOP, NOP and SACK permitted (RFC 9293 3.1, 7323, 2018)
_WINDOW_SHIFT = 7


class Piece(NamedTuple):
    """Bytes that one side wrote at once: seconds since 1970, the side, their offset in its stream, and comments.

    A piece without data moves the side's stream to its offset: bytes up to there passed but were not kept.
    """

    time: float
    side: Side
    offset: int
    data: bytes
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """A TCP connection, or datagrams between the same two sockets. Times are seconds since 1970."""

    client: tuple[str, int]
    server: tuple[str, int]
    pieces: Sequence[Piece]
    started: float
    ended: float | None = None
    """None while it is open: then no end is made up."""
    transport: Transport = "tcp"
    unanswered: bool = False
    """No connection came about: the client's SYN is all there is."""
    closed_by: Side = "client"
    """Who sent the first FIN, or the RST."""
    reset: bool = False
    comments: tuple[str, ...] = ()
    """On its first packet, behind the label."""
    syn: bytes = b""
    """The client's SYN with its IP header as it really was, where the kernel kept it."""


class Synthesized(NamedTuple):
    """An IP packet (link type raw IP), its time in nanoseconds since 1970 and its comments."""

    time: int
    data: bytes
    comments: tuple[str, ...]


def synthesize(conversation: Conversation) -> Iterator[Synthesized]:
    """One conversation's packets, in time order, labelled on the first."""
    packets = _datagrams(conversation) if conversation.transport == "udp" else _segments(conversation)
    first = next(packets, None)
    if first is not None:
        yield first._replace(comments=(LABEL, *conversation.comments, *first.comments))
        yield from packets


def synthesize_all(conversations: Iterable[Conversation]) -> Iterator[Synthesized]:
    """The packets of many conversations, merged in time order."""
    return merge(*map(synthesize, conversations), key=lambda packet: packet.time)


def addresses(client: str, server: str) -> tuple[Address, Address]:
    """Both as addresses of one family: an IPv4 address meets an IPv6 one in its mapped form (RFC 4291 2.5.5.2)."""
    pair = _address(client), _address(server)
    if pair[0].version == pair[1].version:
        return pair
    first, second = (a if a.version == 6 else IPv6Address(f"::ffff:{a}") for a in pair)
    return first, second


def _address(text: str) -> Address:
    address = ip_address(text.partition("%")[0])  # a zone (RFC 4007 11) is not part of the packet
    return getattr(address, "ipv4_mapped", None) or address


def nanoseconds(seconds: float) -> int:
    """Seconds as whole microseconds, in nanoseconds: a float of today's date holds no more than that."""
    return round(seconds * 1_000_000) * 1_000


class _Wire:
    """One conversation's two sockets: turns payloads into IP packets and never goes back in time."""

    def __init__(self, conversation: Conversation) -> None:
        client, server = addresses(conversation.client[0], conversation.server[0])
        self.sockets = {
            "client": (client.packed, conversation.client[1]),
            "server": (server.packed, conversation.server[1]),
        }
        self.now = nanoseconds(min([conversation.started, *(piece.time for piece in conversation.pieces[:1])]))
        self._identification = {"client": 0, "server": 0}

    def advance(self, seconds: float) -> None:
        self.now = max(self.now, nanoseconds(seconds))

    def packet(self, side: Side, protocol: int, payload: bytes, comments: Iterable[str]) -> Synthesized:
        """What `side` sends now."""
        source, destination = self.sockets[side][0], self.sockets[other(side)][0]
        self._identification[side] += 1
        packet = ip_packet(source, destination, protocol, payload, identification=self._identification[side])
        return Synthesized(self.now, packet, tuple(comments))


def other(side: Side) -> Side:
    return "server" if side == "client" else "client"


def _gap(side: Side, missing: int) -> list[str]:
    return [f"{missing} bytes of the {side} before this were not kept"] if missing > 0 else []


def _datagrams(conversation: Conversation) -> Iterator[Synthesized]:
    wire = _Wire(conversation)
    passed = {"client": 0, "server": 0}
    for piece in conversation.pieces:
        wire.advance(piece.time)
        comments = [*_gap(piece.side, piece.offset - passed[piece.side]), *piece.comments]
        passed[piece.side] = piece.offset + len(piece.data)
        if piece.data:
            sockets = wire.sockets[piece.side], wire.sockets[other(piece.side)]
            yield wire.packet(piece.side, UDP, udp_datagram(*sockets, piece.data), comments)


def _segments(conversation: Conversation) -> Iterator[Synthesized]:
    connection = _Connection(conversation)
    if conversation.unanswered:
        yield connection.syn()
        return
    yield from connection.handshake()
    for piece in conversation.pieces:
        yield from connection.write(piece)
    if conversation.ended is not None:
        connection.wire.advance(conversation.ended)
        yield from connection.close(conversation.closed_by, reset=conversation.reset)


def _is_syn(packet: bytes, wire: _Wire) -> bool:
    """Whether it is a SYN between these sockets, with nothing between its IP and TCP headers."""
    address, port = wire.sockets["client"]
    server = wire.sockets["server"]
    if len(packet) < 40:
        return False
    at, source, protocol = ((packet[0] & 15) * 4, 12, packet[9]) if packet[0] >> 4 == 4 else (40, 8, packet[6])
    ends = packet[source : source + len(address)], packet[source + len(address) : source + 2 * len(address)]
    ports = int.from_bytes(packet[at : at + 2], "big"), int.from_bytes(packet[at + 2 : at + 4], "big")
    is_tcp = protocol == TCP and len(packet) >= at + 20 and packet[at + 13] & (SYN | ACK) == SYN
    return is_tcp and ends == (address, server[0]) and ports == (port, server[1])


class _Connection:
    """Both ends of a TCP connection: what each has sent, in sequence numbers."""

    def __init__(self, conversation: Conversation) -> None:
        self.wire = _Wire(conversation)
        ipv6 = len(self.wire.sockets["client"][0]) == 16
        self._mss = 1440 if ipv6 else 1460  # what an Ethernet's 1,500 bytes leave (RFC 9293 3.7.1)
        # Initial sequence numbers differ between connections of the same sockets, and are the same in every export.
        seed = repr((conversation.client, conversation.server, conversation.started)).encode()
        self._next = {"client": crc32(b"client" + seed), "server": crc32(b"server" + seed)}
        self._real = conversation.syn if _is_syn(conversation.syn, self.wire) else b""
        if self._real:
            at = (self._real[0] & 15) * 4 if self._real[0] >> 4 == 4 else 40
            self._next["client"] = int.from_bytes(self._real[at + 4 : at + 8], "big")
        self._base = {side: number + 1 for side, number in self._next.items()}  # where the stream's offset 0 stands

    def _segment(
        self, side: Side, flags: int, payload: bytes = b"", *, options: bytes = b"", comments: Iterable[str] = ()
    ) -> Synthesized:
        sockets = self.wire.sockets[side], self.wire.sockets[other(side)]
        acknowledged = self._next[other(side)] if flags & ACK else 0
        window = 0 if flags & RST else 0xFFFF
        segment = tcp_segment(*sockets, self._next[side], acknowledged, flags, payload, window=window, options=options)
        self._next[side] += len(payload) + bool(flags & (SYN | FIN))  # each takes a number (RFC 9293 3.4)
        return self.wire.packet(side, TCP, segment, comments)

    def syn(self) -> Synthesized:
        self.wire.now -= 2 * _HANDSHAKE_STEP
        if self._real:
            self._next["client"] += 1
            return Synthesized(self.wire.now, self._real, (REAL_SYN,))
        return self._segment("client", SYN, options=self._syn_options())

    def _syn_options(self) -> bytes:
        return _SYN_OPTIONS.pack(2, 4, self._mss, 1, 3, 3, _WINDOW_SHIFT, 1, 1, 4, 2)

    def handshake(self) -> Iterator[Synthesized]:
        yield self.syn()
        self.wire.now += _HANDSHAKE_STEP
        yield self._segment("server", SYN | ACK, options=self._syn_options())
        self.wire.now += _HANDSHAKE_STEP
        yield self._segment("client", ACK)

    def write(self, piece: Piece) -> Iterator[Synthesized]:
        """The segments of one write, the last with PSH, and the other side's acknowledgements."""
        self.wire.advance(piece.time)
        side = piece.side
        missing = self._base[side] + piece.offset - self._next[side]
        comments = [*_gap(side, missing), *piece.comments]
        data = piece.data[max(-missing, 0) :]  # what was sent already is not sent again
        self._next[side] += max(missing, 0)
        if comments and not data:
            yield self._segment(side, ACK, comments=comments)
        for count, start in enumerate(range(0, len(data), self._mss), 1):
            last = start + self._mss >= len(data)
            yield self._segment(side, ACK | (PSH if last else 0), data[start : start + self._mss], comments=comments)
            comments = []
            if last or count % SEGMENTS_PER_ACK == 0:
                yield self._segment(other(side), ACK)

    def close(self, first: Side, *, reset: bool) -> Iterator[Synthesized]:
        """FIN and its acknowledgement from both sides, or one RST."""
        if reset:
            yield self._segment(first, RST | ACK)
            return
        for side in (first, other(first)):
            yield self._segment(side, FIN | ACK)
            yield self._segment(other(side), ACK)
