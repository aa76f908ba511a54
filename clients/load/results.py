"""What a load brought: how many of what, and how long they took from when they were due."""

from __future__ import annotations

from dataclasses import dataclass, field

from netlab.histogram import Histogram

STEPS = 7
"""Latencies are known to 0.8 %."""


@dataclass(slots=True)
class Tally:
    """Of one step of the schedule, or of one request of the journey."""

    name: str
    asked: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)  # by what became of it instead of an answer
    received: int = 0  # bytes of content
    latency: Histogram = field(default_factory=lambda: Histogram(STEPS))

    def answered(self, status: str, seconds: float, size: int) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.received += size
        self.latency.add(seconds)

    def failed(self, why: str) -> None:
        self.failures[why] = self.failures.get(why, 0) + 1

    @property
    def answers(self) -> int:
        return self.latency.count

    @property
    def failed_in_all(self) -> int:
        return sum(self.failures.values())

    @property
    def errors(self) -> int:
        """Requests without an answer, and answers that say no."""
        return self.failed_in_all + sum(count for status, count in self.statuses.items() if status >= "4")

    def merge(self, other: Tally) -> None:
        self.asked += other.asked
        self.received += other.received
        self.latency.merge(other.latency)
        for mine, theirs in ((self.statuses, other.statuses), (self.failures, other.failures)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count


class Results:
    """A tally for each step and each request of the journey, and what says how far to believe them.

    late       how long after its time each journey was noticed: the load's own delay, which is in the latencies too
    dropped    journeys that never began, for too many were waiting already
    connects   how long each connection took to be opened, TLS included
    """

    def __init__(self, steps: int, requests: tuple[str, ...]) -> None:
        self.tallies = [[Tally(name) for name in requests] for _ in range(steps)]
        self.late, self.connects = Histogram(STEPS), Histogram(STEPS)
        self.journeys = self.dropped = 0
        self.seconds = 0.0  # from the first arrival due to the last answer

    def step(self, number: int) -> Tally:
        return total(f"step {number + 1}", self.tallies[number])

    def request(self, number: int) -> Tally:
        return total(self.tallies[0][number].name, [step[number] for step in self.tallies])

    @property
    def all(self) -> Tally:
        return total("all", [tally for step in self.tallies for tally in step])


def total(name: str, tallies: list[Tally]) -> Tally:
    found = Tally(name)
    for tally in tallies:
        found.merge(tally)
    return found
