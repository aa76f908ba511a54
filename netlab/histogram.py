"""How long things took, counted in buckets a sixteenth wide: any percentile later, in a few hundred numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

STEPS = 4
"""Each power of two has 2 to the power of this many buckets: a value is known to 6 %."""


class Histogram:
    """Seconds, kept as counts of microseconds."""

    __slots__ = ("count", "counts", "total")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}  # by bucket
        self.count, self.total = 0, 0.0

    def add(self, seconds: float) -> None:
        """Count one; what is below a microsecond is one."""
        micros = int(seconds * 1e6)
        shift = micros.bit_length() - STEPS - 1
        bucket = (shift << STEPS) + (micros >> shift) if shift > 0 else max(micros, 1)
        counts = self.counts
        counts[bucket] = counts.get(bucket, 0) + 1
        self.count += 1
        self.total += seconds

    def merge(self, other: Histogram) -> None:
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.count += other.count
        self.total += other.total

    def since(self, earlier: Histogram) -> Histogram:
        """What was added after a copy was taken."""
        later = Histogram()
        for bucket, count in self.counts.items():
            if more := count - earlier.counts.get(bucket, 0):
                later.counts[bucket] = more
        later.count, later.total = self.count - earlier.count, self.total - earlier.total
        return later

    def copy(self) -> Histogram:
        twin = Histogram()
        twin.counts, twin.count, twin.total = dict(self.counts), self.count, self.total
        return twin

    def percentile(self, share: float) -> float:
        """The seconds that this share of all took at most, 0 without any."""
        wanted, seen = share * self.count, 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return upper_end(bucket)
        return 0.0

    def below(self, bounds: Iterable[float]) -> Iterator[int]:
        """How many took at most each of these seconds, which grow."""
        buckets, at, seen = sorted(self.counts), 0, 0
        for bound in bounds:
            while at < len(buckets) and upper_end(buckets[at]) <= bound * (1 + 1e-9):
                seen += self.counts[buckets[at]]
                at += 1
            yield seen

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def __repr__(self) -> str:
        return f"<Histogram {self.count}, median {self.percentile(0.5) * 1000:.3g} ms>"


def upper_end(bucket: int) -> float:
    """The seconds below which everything in this bucket lies."""
    shift = max((bucket >> STEPS) - 1, 0)
    return (bucket - (shift << STEPS) + 1 << shift) / 1e6
