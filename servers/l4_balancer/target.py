"""An upstream of the balancer as it is written in settings: HOST:PORT, or HOST:PORT*WEIGHT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.balancing.weighted import Weighted
from netlab.config import Address, Kind


@dataclass(frozen=True, slots=True)
class Target(Weighted[Address]):
    """Where connections are sent to, and how many of them beside the others."""

    kind: ClassVar[Kind]


def _called(text: str) -> Address:
    address = Address.parse(text)
    if not address.port:
        raise ValueError("has port 0; an upstream is called on a port of 1 to 65535")
    return address


Target.read = staticmethod(_called)
Target.kind = Kind(
    parse=Target.parse,
    allowed="HOST:PORT, and *3 behind it for a weight, such as 127.0.0.1:9101*3",
    metavar="HOST:PORT[*WEIGHT]",
)
