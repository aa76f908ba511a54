"""Tapes: the raw bytes of a connection as they passed, kept up to a bound for each and one for all of them together."""

from __future__ import annotations

import weakref
from typing import Literal, NamedTuple, Protocol

Side = Literal["client", "server", "netlab"]
"""Who did it: the side that opened the conversation, the side that was called, or a decision taken in between."""


class Chunk(NamedTuple):
    """Raw bytes as they passed: when, from which side, which bytes, and their offset in that side's stream."""

    time: float
    side: Side
    data: bytes
    offset: int


class Taker(Protocol):
    """Who is given bytes as they pass, as a tape is."""

    def write(self, now: float, side: Side, data: bytes) -> None: ...


class Tape:
    """The raw bytes of one connection, both directions, up to a bound; what is past it is counted, not kept."""

    __slots__ = ("__weakref__", "_budget", "chunks", "kept", "limit", "offsets", "truncated")

    def __init__(self, limit: int, budget: Budget | None = None) -> None:
        self.chunks: list[Chunk] = []
        self.offsets: dict[str, int] = {"client": 0, "server": 0}  # length of each side's stream so far
        self.kept, self.limit, self.truncated = 0, limit, False
        self._budget = budget
        if budget is not None:
            budget.register(self)

    def write(self, now: float, side: Side, data: bytes) -> None:
        offset = self.offsets[side]
        self.offsets[side] = offset + len(data)
        room = self.limit - self.kept
        if room < len(data):
            data, self.truncated = data[: max(room, 0)], True
        if data:
            self.chunks.append(Chunk(now, side, bytes(data), offset))
            self.kept += len(data)
            if self._budget is not None:
                self._budget.spend(len(data))

    def exchanged(self, now: float, request: bytes, answer: bytes) -> tuple[int, int]:
        """As two writes, one from each side; returns where they begin in that side's bytes."""
        begins = self.offsets["client"], self.offsets["server"]
        self.write(now, "client", request)
        self.write(now, "server", answer)
        return begins

    def clear(self) -> int:
        """Forget the bytes (the log needs the room); returns how many they were."""
        freed, self.kept, self.limit, self.truncated = self.kept, 0, 0, True
        self.chunks.clear()
        return freed

    def __del__(self) -> None:
        if self._budget is not None:
            self._budget.forget(self)

    def read(self, side: Side, start: int = 0, end: int | None = None) -> bytes:
        """The kept bytes of one side between two offsets of its stream."""
        stop = self.offsets[side] if end is None else end
        parts = [
            chunk.data[max(start - chunk.offset, 0) : stop - chunk.offset]
            for chunk in self.chunks
            if chunk.side == side and chunk.offset < stop and chunk.offset + len(chunk.data) > start
        ]
        return b"".join(parts)


class Budget:
    """The bound on raw bytes kept by all tapes together; when it is passed, the oldest tapes are emptied."""

    def __init__(self, total: int) -> None:
        self.total, self.kept, self.evicted = total, 0, 0
        self._tapes: dict[int, weakref.ref[Tape]] = {}

    def register(self, tape: Tape) -> None:
        self._tapes[id(tape)] = weakref.ref(tape)

    def spend(self, size: int) -> None:
        self.kept += size
        while self.kept > self.total and self._tapes:
            tape = self._tapes.pop(next(iter(self._tapes)))()
            if tape is not None:
                freed = tape.clear()
                self.kept -= freed
                self.evicted += freed

    def forget(self, tape: Tape) -> None:
        self._tapes.pop(id(tape), None)
        self.kept -= tape.kept
