"""Outlier ejection: an upstream whose answers are worse than they may be, or than the others', rests for a while."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlierRules:
    """What makes an outlier, and how long it rests. A 0 turns its criterion off.

    errors    errors in a row that eject
    rate      share of errors in one `window` that ejects
    latency   mean latency in one window that ejects, as a multiple of the median of all
    enough    answers in a window below which neither rate nor latency is judged
    window    seconds
    pause     seconds of rest, times how often it was ejected lately, up to `longest`
    most      share of a group that may rest at the same time; of two or more one always may, of one none
    """

    errors: int = 0
    rate: float = 0.0
    latency: float = 0.0
    enough: int = 20
    window: float = 10.0
    pause: float = 10.0
    longest: float = 300.0
    most: float = 0.5

    @property
    def wanted(self) -> bool:
        return bool(self.errors or self.rate or self.latency)


class Record:
    """What one upstream did lately, and until when it rests."""

    __slots__ = ("answers", "errors", "in_a_row", "name", "seconds", "times", "total", "until", "why")

    def __init__(self, name: str) -> None:
        self.name = name
        self.in_a_row = 0  # errors
        self.answers = self.errors = 0  # in this window
        self.seconds = 0.0  # all answers' latencies of this window together
        self.until, self.why = 0.0, ""
        self.times = 0  # it was ejected, less the windows in which it behaved since
        self.total = 0  # ejections ever

    def resting(self, now: float) -> bool:
        return now < self.until

    def __repr__(self) -> str:
        return f"<Record {self.name} {self.errors} errors of {self.answers}, ejected {self.total} times>"


class Outliers:
    """Those of one group."""

    __slots__ = ("_window_ends", "records", "rules")

    def __init__(self, rules: OutlierRules) -> None:
        self.rules = rules
        self.records: list[Record] = []
        self._window_ends = 0.0

    def record(self, record: Record, ok: bool, seconds: float, now: float) -> list[Record]:
        """An answer, or that there was none; the result are those that are ejected for it."""
        ejected = self._judge_window(now) if now >= self._window_ends else []
        record.answers += 1
        record.seconds += seconds
        if ok:
            record.in_a_row = 0
            return ejected
        record.errors += 1
        record.in_a_row += 1
        in_a_row = record.in_a_row
        if 0 < self.rules.errors <= in_a_row and self._eject(record, f"{in_a_row} errors in a row", now):
            ejected.append(record)
        return ejected

    def _judge_window(self, now: float) -> list[Record]:
        """Hold all upstreams against each other, and begin anew."""
        rules, fresh = self.rules, not self._window_ends
        self._window_ends = now + rules.window
        judged = [record for record in self.records if record.answers >= rules.enough and not record.resting(now)]
        usual = median(record.seconds / record.answers for record in judged) if judged else 0.0
        ejected = [] if fresh else [record for record in judged if self._stands_out(record, usual, now)]
        for record in self.records:
            if record not in ejected and record.times and not record.resting(now):
                record.times -= 1
            record.answers = record.errors = 0
            record.seconds = 0.0
        return ejected

    def _stands_out(self, record: Record, usual: float, now: float) -> bool:
        rules, share, mean = self.rules, record.errors / record.answers, record.seconds / record.answers
        if rules.rate and share >= rules.rate:
            return self._eject(record, f"{share:.0%} of its answers were errors", now)
        if rules.latency and usual and mean > rules.latency * usual:
            return self._eject(record, f"it took {mean / usual:.1f} times as long as is usual here", now)
        return False

    def _eject(self, record: Record, why: str, now: float) -> bool:
        """Send it to rest, unless as many rest already as may."""
        rules, resting = self.rules, sum(other.resting(now) for other in self.records)
        if record.resting(now) or resting >= most_resting(len(self.records), rules.most):
            return False
        record.times += 1
        record.total += 1
        record.until = now + min(rules.pause * record.times, rules.longest)
        record.why, record.in_a_row = why, 0
        return True


def most_resting(count: int, share: float) -> int:
    """How many of so many may rest at once."""
    return max(int(count * share), 1) if count > 1 else 0
