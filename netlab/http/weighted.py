"""An upstream that speaks HTTP with its share of the work, as it is written: URL, or URL*WEIGHT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.balancing.weighted import Weighted
from netlab.config.values import Kind
from netlab.http.target import Target


@dataclass(frozen=True, slots=True)
class WeightedTarget(Weighted[Target]):
    """Where requests are sent to, and how many of them beside the others."""

    kind: ClassVar[Kind]


WeightedTarget.read = staticmethod(Target.parse)
WeightedTarget.kind = Kind(
    parse=WeightedTarget.parse,
    allowed="a URL such as http://127.0.0.1:9101, or HOST:PORT, and *3 behind it for a weight",
    metavar="URL[*WEIGHT]",
)
