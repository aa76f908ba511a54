"""Which upstream gets the next request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Balancer(Protocol):
    """One verb: the index of one of these candidates, of which there is at least one."""

    def pick(self, candidates: Sequence[int]) -> int: ...


class RoundRobin:
    """Each in its turn; who is missing among the candidates is passed over without shifting the others."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = -1

    def pick(self, candidates: Sequence[int]) -> int:
        later = [index for index in candidates if index > self._last]
        self._last = min(later) if later else min(candidates)
        return self._last


class First:
    """The first that is there: the others are for when it is not."""

    __slots__ = ()

    def pick(self, candidates: Sequence[int]) -> int:
        return min(candidates)


BALANCERS = {"round_robin": RoundRobin, "first": First}
