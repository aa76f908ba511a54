"""What faults do to the bytes of one direction: when each piece arrives, cut how, changed where, ended by what."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from netlab.policy.faults.rule import LONGEST, Fault
from netlab.policy.faults.table import Lot, Strike

GRAIN = 0.02
"""Seconds of a bandwidth that pass in one piece."""
LARGEST = 16 << 10
BLANK_LINE = b"\r\n\r\n"


class End(Enum):
    """How a direction ends."""

    CLOSED = "closed"  # by who writes to it
    CUT = "cut"  # by a fault, with FIN
    RESET = "reset"  # by a fault, with RST


class Piece(NamedTuple):
    """Bytes that arrive together, when, and whether the direction ends behind them."""

    due: float
    data: bytes
    end: End | None = None


Notice = Callable[[Strike, str, dict[str, Any]], None]
"""Told of each thing that a strike did: which, and its facts."""


class Source(Protocol):
    """Where pieces come from, in their order; None: there are no more yet."""

    def pull(self) -> Piece | None: ...


class Line:
    """One direction with what has struck it. Bytes are put in as they are written, and pulled as they arrive: lazily,
    so that a thousand slices take the room of their bytes.
    """

    def __init__(self, strikes: Sequence[Strike], notice: Notice) -> None:
        self._put: deque[Piece] = deque()
        source: Source = _Entrance(self._put)
        for strike in strikes:
            source = _Stage(source, strike, notice)
        self._last = source

    def put(self, now: float, data: bytes, end: End | None = None) -> None:
        self._put.append(Piece(now, data, end))

    def pull(self) -> Piece | None:
        return self._last.pull()


class _Entrance:
    """What was put in, as it is."""

    def __init__(self, put: deque[Piece]) -> None:
        self._put = put

    def pull(self) -> Piece | None:
        return self._put.popleft() if self._put else None


class _Stage:
    """One strike's work: pieces of its source, later, smaller, changed, or cut off."""

    def __init__(self, source: Source, strike: Strike, notice: Notice) -> None:
        self._source, self._strike, self._notice = source, strike, notice
        fault = self._fault = strike.fault
        self._due, self._data, self._at = 0.0, b"", 0  # what was pulled, and how much of it has been dealt with
        self._begins = 0  # where in it the fault begins
        self._left = fault.after  # bytes that pass before it does, from the head's end on where that counts
        self._head_tail: bytes | None = b"" if fault.after_head else None  # the head's last bytes; None behind it
        self._reached = self._over = False
        self._told: set[str] = set()
        self._last = -math.inf  # when the last piece arrives
        self._delay = 0.0
        self._stall = fault.stall
        self._delays = strike.lot("latency")
        self._corruption = _Corruption(fault.corrupt, strike.lot("corrupt")) if fault.corrupt else None

    def pull(self) -> Piece | None:
        while not self._over:
            if self._at < self._begins:
                return self._untouched()
            if self._reached and (self._fault.reset or self._fault.truncate):
                return self._cut()
            if self._at < len(self._data):
                return self._struck()
            piece = self._source.pull()
            if piece is None:
                return None
            if piece.end is not None:
                return self._ended(piece)
            self._load(piece)
        return None

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _load(self, piece: Piece) -> None:
        self._due, self._data, self._at = piece.due, piece.data, 0
        self._begins = self._find(piece.data)
        if self._reached and self._corruption is not None:
            self._corrupt(self._corruption)

    def _untouched(self) -> Piece:
        data = self._data[self._at : self._begins]
        self._at = self._begins
        self._last = max(self._last, self._due)
        return Piece(self._last, data)

    def _struck(self) -> Piece:
        fault, left = self._fault, len(self._data) - self._at
        size = min(left, fault.slice or left)
        if fault.bandwidth:
            size = min(size, max(1, min(LARGEST, int(fault.bandwidth * GRAIN))))
        if fault.slice and size < left:
            self._tell("slice", bytes=fault.slice, once=True)
        data = self._data[self._at : self._at + size]
        self._at += size
        return Piece(self._arrives(size), data)

    def _cut(self) -> Piece:
        self._over = True
        what = End.RESET if self._fault.reset else End.CUT
        due = self._arrives(0)
        self._tell("reset" if self._fault.reset else "truncate")
        return Piece(due, b"", what)

    def _ended(self, piece: Piece) -> Piece:
        """The writer's own end, behind everything; one by another fault is as quick as that makes it."""
        due = max(self._last, piece.due)
        if self._fault.slow_close and piece.end is End.CLOSED:
            due += self._fault.slow_close
            self._tell("slow-close", seconds=self._fault.slow_close)
        self._last = due
        return piece._replace(due=due)

    # -- where it begins -------------------------------------------------------------------------------------------

    def _find(self, data: bytes) -> int:
        """Where in these bytes the fault begins; behind them all, if it does not yet."""
        if self._reached:
            return 0
        start = 0
        if self._head_tail is not None:
            seen = self._head_tail + data
            found = seen.find(BLANK_LINE)
            if found < 0:
                self._head_tail = seen[-3:]
                return len(data)
            start, self._head_tail = found + len(BLANK_LINE) - len(self._head_tail), None
        begins = start + self._left
        self._reached = begins <= len(data)
        self._left = max(0, begins - len(data))
        return min(begins, len(data))

    # -- what happens ----------------------------------------------------------------------------------------------

    def _arrives(self, size: int) -> float:
        """When the next so many bytes do: never before those ahead of them."""
        fault, due = self._fault, self._due
        if fault.latency or fault.jitter:
            if due >= self._last:  # nothing is on its way: a delay of its own
                self._delay = delay(fault, self._delays)
                self._tell("latency", seconds=round(self._delay, 6))
            due += self._delay
        if self._stall:
            stall, self._stall = self._stall, 0.0
            due = max(due, self._last) + stall
            self._tell("stall", seconds=stall if math.isfinite(stall) else "for ever")
        if fault.gap:
            due = max(due, self._last + fault.gap)
        if fault.bandwidth and size:
            due = max(due, self._last) + size / fault.bandwidth
            self._tell("bandwidth", rate=fault.bandwidth, once=True)
        self._last = max(due, self._last)
        return self._last

    def _corrupt(self, corruption: _Corruption) -> None:
        changed = bytearray(self._data)
        offsets = corruption.change(changed, self._begins)
        if offsets:
            self._data = bytes(changed)
            self._tell("corrupt", offsets=offsets[:100], bytes=len(offsets))

    def _tell(self, effect: str, *, once: bool = False, **facts: Any) -> None:
        if not once or effect not in self._told:
            self._told.add(effect)
            self._notice(self._strike, effect, facts)


class _Corruption:
    """Which bytes of a stream are changed: by its offsets alone, however it is cut."""

    def __init__(self, share: float, lot: Lot) -> None:
        self._share, self._lot = share, lot
        self._offset = 0  # of the next bytes
        self._next = self._gap()

    def change(self, data: bytearray, begin: int) -> list[int]:
        """Change bytes from `begin` on; the offsets, in what the fault has seen, of those that are others now."""
        base = self._offset - begin
        self._offset += len(data) - begin
        changed = []
        while self._next < self._offset:
            data[self._next - base] ^= 1 + int(self._lot.random() * 255)
            changed.append(self._next)
            self._next += 1 + self._gap()
        return changed

    def _gap(self) -> int:
        """Bytes until the next one, geometrically distributed."""
        if self._share >= 1:
            return 0
        return int(min(math.log(1 - self._lot.random()) / math.log1p(-self._share), 1e15))


def delay(fault: Fault, lot: Lot) -> float:
    """Seconds of latency. The jitter is half the width (uniform), the deviation (normal), the mean of what is added
    (exponential), or its scale (pareto, shape 3: seldom, and then a lot).
    """
    chance = 1 - lot.random()  # above 0
    match fault.distribution:
        case "normal":
            spread = math.sqrt(-2 * math.log(chance)) * math.cos(2 * math.pi * lot.random())
        case "exponential":
            spread = -math.log(chance)
        case "pareto":
            spread = chance ** (-1 / 3) - 1
        case _:
            spread = 1 - 2 * chance
    return min(max(fault.latency + fault.jitter * spread, 0.0), LONGEST)
