"""How long things took, counted in buckets of growing width: any percentile later, in a few hundred numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import exp2, log2

AT_ONCE = 512
"""Values that wait to be counted: together that costs a quarter of what it does one by one."""
LEAST = 1e-6
"""What took no time at all took a microsecond."""


class Histogram:
    """Seconds, kept as counts. Each power of two has 2 to the power of `steps` buckets: with 4 of them a value is known
    to 4 %, with 7 to 0.5 %.
    """

    __slots__ = ("_counts", "_total", "_waiting", "count", "steps")

    def __init__(self, steps: int = 4) -> None:
        self.steps = steps
        self.count = 0
        self._counts: Counter[int] = Counter()
        self._total = 0.0
        self._waiting: list[float] = []  # not counted in yet

    def add(self, seconds: float) -> None:
        self.count += 1
        waiting = self._waiting
        waiting.append(seconds)
        if len(waiting) >= AT_ONCE:
            self._count_in()

    def _count_in(self) -> None:
        scale, waiting = 1 << self.steps, self._waiting
        self._counts.update([int((log2(seconds or LEAST) + LOWEST) * scale) for seconds in waiting])
        self._total += sum(waiting)
        waiting.clear()

    @property
    def counts(self) -> Mapping[int, int]:
        """How many are in each bucket; the buckets' numbers grow with the seconds."""
        self._count_in()
        return self._counts

    @property
    def total(self) -> float:
        """All seconds together."""
        self._count_in()
        return self._total

    def merge(self, other: Histogram) -> None:
        """Count what the other has counted, in as many buckets."""
        self._counts.update(other.counts)
        self.count += other.count
        self._total += other.total

    def since(self, earlier: Histogram) -> Histogram:
        """What was added after a copy was taken."""
        later = Histogram(self.steps)
        later._counts = Counter(self.counts) - Counter(earlier.counts)
        later.count, later._total = self.count - earlier.count, self.total - earlier.total
        return later

    def copy(self) -> Histogram:
        twin = Histogram(self.steps)
        twin.merge(self)
        return twin

    def percentile(self, share: float) -> float:
        """The seconds that this share of all took at most, 0 without any."""
        counts, wanted, seen = self.counts, share * self.count, 0
        for bucket in sorted(counts):
            seen += counts[bucket]
            if seen >= wanted:
                return self.upper_end(bucket)
        return 0.0

    def below(self, bounds: Iterable[float]) -> Iterator[int]:
        """How many took at most each of these seconds, which grow."""
        counts = self.counts
        buckets, at, seen = sorted(counts), 0, 0
        for bound in bounds:
            while at < len(buckets) and self.upper_end(buckets[at]) <= bound * (1 + 1e-9):
                seen += counts[buckets[at]]
                at += 1
            yield seen

    def upper_end(self, bucket: int) -> float:
        """The seconds below which everything in this bucket lies."""
        return exp2((bucket + 1) / (1 << self.steps) - LOWEST)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def __repr__(self) -> str:
        return f"<Histogram {self.count}, median {self.percentile(0.5) * 1000:.3g} ms>"


LOWEST = 40
"""Two to the minus this: the seconds at which buckets begin to be counted from 0."""
