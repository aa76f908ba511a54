"""Results as a table in Markdown, for README: a line for each row, with the machine and the date they are of."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, date, datetime
from pathlib import Path

from bench.model import Row, Values, Verdict
from bench.report import COLUMNS
from bench.runner import Result, Settings

BEGIN, END = "<!-- made by `make bench` -->", "<!-- until here -->"
SIGNS = {True: "✓", False: "✗", None: ""}
PROCESSORS = Path("/proc/cpuinfo")


def opening(settings: Settings, today: date | None = None) -> str:
    """Everything before the first row: when, on what, how long."""
    made = (today or datetime.now(tz=UTC).date()).isoformat()
    length = f"medians of {settings.rounds} × {settings.seconds} s" if settings.rounds > 1 else f"{settings.seconds} s"
    about = f"{made}, {machine()}; each server on one core, the load on another; {length}, cases in turn."
    return "\n".join([BEGIN, about, "", "| row | what | measured | ratio (bar) |", "|---|---|---|---|"])


def machine() -> str:
    """What it runs on, in general terms."""
    model = re.search(r"^model name\s*: (.+)$", PROCESSORS.read_text(encoding="utf-8"), re.MULTILINE)
    processor = model[1].strip() if model else platform.machine()
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    return f"{os.cpu_count()} cores of {processor}, {system}, Python {platform.python_version()}"


def line(result: Result) -> str:
    """One row: what was asked of it, and the first value of each case that this is about."""
    row, medians = result.row, result.medians
    asked = [claim for claim in row.claims if claim.bar] or row.claims
    named = {name for claim in asked for name in claim.names()} or set(medians)
    cases = [f"{case} {_first(row, values)}" for case, values in medians.items() if case in named]
    troubles = [f"{case}: {what}" for case, what in {**result.missing, **result.trouble}.items()]
    claims = [_claim(claim.judge(medians, result.rounds)) for claim in asked] if medians else []
    cells = (f"`{row.name}`", row.about, "<br>".join([*cases, *troubles]), "<br>".join(claims))
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _first(row: Row, values: Values) -> str:
    name = next(name for name in row.columns if name in values)
    heading, form = COLUMNS[name]
    return f"{form(values[name])} {row.unit}/s" if name == "rate" else f"{heading} {form(values[name])}"


def _claim(verdict: Verdict) -> str:
    """Without the rounds that it came from; a miss that fails nothing has no sign."""
    text = verdict.text.partition("  [")[0].replace("  ", " ")
    sign = "" if verdict.holds is False and not verdict.binding else SIGNS[verdict.holds]
    return f"{text} {sign}".rstrip()
