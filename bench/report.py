"""Results for people and for programs: tables with verdicts, or JSON."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from typing import Any

from bench.model import Row, Values
from bench.runner import Result, Settings
from bench.stage import cores

Column = tuple[str, Callable[[float], str]]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _share(value: float) -> str:
    return f"{value:.0%}"


def _milliseconds(value: float) -> str:
    return f"{value:.2f} ms"


COLUMNS: dict[str, Column] = {
    "rate": ("{unit}/s", _number),
    "cpu": ("server CPU", _share),
    "cost": ("CPU each", lambda value: f"{value:,.1f} µs"),
    "core": ("its core", _share),
    "load_cpu": ("load CPU", _share),
    "load_core": ("its core", _share),
    "upstream_cpu": ("upstream CPU", _share),
    "p50": ("p50", _milliseconds),
    "p99": ("p99", _milliseconds),
    "answered": ("answered", lambda value: f"{value:.2f} %"),
    "lost": ("lost", lambda value: f"{value:.0f}"),
    "growth": ("grew by", lambda value: f"{value:.1f} MB"),
    "memory": ("memory", lambda value: f"{value:.1f} MB"),
    "idle": ("without them", lambda value: f"{value:.1f} MB"),
    "each": ("for each", lambda value: f"{value:.2f} kB"),
}
"""How a value is shown: its heading and its form. Memory is proportional set size, growth that of resident memory."""

SIGNS = {True: "pass", False: "FAIL", None: "    "}
BUSY = 0.95
NOISE = 0.05


def listing(rows: Iterable[Row]) -> str:
    """What rows there are, and what is asked of them."""
    lines = []
    for row in rows:
        lines.append(f"{row.name}: {row.about}")
        lines += [f"    {claim.bar}" for claim in row.claims if claim.bar]
    return "\n".join(lines)


def heading(settings: Settings) -> str:
    server, load = cores()
    length = (
        f"{settings.rounds} rounds of {settings.seconds} s" if settings.rounds > 1 else f"one of {settings.seconds} s"
    )
    return f"servers on core {server}, one worker each; load on core {load}; medians of {length}\n"


def summary(results: Iterable[Result]) -> str:
    """One line: which rows passed, were only shown, skipped, failed."""
    named: dict[str, list[str]] = {}
    for result in results:
        named.setdefault(result.outcome, []).append(result.row.name)
    return "; ".join(f"{outcome}: {', '.join(names)}" for outcome, names in named.items())


def table(result: Result) -> str:
    """One row: its cases, what is claimed about them, and what stood in the way."""
    row, medians = result.row, result.medians
    lines = [f"{row.name}: {row.about}"]
    if result.versions:
        lines.append(f"  {', '.join(result.versions)}")
    if medians:
        lines += _aligned(_cells(row, medians))
    elif not result.missing and not result.trouble:
        lines.append("  every case of it can be measured")
    for case, what in result.missing.items():
        lines.append(f"  {'FAIL' if result.strict else 'skip'}  {case}: {what} is missing")
    for case, what in result.trouble.items():
        lines.append(f"  FAIL  {case}: {what}")
    if medians:
        for verdict in result.verdicts:
            sign = "miss" if verdict.holds is False and not verdict.binding else SIGNS[verdict.holds]
            lines.append(f"  {sign}  {verdict.text}")
        lines += _noise(medians)
    return "\n".join(lines)


def _cells(row: Row, medians: dict[str, Values]) -> list[list[str]]:
    columns = [name for name in row.columns if any(name in values for values in medians.values())]
    head = ["", *(COLUMNS[name][0].format(unit=row.unit) for name in columns), ""]
    cells = [head]
    for case, values in medians.items():
        shown = [COLUMNS[name][1](values[name]) if name in values else "" for name in columns]
        cells.append([case, *shown, _bottleneck(values)])
    return cells


def _bottleneck(values: Values) -> str:
    bound = values["load_core"] >= BUSY and values["core"] < BUSY
    return "(the load was the limit)" if bound else ""


def _aligned(cells: list[list[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return [
        "  "
        + "  ".join(
            _pad(cell, width, left=not column) for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]


def _pad(cell: str, width: int, *, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)


def _noise(medians: dict[str, Values]) -> list[str]:
    """A word on what else ran: shares of a core that were neither the server's nor the load's."""
    worst = {key: max(values[key] for values in medians.values()) for key in ("others", "load_others")}
    if max(worst.values()) < NOISE:
        return []
    shares = f"{worst['others']:.0%} of the servers' core and {worst['load_others']:.0%} of the load's"
    return [f"  note: others took up to {shares}; on a quiet machine the figures move"]


def as_json(results: list[Result], settings: Settings) -> dict[str, Any]:
    """Everything measured: shares of a core as fractions, costs in µs, times in ms, memory in MB."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rounds": settings.rounds,
        "seconds": settings.seconds,
        "rows": [_row_as_json(result) for result in results],
    }


def _row_as_json(result: Result) -> dict[str, Any]:
    return {
        "name": result.row.name,
        "about": result.row.about,
        "unit": result.row.unit,
        "outcome": result.outcome,
        "versions": result.versions,
        "medians": {case: dict(values) for case, values in result.medians.items()},
        "rounds": result.rounds,
        "missing": result.missing,
        "trouble": result.trouble,
        "claims": [
            {"text": verdict.text, "value": verdict.value, "holds": verdict.holds, "binding": verdict.binding}
            for verdict in result.verdicts
        ],
    }
