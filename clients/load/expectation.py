"""What must hold of a load's results, as people write it: `p99<50ms`, `errors<1%`, `rate>900`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import gt, lt
from typing import ClassVar

from clients.load.results import Results
from netlab.config import Kind
from netlab.text import duration
from netlab.units import parse_duration

FORM = re.compile(r"(?:p([0-9]{1,2}(?:\.[0-9]+)?)|(max|mean|errors|rate))([<>])(.+)")


@dataclass(frozen=True, slots=True)
class Expectation:
    """A value, `<` or `>`, and a bound: `pN`, `max` and `mean` of the latency, `errors` as a share, `rate` of answers
    a second.
    """

    value: str
    sign: str
    bound: float
    text: str

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Expectation:
        match = FORM.fullmatch(text.replace(" ", ""))
        if match is None:
            raise ValueError
        value = f"p{match[1]}" if match[1] else match[2]
        return cls(value, match[3], _bound(value, match[4]), text)

    def holds(self, results: Results) -> bool:
        compare: Callable[[float, float], bool] = lt if self.sign == "<" else gt
        return compare(self.found(results), self.bound)

    def found(self, results: Results) -> float:
        tally = results.all
        match self.value:
            case "errors":
                return tally.errors / tally.asked if tally.asked else 0.0
            case "rate":
                return tally.answers / results.seconds if results.seconds else 0.0
            case "max":
                return tally.latency.percentile(1.0)
            case "mean":
                return tally.latency.mean
        return tally.latency.percentile(float(self.value[1:]) / 100)

    def shown(self, results: Results) -> str:
        found = self.found(results)
        match self.value:
            case "errors":
                return f"{found:.2%}"
            case "rate":
                return f"{found:,.1f}/s"
        return duration(found)

    def __str__(self) -> str:
        return self.text


def _bound(value: str, text: str) -> float:
    if value == "errors":
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    return float(text) if value == "rate" else parse_duration(text)


Expectation.kind = Kind(
    parse=Expectation.parse,
    allowed="pN, max or mean with a duration, errors with a share, rate with a number: 'p99<50ms', 'errors<1%'",
    metavar="VALUE<BOUND",
)
