"""How long an upstream's answers take: an average that forgets, and that believes bad news at once."""

from __future__ import annotations

from math import exp

UNKNOWN = 1e6
"""The cost in seconds of an upstream that has work and has not answered yet: it gets no more before it has."""


class Latency:
    """Peak EWMA, as Finagle has it: a slower answer counts at once, quicker ones by and by.

    cost    seconds, as of `at`; between answers it fades with the time constant `fade`, so that an upstream that was
            slow is tried again
    known   whether there was an answer at all
    """

    __slots__ = ("at", "cost", "fade", "known")

    def __init__(self, fade: float = 10.0) -> None:
        self.fade, self.cost, self.at, self.known = fade, 0.0, 0.0, False

    def observe(self, seconds: float, now: float) -> None:
        """An answer took so long."""
        if seconds > self.cost:
            self.cost = seconds
        else:
            kept = exp((self.at - now) / self.fade) if now > self.at else 1.0
            self.cost = self.cost * kept + seconds * (1 - kept)
        self.at, self.known = now, True

    def expected(self, active: int, now: float) -> float:
        """What one more request would cost: as many answers of this length as are under way, and itself."""
        if not self.known:
            return UNKNOWN * active
        faded = self.cost * exp((self.at - now) / self.fade) if now > self.at else self.cost
        return faded * (active + 1)

    def __repr__(self) -> str:
        return f"<Latency {self.cost * 1000:.2f} ms>" if self.known else "<Latency unknown>"
