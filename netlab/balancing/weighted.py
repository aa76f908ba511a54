"""An upstream with its share of the work, as it is written: where it is, and *3 behind it for a weight."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

T = TypeVar("T")
WEIGHT = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T]):
    """Where work is sent to, and how much of it beside the others; with 0 none, but to sessions it has."""

    target: T
    weight: float = 1.0

    read: ClassVar[Callable[[str], Any]]
    """Reads what stands before the weight."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError, beginning with "has" or "needs", says what is wrong."""
        where, star, weight = text.partition("*")
        if star and not WEIGHT.fullmatch(weight):
            raise ValueError(f"has the weight {weight[:20]!r}, which is no number such as 3 or 0.5")
        return cls(cls.read(where), float(weight) if star else 1.0)

    def __str__(self) -> str:
        return f"{self.target}*{self.weight:g}" if self.weight != 1 else str(self.target)
