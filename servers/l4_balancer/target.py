"""An upstream of the balancer as it is written in settings: an address, and its share of the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.config import Address, Kind
from netlab.http.weighted import WEIGHT, parse_weight


@dataclass(frozen=True, slots=True)
class Target:
    """Written `HOST:PORT` or `HOST:PORT*WEIGHT`; with 0 it gets no new work."""

    target: Address
    weight: float = 1.0

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Target:
        """ValueError, beginning with "has" or "needs", says what is wrong."""
        where, star, weight = text.partition("*")
        if star and not WEIGHT.fullmatch(weight):
            raise ValueError(f"has the weight {weight[:20]!r}, which is no number such as 3 or 0.5")
        address = Address.parse(where)
        if not address.port:
            raise ValueError("has port 0; an upstream is called on a port of 1 to 65535")
        return cls(address, parse_weight(weight) if star else 1.0)

    def __str__(self) -> str:
        return f"{self.target}*{self.weight:g}" if self.weight != 1 else str(self.target)


Target.kind = Kind(
    parse=Target.parse,
    allowed="HOST:PORT, and *3 behind it for a weight, such as 127.0.0.1:9101*3",
    metavar="HOST:PORT[*WEIGHT]",
)
