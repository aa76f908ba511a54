"""When requests are due: an open model, whose arrivals do not wait for answers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from netlab.config import Kind
from netlab.units import parse_duration, write_duration

NUMBER = r"[0-9]+(?:\.[0-9]+)?"


@dataclass(frozen=True, slots=True)
class Step:
    """So many arrivals a second for so long; from one rate to another where they differ.

    Written `RATE:DURATION` or `RATE-RATE:DURATION`.
    """

    rate: float
    last: float  # the rate at its end
    seconds: float

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Step:
        match = re.fullmatch(rf"({NUMBER})(?:-({NUMBER}))?:(.+)", text)
        if match is None:
            raise ValueError
        rate, last, seconds = float(match[1]), float(match[2] or match[1]), parse_duration(match[3])
        if not seconds or not max(rate, last):
            raise ValueError
        return cls(rate, last, seconds)

    @property
    def count(self) -> float:
        """How many arrivals it has, on average."""
        return (self.rate + self.last) / 2 * self.seconds

    def __str__(self) -> str:
        rates = f"{self.rate:g}" if self.rate == self.last else f"{self.rate:g}-{self.last:g}"
        return f"{rates}:{write_duration(self.seconds)}"


Step.kind = Kind(
    parse=Step.parse,
    allowed="RATE:DURATION, such as 100:10s, or RATE-RATE:DURATION, such as 100-1000:30s",
    metavar="RATE:DURATION",
)


class Arrival(NamedTuple):
    """When a journey is due, in seconds from the beginning, and in which step."""

    at: float
    step: int


def arrivals(steps: Sequence[Step], random: Callable[[], float] | None = None) -> Iterator[Arrival]:
    """All arrivals in their order: evenly spaced, or, with a source of random numbers (0 or more, less than 1), a
    Poisson process, as of many clients who do not know of each other.
    """
    begin = 0.0
    for number, step in enumerate(steps):
        total = step.count
        due = 0.0  # arrivals that are due; the n-th is when the rate's integral comes to n
        while True:
            due += 1.0 if random is None else -math.log(1.0 - random())
            if due > total + 1e-9:
                break
            yield Arrival(begin + reached(step, min(due - 1.0 if random is None else due, total)), number)
        begin += step.seconds


def reached(step: Step, count: float) -> float:
    """Seconds into a step when so many arrivals are due: where the integral of its rate comes to that."""
    slope = (step.last - step.rate) / step.seconds
    if not slope:
        return count / step.rate
    return (math.sqrt(max(step.rate * step.rate + 2 * slope * count, 0.0)) - step.rate) / slope
