"""TCP connections and UDP flows of a capture: who opened them, what each side has said, and what is odd about it."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from captures import applications
from captures.messages import Message, Script, Side, Source, Talk
from captures.reassemble import Piece, Stream

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
HALF_WAY = 0x80000000
_TCP = Struct("!HHIIHH")
_FAST, _CLOSE = 20_000_000, 3_000_000
"""Nanoseconds: a retransmission this soon behind duplicate ACKs is a fast one; a segment this late is out of order."""


class Segment(NamedTuple):
    """A TCP segment's numbers; `at` and `end` are where its payload stands in the packet."""

    sequence: int
    acknowledgement: int
    flags: int
    window: int
    at: int
    end: int
    length: int  # of the payload on the wire, which a capture may have cut
    scale: int = -1  # what a SYN's window scale option says
    mss: int = 0


def segment(data: bytes, start: int, end: int, length: int) -> tuple[int, int, Segment] | None:
    """Ports and numbers of the segment that begins at `start`, None where that cannot be one."""
    if end - start < 20:
        return None
    source, destination, sequence, acknowledgement, bits, window = _TCP.unpack_from(data, start)
    header = (bits >> 12) * 4
    at = start + header
    if header < 20 or at > end:
        return None
    scale, mss = _options(data[start + 20 : at]) if bits & SYN and header > 20 else (-1, 0)
    return (
        source,
        destination,
        Segment(sequence, acknowledgement, bits & 0xFF, window, at, end, max(length - header, 0), scale, mss),
    )


def _options(options: bytes) -> tuple[int, int]:
    """Window scale and MSS of a SYN."""
    at, scale, mss = 0, -1, 0
    while at + 1 < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        kind, size = options[at], options[at + 1]
        if size < 2:
            break
        if kind == 3 and size == 3 and at + 2 < len(options):
            scale = min(options[at + 2], 14)
        elif kind == 2 and size == 4:
            mss = int.from_bytes(options[at + 2 : at + 4], "big")
        at += size
    return scale, mss


class Half:
    """One side of a TCP connection, as its segments show it. Sequence numbers are the raw ones."""

    __slots__ = (
        "acknowledged", "acknowledged_at", "advanced_at", "base", "bytes", "duplicates", "fin", "flags", "given", "mss",
        "next", "packets", "probe", "scale", "script", "sent", "source", "stream", "whole", "window",
    )  # fmt: skip

    def __init__(self, side: Side) -> None:
        self.base = -1  # what relative numbers are counted from
        self.next = -1  # behind the highest that was sent
        self.whole = -1  # behind what was sent without a gap
        self.advanced_at = 0
        self.acknowledged = -1
        self.acknowledged_at = 0
        self.window, self.scale, self.mss, self.duplicates, self.flags = -1, -1, 0, 0, 0
        self.probe = ""
        self.fin = False
        self.packets = self.bytes = 0
        self.sent: dict[int, int] = {}  # when the segment ending there went, for round-trip times
        self.stream, self.source = Stream(), Source(side)
        self.given = 0  # bytes of the stream that were given to the source, or are lost
        self.script: Script | None = None


class Given(NamedTuple):
    """Bytes of one side that are in order now: where they stand in its stream, and how many before them are lost."""

    side: Side
    offset: int
    data: bytes
    missing: int = 0


class Tcp(NamedTuple):
    """What a segment means in its connection; numbers relative to where each side began."""

    sequence: int
    acknowledgement: int
    window: int
    notes: tuple[str, ...]
    rtt: int = -1  # nanoseconds since what it acknowledges was sent


class Conversation:
    """One connection, or the datagrams between two sockets."""

    __slots__ = (
        "__weakref__", "client", "ends", "first", "given", "halves", "held", "index", "kind", "last", "notes",
        "opening", "rtt", "server", "talk",
    )  # fmt: skip

    def __init__(self, kind: str, index: int, client: tuple[bytes, int], server: tuple[bytes, int], time: int) -> None:
        self.kind, self.index, self.client, self.server = kind, index, client, server
        self.first = self.last = time
        self.halves = {"client": Half("client"), "server": Half("server")}
        self.talk = Talk((client[1], server[1]))
        self.opening = [-1, -1, -1]  # when SYN, SYN-ACK and the first ACK passed
        self.ends: set[str] = set()
        self.rtt = -1
        self.held = 0  # bytes, as whoever bounds them last counted
        self.given: list[Given] = []  # with the last segment
        self.notes: dict[str, int] = {}

    def add(self, side: Side, part: Segment, data: bytes, time: int) -> tuple[Tcp, int, list[Message], int]:
        """A segment; what it means, its payload's offset in the stream, the messages that it completes, bytes lost."""
        own, other = self.halves[side], self.halves["server" if side == "client" else "client"]
        self.last = time
        own.packets += 1
        own.bytes += part.length
        tcp = self._judge(own, other, part, time)
        payload = data[part.at : part.end] if part.length else b""
        offset, found, lost = self._read(side, own, other, part, payload)
        return tcp, offset, found, lost

    def hold(self) -> int:
        """Bytes that are kept because something before or behind them is missing; see `forget`."""
        return sum(half.stream.held + half.source.left for half in self.halves.values())

    def forget(self) -> None:
        """Let go of them; messages that were begun are lost."""
        for half in self.halves.values():
            half.stream.forget()
            self._begin_anew(half, 0)

    # -- numbers -------------------------------------------------------------------------------------------------

    def _judge(self, own: Half, other: Half, part: Segment, time: int) -> Tcp:
        flags, sequence = part.flags, part.sequence
        taken = part.length + bool(flags & SYN) + bool(flags & FIN)
        if flags & SYN:
            self._opened(own, other, part, time)
        if own.base < 0:
            own.base = sequence if flags & SYN else (sequence - 1) & 0xFFFFFFFF
        if other.base < 0 and flags & ACK:
            other.base = (part.acknowledgement - 1) & 0xFFFFFFFF
        notes = self._notes(own, other, part, taken, time)
        rtt = self._round_trip(own, other, part, time) if flags & ACK else -1
        self._advance(own, part, taken, time)
        for note in notes:
            self.notes[note] = self.notes.get(note, 0) + 1
        scaled = own.scale >= 0 and other.scale >= 0 and not flags & SYN  # RFC 7323 2.2: only if both offer
        return Tcp(
            (sequence - own.base) & 0xFFFFFFFF,
            (part.acknowledgement - other.base) & 0xFFFFFFFF if flags & ACK else 0,
            part.window << own.scale if scaled else part.window,
            notes,
            rtt,
        )

    def _opened(self, own: Half, other: Half, part: Segment, time: int) -> None:
        own.scale, own.mss = part.scale, part.mss
        if not part.flags & ACK and self.opening[0] < 0:
            self.opening[0] = time
        elif part.flags & ACK and self.opening[1] < 0:
            self.opening[1] = time

    def _round_trip(self, own: Half, other: Half, part: Segment, time: int) -> int:
        if self.opening[1] >= 0 and self.opening[2] < 0 and not part.flags & (SYN | RST):
            self.opening[2] = time
            if self.opening[0] >= 0:
                self.rtt = time - self.opening[0]
        sent = other.sent.pop(part.acknowledgement, -1)
        if sent < 0:
            return -1
        if other.sent:  # what ends before is acknowledged too
            for number in [n for n in other.sent if (part.acknowledgement - n) & 0xFFFFFFFF < HALF_WAY]:
                del other.sent[number]
        return time - sent

    def _advance(self, own: Half, part: Segment, taken: int, time: int) -> None:
        behind = (part.sequence + taken) & 0xFFFFFFFF
        if own.next < 0 or (behind - own.next) & 0xFFFFFFFF < HALF_WAY:
            if taken:
                own.advanced_at = time
                if len(own.sent) < 1024:
                    own.sent[behind] = time
            own.next = behind
        if own.whole in (-1, part.sequence):
            own.whole = own.next
        if part.flags & ACK:
            if part.acknowledgement != own.acknowledged:
                own.acknowledged_at = time
            own.acknowledged = part.acknowledgement
        own.window, own.flags = part.window, part.flags

    def _notes(self, own: Half, other: Half, part: Segment, taken: int, time: int) -> tuple[str, ...]:
        """What is odd, in the terms of Wireshark's tcp.analysis."""
        flags, sequence = part.flags, part.sequence
        plain = not flags & (SYN | FIN | RST)
        notes: list[str] = []
        if not part.window and plain:
            notes.append("zero_window")
        known = own.next >= 0
        ahead = (sequence - own.next) & 0xFFFFFFFF if known else 0
        if known and 0 < ahead < HALF_WAY and not flags & RST:
            notes.append("lost_segment")
        keep_alive = known and part.length <= 1 and ahead == 0xFFFFFFFF and plain
        if keep_alive:
            notes.append("keep_alive")
        probe, own.probe = other.probe, "keep_alive" if keep_alive else ""
        if part.length and plain and other.window >= 0:
            self._windows(own, other, part, notes)
        if not part.length and plain and known and not ahead and part.acknowledgement == own.acknowledged:
            self._repeated_ack(own, part, notes, probe)
        elif part.acknowledgement != own.acknowledged:
            own.duplicates = 0
        beyond = (part.acknowledgement - other.whole) & 0xFFFFFFFF
        fresh = part.acknowledgement != own.acknowledged
        if flags & ACK and fresh and other.whole >= 0 and 0 < beyond < HALF_WAY:
            notes.append("ack_lost_segment")
            other.whole = other.next  # once is enough
        if taken and not keep_alive and (repeated := self._repeated(own, other, part, taken, time, ahead)):
            notes.append(repeated)
        if flags & RST:
            notes.append("reset")
        return tuple(notes)

    def _windows(self, own: Half, other: Half, part: Segment, notes: list[str]) -> None:
        scale = max(other.scale, 0) if own.scale >= 0 and not other.flags & SYN else 0
        edge = (other.acknowledged + (other.window << scale)) & 0xFFFFFFFF
        if other.window == 0 and part.length == 1 and part.sequence == own.next:
            notes.append("zero_window_probe")
            own.probe = "zero_window_probe"
        elif (part.sequence + part.length) & 0xFFFFFFFF == edge and other.acknowledged >= 0:
            notes.append("window_full")

    def _repeated_ack(self, own: Half, part: Segment, notes: list[str], probe: str) -> None:
        if part.window != own.window:
            notes.append("window_update")
        elif probe == "keep_alive" and part.window:
            notes.append("keep_alive_ack")
        elif probe == "zero_window_probe" and not part.window:
            notes.append("zero_window_probe_ack")
        elif part.window and own.flags & ACK:
            own.duplicates += 1
            notes.append("duplicate_ack")

    def _repeated(self, own: Half, other: Half, part: Segment, taken: int, time: int, ahead: int) -> str:
        """What a segment is that was acknowledged already, or begins before what was sent already; empty for others."""
        behind = (part.sequence + taken) & 0xFFFFFFFF
        end = (part.sequence + part.length) & 0xFFFFFFFF
        if part.length and other.acknowledged >= 0 and (other.acknowledged - end) & 0xFFFFFFFF < HALF_WAY:
            return "spurious_retransmission"
        if ahead < HALF_WAY:
            return ""
        fast = other.duplicates >= 2 and other.acknowledged == part.sequence
        if fast and time - other.acknowledged_at < _FAST:
            return "fast_retransmission"
        late = self.rtt if self.rtt >= 0 else _CLOSE  # whoever is late by less than a round trip was not sent again
        if time - own.advanced_at < max(late, 1) and behind != own.next:
            return "out_of_order"
        return "retransmission"

    # -- bytes ---------------------------------------------------------------------------------------------------

    def _read(
        self, side: Side, own: Half, other: Half, part: Segment, payload: bytes
    ) -> tuple[int, list[Message], int]:
        """Give the payload to the stream, and what is in order then to the script of this side."""
        stream = own.stream
        if part.flags & SYN:
            stream.begin(part.sequence + 1)
        found: list[Message] = []
        self.given = []
        if own.source.coded or other.source.coded:
            own.source.coded, other.source.coded = [], []
        if part.flags & ACK and other.stream.expected(part.acknowledgement):
            self._give(other, other.stream.skip())  # the peer has it, so it was lost to the capture alone
            found += _taken(other.source)
        first = part.sequence if not part.flags & SYN else part.sequence + 1
        offset = stream.offset + (
            (first - stream.next + HALF_WAY & 0xFFFFFFFF) - HALF_WAY if stream.next is not None else 0
        )
        if payload or stream.next is None:
            self._give(own, stream.add(first & 0xFFFFFFFF, payload))
            if part.length > len(payload):  # the capture has cut it
                self._skip(own, part.length - len(payload))
        if part.flags & (FIN | RST):
            self._finish(own, side)
        return offset, found + _taken(own.source), sum(piece.missing for piece in self.given)

    def _skip(self, own: Half, missing: int) -> None:
        """Bytes that the capture did not keep."""
        stream = own.stream
        if stream.next is not None:
            stream.offset += missing
            stream.next = (stream.next + missing) & 0xFFFFFFFF
        self._give(own, [Piece(b"", missing)])

    def _give(self, half: Half, pieces: list[Piece]) -> None:
        """Bytes that are in order now, to the script of their side."""
        source = half.source
        for data, missing in pieces:
            if missing:
                self._begin_anew(half, missing)
            half.given += missing
            self.given.append(Given(source.side, half.given, data, missing))
            half.given += len(data)
            source.add(data)
            if half.script is None:
                half.script = applications.script(source, self.talk)
            next(half.script, None)

    def _begin_anew(self, half: Half, missing: int) -> None:
        """What was begun cannot be completed: behind the gap another message begins, if any."""
        source = half.source
        source.add(b"")
        source.start += len(source.buffer) + missing
        source.buffer.clear()
        source.at = source.scanned = 0
        half.script = None

    def _finish(self, half: Half, side: str) -> None:
        self.ends.add(side)
        half.fin = True
        half.source.ended = True
        if half.script is not None:
            next(half.script, None)


def _taken(source: Source) -> list[Message]:
    found, source.found = source.found, []
    return found
