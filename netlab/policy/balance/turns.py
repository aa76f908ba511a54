"""Balancers that decide without chance: in turn, smoothly by weight, by the least work, or the first there is."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add, attrgetter
from typing import Generic

from netlab.policy.balance.contract import C, Decision


class RoundRobin(Generic[C]):
    """Each in its turn, whatever its weight; when some leave or come, the round goes on behind who was last."""

    __slots__ = ("_at", "_known")

    def __init__(self) -> None:
        self._known: tuple[C, ...] = ()
        self._at = -1

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        at = self._at + 1 if candidates is self._known else self._resume(candidates)
        if at >= len(candidates):
            at = 0
        self._at = at
        if decision is not None:
            decision.rule = "turns until it is this one's again; the least wins"
            decision.scores = {c.name: float((i - at) % len(candidates)) for i, c in enumerate(candidates)}
        return candidates[at]

    def _resume(self, candidates: tuple[C, ...]) -> int:
        """Where the next in the old round stands among the new candidates."""
        known, at = self._known, self._at
        self._known = candidates
        still = set(candidates)
        following = next((c for c in (*known[at + 1 :], *known[: at + 1]) if c in still), candidates[0])
        return candidates.index(following)

    def arrange(self, members: Sequence[C]) -> None:
        """Turns need no preparation."""


class WeightedRoundRobin(Generic[C]):
    """Smooth, as nginx does it: with every pick each gains its weight, the richest is picked and pays all weights.

    With weights 5, 1, 1 the round is a a b a c a a: in every round each has its share, spread as evenly as it goes.
    """

    __slots__ = ("_credits", "_known", "_total", "_weights")

    def __init__(self) -> None:
        self._known: tuple[C, ...] = ()
        self._weights: list[float] = []
        self._credits: list[float] = []
        self._total = 0.0

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        if candidates is not self._known:
            self._meet(candidates)
        riches = self._credits = list(map(add, self._credits, self._weights))
        richest = riches.index(max(riches))
        if decision is not None:
            decision.rule = "credit, which grows by the weight with every pick; the most wins, and pays all weights"
            decision.scores = {c.name: credit for c, credit in zip(candidates, riches, strict=True)}
        riches[richest] -= self._total
        return candidates[richest]

    def _meet(self, candidates: tuple[C, ...]) -> None:
        """Others, or other weights. Who was there keeps its credit, as far as the new weights can give or take it."""
        before = dict(zip(self._known, self._credits, strict=True))
        self._known, self._weights = candidates, [c.weight for c in candidates]
        most = self._total = sum(self._weights)
        self._credits = [max(-most, min(before.get(c, 0.0), most)) for c in candidates]

    def arrange(self, members: Sequence[C]) -> None:
        """All that counts is told by the candidates."""


class LeastConnections(Generic[C]):
    """The least work for its weight, one more included; those that are even have their turns."""

    __slots__ = ("_at", "_even", "_known")

    def __init__(self) -> None:
        self._known: tuple[C, ...] = ()
        self._even = True  # all weights are the same
        self._at = -1

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        if candidates is not self._known:
            self._known, self._even = candidates, len({c.weight for c in candidates}) == 1
        loads: list[float]
        if self._even and decision is None:
            loads = list(map(ACTIVE, candidates))  # in the same order as below, in half the time
        else:
            loads = [(c.active + 1) / c.weight for c in candidates]
        least = min(loads)
        try:
            at = loads.index(least, self._at + 1)
        except ValueError:
            at = loads.index(least)
        self._at = at
        if decision is not None:
            decision.rule = "(active + 1) / weight; the least wins, the even have their turns"
            decision.scores = {c.name: load for c, load in zip(candidates, loads, strict=True)}
        return candidates[at]

    def arrange(self, members: Sequence[C]) -> None:
        """What counts is counted elsewhere."""


ACTIVE = attrgetter("active")


class First(Generic[C]):
    """The first that is there: the others are for when it is not."""

    __slots__ = ()

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C:
        if decision is not None:
            decision.rule = "place in the order given; the first wins"
            decision.scores = {c.name: float(place) for place, c in enumerate(candidates, 1)}
        return candidates[0]

    def arrange(self, members: Sequence[C]) -> None:
        """The order is that of the candidates."""
