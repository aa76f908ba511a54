"""A load's results for people and for programs, and how far it has come."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from clients.load.expectation import Expectation
from clients.load.results import Results, Tally
from clients.load.schedule import Step
from netlab.histogram import Histogram
from netlab.text import counted, duration, size

SHARES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)
BARS = 20
"""Rows of the histogram, at most."""
WIDTH = 40
LATE = 0.005
"""Seconds by which a load may notice its own arrivals late before it says so."""


def report(title: str, steps: Sequence[Step], results: Results, expected: Sequence[Expectation]) -> str:
    """Everything, in lines."""
    whole = results.all
    lines = [title, "", *_counts(results, whole)]
    if whole.answers:
        lines += ["", "latency, from when each request was due to the end of its answer", *_percentiles(whole.latency)]
        lines += ["", *_histogram(whole.latency)]
    if len(steps) > 1:
        tallies = [results.step(number) for number in range(len(steps))]
        lines += ["", *_table("step", [str(step) for step in steps], tallies)]
    if len(results.tallies[0]) > 1:
        tallies = [results.request(number) for number in range(len(results.tallies[0]))]
        lines += ["", *_table("request", [tally.name for tally in tallies], tallies)]
    lines += _remarks(results)
    for expectation in expected:
        sign = "holds" if expectation.holds(results) else "FAILS"
        lines.append(f"{sign}  {expectation}  ({expectation.shown(results)})")
    return "\n".join(lines)


def _counts(results: Results, whole: Tally) -> Iterator[str]:
    seconds = results.seconds
    opened = results.connects
    yield f"asked     {whole.asked:,} in {seconds:.2f} s" + (
        f", {results.dropped:,} more never began: too many waited" if results.dropped else ""
    )
    yield f"answered  {whole.answers:,}, {whole.answers / seconds if seconds else 0:,.1f}/s, {size(whole.received)}" + (
        f", {size(int(whole.received / seconds))}/s" if seconds else ""
    )
    if opened.count:
        yield f"opened    {counted(opened.count, 'connection')}, {duration(opened.mean)} each"
    for status, count in sorted(whole.statuses.items()):
        yield f"  {status}     {count:,}"
    if whole.failures:
        yield f"failed    {whole.failed_in_all:,}"
        for why, count in sorted(whole.failures.items(), key=lambda item: -item[1]):
            yield f"  {count:,}  {why}"


def _percentiles(latency: Histogram) -> Iterator[str]:
    names = ["min", "mean", *(f"p{share * 100:g}" for share in SHARES), "max"]
    values = [latency.percentile(0.0), latency.mean, *map(latency.percentile, SHARES), latency.percentile(1.0)]
    yield "  ".join(f"{name:>8}" for name in names)
    yield "  ".join(f"{duration(value):>8}" for value in values)


def _histogram(latency: Histogram) -> Iterator[str]:
    """A row for each bound, in even steps of the logarithm; its bar is how many lay between it and the one before."""
    bounds = _bounds(latency)
    below, before = list(latency.below(bounds)), 0
    most = max(now - earlier for now, earlier in zip(below, [0, *below], strict=False))
    for bound, until in zip(bounds, below, strict=True):
        count, before = until - before, until
        bar = "█" * round(WIDTH * count / most) if most else ""
        yield f"{'≤ ' + duration(bound):>11}  {count:>9,}  {until / latency.count:>7.2%}  {bar}"


def _bounds(latency: Histogram) -> list[float]:
    low, high = latency.percentile(0.0), latency.percentile(1.0)
    rows = min(BARS, max(1, math.ceil(math.log2(high / low) * 2) + 1)) if high > low > 0 else 1
    if rows == 1:
        return [high]
    return [low * (high / low) ** (row / (rows - 1)) for row in range(rows - 1)] + [high]


def _table(head: str, names: Sequence[str], tallies: Sequence[Tally]) -> Iterator[str]:
    width = max(map(len, [head, *names]))
    yield f"{head:<{width}}  {'asked':>9}  {'errors':>7}  {'mean':>8}  {'p50':>8}  {'p99':>8}  {'max':>8}"
    for name, tally in zip(names, tallies, strict=True):
        values = (tally.latency.mean, *map(tally.latency.percentile, (0.5, 0.99, 1.0)))
        shown = "  ".join(f"{duration(value):>8}" for value in values)
        yield f"{name:<{width}}  {tally.asked:>9,}  {tally.errors:>7,}  {shown}"


def _remarks(results: Results) -> Iterator[str]:
    late = results.late
    if late.count and late.percentile(0.99) > LATE:
        yield ""
        yield (
            f"this load was itself behind: 1 % of the requests were noticed {duration(late.percentile(0.99))} or more "
            "after their time, and that is in the latencies; ask for less, or give it a core of its own"
        )


# -- for programs --------------------------------------------------------------------------------------------------


def as_json(target: str, steps: Sequence[Step], results: Results, expected: Sequence[Expectation]) -> dict[str, Any]:
    """Times are in seconds."""
    return {
        "target": target,
        "seconds": results.seconds,
        **_tally_json(results.all, results.seconds),
        "journeys": results.journeys,
        "dropped": results.dropped,
        "late": _latency_json(results.late),
        "connects": _latency_json(results.connects),
        "histogram": [list(pair) for pair in _cumulative(results.all.latency)],
        "steps": [
            {"step": str(step), **_tally_json(results.step(number), step.seconds)} for number, step in enumerate(steps)
        ],
        "requests": [
            {"request": results.request(number).name, **_tally_json(results.request(number), results.seconds)}
            for number in range(len(results.tallies[0]))
        ],
        "expectations": [
            {"expectation": str(one), "found": one.found(results), "holds": one.holds(results)} for one in expected
        ],
    }


def _tally_json(tally: Tally, seconds: float) -> dict[str, Any]:
    return {
        "asked": tally.asked,
        "answered": tally.answers,
        "errors": tally.errors,
        "rate": tally.answers / seconds if seconds else 0.0,
        "received": tally.received,
        "statuses": tally.statuses,
        "failures": tally.failures,
        "latency": _latency_json(tally.latency),
    }


def _latency_json(latency: Histogram) -> dict[str, float]:
    if not latency.count:
        return {}
    percentiles = {f"p{share * 100:g}": latency.percentile(share) for share in SHARES}
    return {
        "min": latency.percentile(0.0),
        "mean": latency.mean,
        **percentiles,
        "max": latency.percentile(1.0),
    }


def _cumulative(latency: Histogram) -> Iterator[tuple[float, int]]:
    """Bounds, and how many took at most so long."""
    if latency.count:
        bounds = _bounds(latency)
        yield from zip(bounds, latency.below(bounds), strict=True)


# -- under way -----------------------------------------------------------------------------------------------------


class Progress:
    """One line of a terminal that is written over and over; elsewhere nothing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.shown = sys.stderr.isatty()
        self._answers, self._at = 0, 0.0

    def show(self, results: Results, elapsed: float, open_now: int) -> None:
        if not self.shown:
            return
        answers = sum(tally.latency.count for step in results.tallies for tally in step)
        failed = sum(tally.failed_in_all for step in results.tallies for tally in step)
        rate = (answers - self._answers) / (elapsed - self._at) if elapsed > self._at else 0.0
        self._answers, self._at = answers, elapsed
        done = min(elapsed / self.seconds, 1.0)
        bar = "█" * round(done * 24)
        sys.stderr.write(
            f"\r\x1b[K{bar:░<24} {min(elapsed, self.seconds):.1f} of {self.seconds:g} s  {rate:,.0f}/s  "
            f"{answers:,} answered, {failed:,} failed  {open_now} connections"
        )
        sys.stderr.flush()

    def clear(self) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
