"""How long things took, counted in buckets of growing width: any percentile later, in a few hundred numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Histogram:
    """Seconds, kept as counts of microseconds. Each power of two has 2 to the power of `steps` buckets: with 4 of them
    a value is known to 6 %, with 7 to 0.8 %.
    """

    __slots__ = ("count", "counts", "steps", "total")

    def __init__(self, steps: int = 4) -> None:
        self.steps = steps
        self.counts: dict[int, int] = {}  # by bucket
        self.count, self.total = 0, 0.0

    def add(self, seconds: float) -> None:
        """Count one; what is below a microsecond is one."""
        micros, steps = int(seconds * 1e6), self.steps
        shift = micros.bit_length() - steps - 1
        bucket = (shift << steps) + (micros >> shift) if shift > 0 else max(micros, 1)
        counts = self.counts
        counts[bucket] = counts.get(bucket, 0) + 1
        self.count += 1
        self.total += seconds

    def merge(self, other: Histogram) -> None:
        """Count what the other has counted, in as many buckets."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.count += other.count
        self.total += other.total

    def since(self, earlier: Histogram) -> Histogram:
        """What was added after a copy was taken."""
        later = Histogram(self.steps)
        for bucket, count in self.counts.items():
            if more := count - earlier.counts.get(bucket, 0):
                later.counts[bucket] = more
        later.count, later.total = self.count - earlier.count, self.total - earlier.total
        return later

    def copy(self) -> Histogram:
        twin = Histogram(self.steps)
        twin.counts, twin.count, twin.total = dict(self.counts), self.count, self.total
        return twin

    def percentile(self, share: float) -> float:
        """The seconds that this share of all took at most, 0 without any."""
        wanted, seen = share * self.count, 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return self.upper_end(bucket)
        return 0.0

    def below(self, bounds: Iterable[float]) -> Iterator[int]:
        """How many took at most each of these seconds, which grow."""
        buckets, at, seen = sorted(self.counts), 0, 0
        for bound in bounds:
            while at < len(buckets) and self.upper_end(buckets[at]) <= bound * (1 + 1e-9):
                seen += self.counts[buckets[at]]
                at += 1
            yield seen

    def upper_end(self, bucket: int) -> float:
        """The seconds below which everything in this bucket lies."""
        shift = max((bucket >> self.steps) - 1, 0)
        return (bucket - (shift << self.steps) + 1 << shift) / 1e6

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def __repr__(self) -> str:
        return f"<Histogram {self.count}, median {self.percentile(0.5) * 1000:.3g} ms>"
