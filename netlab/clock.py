"""The lab's clock: what expires by it can be frozen, jumped and told again.

Three kinds of time are kept apart in netlab. This clock is for what a protocol lets expire (TTLs, caches, tokens,
message and session expiry). The event loop's monotonic time is for I/O deadlines. The system's own time is for what
outsiders check (certificates, the Date field).
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Whoever needs lab time asks for one of these; `now()` is seconds since the epoch, UTC."""

    def now(self) -> float: ...


class SystemClock:
    """The system's time, as it goes."""

    now = staticmethod(time.time)  # asked for every request: no call of ours around it

    def __repr__(self) -> str:
        return "<SystemClock>"


class LabClock:
    """A clock that follows the system until someone freezes, jumps or hurries it."""

    def __init__(self, source: Clock | None = None) -> None:
        self._source = source or SystemClock()
        self._origin = self._anchor = self._source.now()
        self._rate = 1.0

    def now(self) -> float:
        return self._anchor + (self._source.now() - self._origin) * self._rate

    def freeze(self, at: float | None = None) -> None:
        """Stop, at this moment or at the one given (seconds since the epoch)."""
        self._set(self.now() if at is None else at, 0.0)

    def run(self, rate: float = 1.0) -> None:
        """Go on from where the clock stands, `rate` lab seconds to the second."""
        if rate < 0:
            raise ValueError(f"a clock's rate is 0 or more, not {rate}")
        self._set(self.now(), rate)

    def jump(self, seconds: float) -> None:
        """Move forward (or, negative, back) by so many seconds; frozen stays frozen."""
        self._set(self.now() + seconds, self._rate)

    @property
    def frozen(self) -> bool:
        return self._rate == 0.0

    def _set(self, anchor: float, rate: float) -> None:
        self._origin, self._anchor, self._rate = self._source.now(), anchor, rate

    def __repr__(self) -> str:
        state = "frozen" if self.frozen else f"rate {self._rate:g}"
        return f"<LabClock {self.now():.3f} {state}>"
