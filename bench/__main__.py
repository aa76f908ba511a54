"""Side-by-side measurements against the peers found on this machine.

    make bench                                    every row
    make bench BENCH="http.small http.fields"     these
    make bench BENCH="http --rounds 5 --json"     all that begin with http
    make bench BENCH=--markdown                   a table for README

The servers run on one core, one worker each, the load on another; cases take turns, medians of the rounds are shown.
Exit code 0 if every bar holds, 1 if one does not (or, with CI=true, if a peer is missing), 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import markdown, report
from bench.limits import raise_descriptor_limit
from bench.model import Row
from bench.rows import chosen
from bench.runner import Result, Settings, measure
from bench.stage import cores

TOOLS = {"taskset": "util-linux", "setpriv": "util-linux"}


@dataclass(frozen=True, kw_only=True)
class Form:
    """How results are printed: before the first row, for each as it comes, at the end."""

    heading: Callable[[Settings], str]
    each: Callable[[Result], str]
    end: Callable[[list[Result], Settings], str]


TABLES = Form(
    heading=report.heading,
    each=lambda result: report.table(result) + "\n",
    end=lambda results, settings: report.summary(results),
)
MARKDOWN = Form(heading=markdown.opening, each=markdown.line, end=lambda results, settings: markdown.END)
JSON = Form(
    heading=lambda settings: "",
    each=lambda result: "",
    end=lambda results, settings: json.dumps(report.as_json(results, settings), indent=1),
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = arguments_of(arguments)
    try:
        rows = chosen(options.rows)
    except LookupError as error:
        print(f"bench: {error.args[0]}", file=sys.stderr)
        return 2
    if options.list:
        print(report.listing(rows))
        return 0
    if unfit := unfit_machine():
        print(f"bench: {unfit}", file=sys.stderr)
        return 2
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _interrupt)
    raise_descriptor_limit()
    os.sched_setaffinity(0, {cores()[1]})
    settings = Settings(
        rounds=options.rounds,
        seconds=options.seconds,
        dry=options.dry_run,
        strict=os.environ.get("CI") == "true",
        progress=progress(),
    )
    try:
        return run(rows, settings, form=JSON if options.json else MARKDOWN if options.markdown else TABLES)
    except KeyboardInterrupt:
        settings.progress("")
        print("bench: stopped; every server it had started is ended", file=sys.stderr)
        return 130


def arguments_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a name, its first word, or a pattern; default: all")
    parser.add_argument("--rounds", type=_positive, default=3, help="how often each case is measured (default 3)")
    parser.add_argument("--seconds", type=_positive, default=4, help="length of one measurement (default 4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown, a line for each row")
    parser.add_argument("--list", action="store_true", help="print the rows and measure nothing")
    parser.add_argument("--dry-run", action="store_true", help="start and ask every server once, measure nothing")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def unfit_machine() -> str:
    if sys.platform != "linux":
        return "this bench pins processes and reads /proc; it needs Linux"
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            return f"{tool} is missing: install {package}"
    return ""


def run(rows: Sequence[Row], settings: Settings, *, form: Form) -> int:
    if cores()[0] == cores()[1]:
        print("bench: there is only one core: servers and load share it, and no ratio means much", file=sys.stderr)
    if heading := form.heading(settings):
        print(heading, flush=True)
    results = []
    for row in rows:
        result = measure(row, settings)
        settings.progress("")
        results.append(result)
        if told := form.each(result):
            print(told, flush=True)
    print(form.end(results, settings))
    return 1 if any(result.outcome == "failed" for result in results) else 0


def progress() -> Callable[[str], None]:
    """Writes over one line of a terminal; elsewhere it says nothing. Empty text clears the line."""
    if not sys.stderr.isatty():
        return lambda text: None

    def show(text: str) -> None:
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    return show


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
