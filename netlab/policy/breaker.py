"""The circuit breaker of an upstream: closed while it answers, open when it fails, half-open to try."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    CLOSED = "closed"  # requests pass
    OPEN = "open"  # none does, until the pause is over
    HALF_OPEN = "half-open"  # a few do, to see


CLOSED, OPEN, HALF_OPEN = State  # a look-up in an Enum costs as much as a small function in Python 3.11


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerRules:
    """When a breaker trips and how it comes back.

    failures    failures in a row that open it
    rate        or this share of failures among the last `window` outcomes, once there are that many; 0: never
    pause       seconds it stays open; doubled at each trial that fails, up to `longest`
    trials      requests let through at the same time while half-open, and successes in a row that close it
    """

    failures: int = 5
    rate: float = 0.5
    window: int = 20
    pause: float = 5.0
    longest: float = 60.0
    trials: int = 1


class Breaker:
    """One upstream's. Every `allow` that said yes is followed by one `record` or one `forget`.

    clean   its whole window was good: to record one more success would change nothing
    """

    __slots__ = ("_history", "_in_a_row", "_opened", "_pause", "_running", "_successes", "clean", "rules", "state")

    def __init__(self, rules: BreakerRules | None = None) -> None:
        self.rules = rules or BreakerRules()
        self.state, self.clean = CLOSED, False
        self._in_a_row = 0  # failures
        self._history: deque[bool] = deque(maxlen=self.rules.window)  # the last outcomes; True is a failure
        self._opened, self._pause = 0.0, self.rules.pause
        self._running = self._successes = 0  # of trials

    def allow(self, now: float) -> bool:
        """Whether a request may go to this upstream now."""
        if self.state is CLOSED:
            return True
        if self.state is OPEN:
            if now < self._opened + self._pause:
                return False
            self.state, self._running, self._successes = HALF_OPEN, 0, 0
        if self._running >= self.rules.trials:
            return False
        self._running += 1
        return True

    def record(self, ok: bool, now: float = 0.0) -> None:
        """How a request that was allowed ended; of a success it does not matter when."""
        if self.state is CLOSED:
            history = self._history
            history.append(not ok)
            if ok:
                self._in_a_row = 0
                self.clean = len(history) == history.maxlen and not any(history)
            else:
                self.clean = False
                self._failed(now)
        elif self.state is HALF_OPEN:
            self._record_trial(ok, now)

    def forget(self) -> None:
        """A request that was allowed ended in a way that says nothing of the upstream (its client left)."""
        if self.state is HALF_OPEN and self._running:
            self._running -= 1

    def _failed(self, now: float) -> None:
        rules, history = self.rules, self._history
        self._in_a_row += 1
        too_many = rules.rate > 0 and len(history) >= rules.window and sum(history) / len(history) >= rules.rate
        if self._in_a_row >= rules.failures or too_many:
            self._open(now, rules.pause)

    def _record_trial(self, ok: bool, now: float) -> None:
        self._running = max(self._running - 1, 0)
        if not ok:
            self._open(now, min(self._pause * 2, self.rules.longest))
            return
        self._successes += 1
        if self._successes >= self.rules.trials:
            self.state, self._in_a_row, self._pause = CLOSED, 0, self.rules.pause
            self._history.clear()

    def _open(self, now: float, pause: float) -> None:
        self.state, self._opened, self._pause = OPEN, now, pause

    def retry_after(self, now: float) -> float:
        """Seconds until it lets something through; 0 if it does."""
        return max(self._opened + self._pause - now, 0.0) if self.state is OPEN else 0.0

    def __repr__(self) -> str:
        return f"<Breaker {self.state.value}, {self._in_a_row} failures in a row>"
