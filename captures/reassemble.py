"""Bytes in order from what arrived out of order, twice, overlapping or not at all: TCP streams and IP fragments."""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

WAITING, SEGMENTS = 1 << 20, 4096
"""Bytes and segments of one stream that wait for what is missing before them; more, and it is taken for lost."""
PACKETS, PACKET_BYTES = 256, 4 << 20
"""IP packets whose fragments are waited for at once, and the bytes of all of them; the oldest are given up."""
LARGEST_PACKET = 65_535


class Piece(NamedTuple):
    """The next bytes of a stream, behind so many that were lost."""

    data: bytes
    missing: int = 0


class Stream:
    """One direction of a TCP connection; sequence numbers count modulo 2³² (RFC 9293 3.4).

    What overlaps counts once, and what came first counts: a later copy that says something else changes nothing.
    """

    __slots__ = ("_arrived", "_held", "_waiting", "next", "offset")

    def __init__(self) -> None:
        self.next: int | None = None  # the sequence number that is awaited
        self.offset = 0  # bytes given, and lost, so far
        self._waiting: list[tuple[int, int, bytes]] = []  # (distance from the stream's beginning, order of arrival, …)
        self._held = self._arrived = 0

    @property
    def held(self) -> int:
        """Bytes that wait for what is missing before them."""
        return self._held

    def forget(self) -> None:
        """Let go of what waits, as if it had been lost."""
        self._waiting.clear()
        self._held = 0

    def begin(self, sequence: int) -> None:
        """The first byte has this number."""
        if self.next is None:
            self.next = sequence & 0xFFFFFFFF

    def add(self, sequence: int, data: bytes) -> list[Piece]:
        """A segment's bytes; returns what can be given now."""
        if self.next is None:
            self.next = sequence
        ahead = (sequence - self.next) & 0xFFFFFFFF
        if not ahead and not self._waiting:  # the usual case
            self.next = (sequence + len(data)) & 0xFFFFFFFF
            self.offset += len(data)
            return [Piece(data)] if data else []
        if ahead >= 0x80000000:  # it begins before what is awaited
            behind = 0x100000000 - ahead
            if behind >= len(data):
                return []
            data, ahead = data[behind:], 0
        self._arrived += 1
        insort(self._waiting, (self.offset + ahead, self._arrived, data))
        self._held += len(data)
        pieces = self._give()
        while self._held > WAITING or len(self._waiting) > SEGMENTS:
            pieces += self.skip()
        return pieces

    def expected(self, sequence: int) -> bool:
        """Whether the peer acknowledges what never came by here: then it was lost to the capture only."""
        return bool(self._waiting) and self.next is not None and 0 < (sequence - self.next) & 0xFFFFFFFF < 0x80000000

    def skip(self) -> list[Piece]:
        """Take what is missing for lost; returns what stands behind it."""
        if not self._waiting:
            return []
        missing = self._waiting[0][0] - self.offset
        self._advance(missing)
        first, *rest = self._give()
        return [first._replace(missing=missing), *rest]

    def finish(self) -> list[Piece]:
        """All that still waits, gap by gap."""
        pieces: list[Piece] = []
        while self._waiting:
            pieces += self.skip()
        return pieces

    def _advance(self, size: int) -> None:
        assert self.next is not None
        self.offset += size
        self.next = (self.next + size) & 0xFFFFFFFF

    def _give(self) -> list[Piece]:
        pieces, used = [], 0
        for start, _, data in self._waiting:
            if start > self.offset:
                break
            used += 1
            self._held -= len(data)
            fresh = data[self.offset - start :]
            if fresh:
                pieces.append(Piece(fresh))
                self._advance(len(fresh))
        del self._waiting[:used]
        return pieces


class _Packet:
    """The fragments of one packet that have come."""

    __slots__ = ("length", "parts", "size")

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.size = 0
        self.length = -1  # not known before the last fragment has come


class Fragments:
    """IP packets from their fragments; one whose fragments overlap is dropped, as RFC 5722 demands of IPv6."""

    def __init__(self) -> None:
        self._packets: OrderedDict[Hashable, _Packet] = OrderedDict()
        self._held = 0

    def add(self, key: Hashable, offset: int, more: bool, data: bytes) -> bytes | None:
        """A fragment of the packet that `key` names, `offset` in bytes; returns the whole payload with its last one."""
        if offset + len(data) > LARGEST_PACKET or not data:
            return None
        packet = self._packets.setdefault(key, _Packet())
        if packet.parts.setdefault(offset, data) is not data:  # the same once more
            return None
        packet.size += len(data)
        self._held += len(data)
        if not more:
            packet.length = offset + len(data)
        if 0 <= packet.length <= packet.size:
            self._drop(key)
            return _joined(packet)
        while len(self._packets) > PACKETS or self._held > PACKET_BYTES:
            self._drop(next(iter(self._packets)))
        return None

    def _drop(self, key: Hashable) -> None:
        self._held -= self._packets.pop(key).size


def _joined(packet: _Packet) -> bytes | None:
    parts, at = [], 0
    for offset, data in sorted(packet.parts.items()):
        if offset != at:
            return None
        parts.append(data)
        at += len(data)
    return b"".join(parts)
