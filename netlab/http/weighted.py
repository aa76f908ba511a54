"""An upstream with its share of the work, as it is written: URL, or URL*WEIGHT."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from netlab.config_values import Kind
from netlab.http.target import Target

WEIGHT = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class WeightedTarget:
    """Where requests are sent to, and how many of them beside the others; with 0 none, but to sessions it has."""

    target: Target
    weight: float = 1.0

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> WeightedTarget:
        url, star, weight = text.partition("*")
        if star and not WEIGHT.fullmatch(weight):
            raise ValueError(f"has the weight {weight[:20]!r}, which is no number such as 3 or 0.5")
        return cls(Target.parse(url), parse_weight(weight) if star else 1.0)

    def __str__(self) -> str:
        return f"{self.target}*{self.weight:g}" if self.weight != 1 else str(self.target)


def parse_weight(text: str) -> float:
    """0 to a million."""
    if not WEIGHT.fullmatch(text) or float(text) > 1e6:
        raise ValueError
    return float(text)


WeightedTarget.kind = Kind(
    parse=WeightedTarget.parse,
    allowed="a URL such as http://127.0.0.1:9101, or HOST:PORT, and *3 behind it for a weight",
    metavar="URL[*WEIGHT]",
)
