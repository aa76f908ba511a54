"""An upstream of the balancer as it is written in settings: an address, and what it may have to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from netlab.config import Address, Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Written `HOST:PORT`, and behind it, with blanks between, `weight=2`, `limit=100` (connections at once), `backup`
    (gets work only where no other can) and `name=NAME`.
    """

    address: Address
    name: str = ""
    weight: float = 1.0
    limit: int = 0
    backup: bool = False

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Target:
        """ValueError, beginning with "has" or "needs", says what is wrong."""
        first, *words = text.split()
        target = cls(address=Address.parse(first))
        if not target.address.port:
            raise ValueError("has port 0; an upstream is called on a port of 1 to 65535")
        for word in words:
            key, equals, value = word.partition("=")
            if word == "backup":
                target = replace(target, backup=True)
            elif equals and key in READERS:
                target = replace(target, **READERS[key](value))
            else:
                raise ValueError(f"has {word[:60]!r}, where one of {', '.join(READERS)} or backup may stand")
        return target

    def __str__(self) -> str:
        words = [f"weight={self.weight:g}"] * (self.weight != 1) + [f"limit={self.limit}"] * bool(self.limit)
        words += ["backup"] * self.backup + [f"name={self.name}"] * bool(self.name)
        return " ".join([str(self.address), *words])


def _weight(value: str) -> dict[str, Any]:
    weight = float(value)
    if not 0 <= weight <= 1e6:
        raise ValueError(f"has weight={value}; a weight is 0 (no work) to 1000000")
    return {"weight": weight}


def _limit(value: str) -> dict[str, Any]:
    if not value.isdecimal():
        raise ValueError(f"has limit={value}, which is not a number of connections")
    return {"limit": int(value)}


READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "weight": _weight,
    "limit": _limit,
    "name": lambda value: {"name": value},
}
Target.kind = Kind(
    parse=Target.parse,
    allowed="HOST:PORT, and behind it weight=N, limit=N, name=NAME or backup, such as '127.0.0.1:9101 weight=2'",
    metavar="HOST:PORT",
)
