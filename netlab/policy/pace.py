"""How long to wait so that bytes pass at no more than a rate; time is passed in, in seconds."""

from __future__ import annotations


class Pace:
    """`rate` bytes a second on average. Never says no: it says how far ahead of its time a sender is."""

    __slots__ = ("_due", "rate")

    def __init__(self, rate: int) -> None:
        if rate <= 0:
            raise ValueError(f"a rate is above 0, not {rate}")
        self.rate = rate
        self._due = 0.0  # when what has passed would have passed at the rate

    def spend(self, now: float, size: int) -> float:
        """So many bytes have passed: seconds to wait before more do; time in which nothing passed is not saved up."""
        self._due = max(self._due, now) + size / self.rate
        return self._due - now
