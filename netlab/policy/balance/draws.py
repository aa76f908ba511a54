"""Balancers that draw: one by weight, or two by weight and then the better of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic

from netlab.policy.balance.contract import C, Decision


class _Drawing(Generic[C]):
    """Draws by weight: each has a stretch of a line as long as its weight."""

    __slots__ = ("_ends", "_known", "_last", "_random", "_total")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._known: tuple[C, ...] = ()
        self._ends: list[float] = []  # of the stretches
        self._last, self._total = 0, 0.0

    def _meet(self, candidates: tuple[C, ...]) -> None:
        self._known = candidates
        self._ends = list(accumulate(c.weight for c in candidates))
        self._last, self._total = len(candidates) - 1, self._ends[-1]

    def _draw(self) -> int:
        return bisect_right(self._ends, self._random() * self._total, 0, self._last)

    def _draw_two(self, candidates: tuple[C, ...]) -> tuple[C, C]:
        """Two different ones, the second by weight among the rest: the line without the first one's stretch."""
        if candidates is not self._known:
            self._meet(candidates)
        ends, last, random = self._ends, self._last, self._random
        if last == 1:  # there is nothing to draw but who stands first
            return candidates[first := random() < 0.5], candidates[not first]
        one = bisect_right(ends, random() * self._total, 0, last)
        begin = ends[one - 1] if one else 0.0
        length = ends[one] - begin
        point = random() * (self._total - length)
        other = bisect_right(ends, point + length if point >= begin else point, 0, last)
        return candidates[one], candidates[other if other != one else one - 1]  # rounding may lead to the first again

    def arrange(self, members: Sequence[C]) -> None:
        """All that counts is told by the candidates."""


class Random(_Drawing[C]):
    """Any, each as likely as its weight says."""

    __slots__ = ()

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        if candidates is not self._known:
            self._meet(candidates)
        if decision is not None:
            decision.rule = "how likely it was: its share of all weights"
            decision.scores = {c.name: c.weight / self._total for c in candidates}
        return candidates[self._draw()]


class PowerOfTwoChoices(_Drawing[C]):
    """Two are drawn by weight; the one with less work for its weight wins. Nearly as even as looking at all of them
    (Mitzenmacher 1996), and many balancers that do not know of each other do not all run to the same one.
    """

    __slots__ = ()

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        if len(candidates) == 1:
            return candidates[0]
        one, other = self._draw_two(candidates)
        loads = (one.active + 1) / one.weight, (other.active + 1) / other.weight
        if decision is not None:
            decision.rule = "two drawn; (active + 1) / weight, the less wins"
            decision.scores = {one.name: loads[0], other.name: loads[1]}
        return one if loads[0] <= loads[1] else other  # which of them was drawn first is chance already


class PeakEwma(_Drawing[C]):
    """Two are drawn by weight; the one whose answer is expected sooner wins: latency × (requests under way + 1).

    A newcomer is given one request, and more when it has answered that.
    """

    __slots__ = ()

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        if len(candidates) == 1:
            return candidates[0]
        one, other = self._draw_two(candidates)
        costs = one.latency.expected(one.active, now), other.latency.expected(other.active, now)
        if decision is not None:
            decision.rule = "two drawn; peak EWMA of the latency × (active + 1), in seconds, the less wins"
            decision.scores = {one.name: costs[0], other.name: costs[1]}
        return one if costs[0] <= costs[1] else other
