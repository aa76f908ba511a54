"""clauses.md names tests and rules that exist, and every rule of the corpus stands in it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cores.http1_corpus import REQUESTS, RESPONSES

HERE = Path(__file__).parent
NAMED = [
    name
    for line in HERE.joinpath("clauses.md").read_text().splitlines()
    if line.startswith("|")
    for name in re.findall(r"`([^`]+)`", line.rsplit("|", 2)[1])
]
TESTS = {
    name
    for file in [*HERE.glob("test_http1_*.py"), HERE / "test_fields.py"]
    for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
}
RULES = {case.rule for case in [*REQUESTS, *RESPONSES]} - {None}
ELSEWHERE = {"upgrade.early"}
"""Rules that a single answer cannot break."""


def test_what_is_named_exists() -> None:
    assert NAMED
    assert [name for name in NAMED if name not in TESTS | RULES | ELSEWHERE] == []


def test_every_rule_has_its_clause() -> None:
    explained_elsewhere = {"request_line.tls"}  # no clause: a kindness
    assert sorted(RULES - set(NAMED) - explained_elsewhere) == []


def test_every_row_names_something() -> None:
    rows = [line for line in HERE.joinpath("clauses.md").read_text().splitlines() if re.match(r"\| \d", line)]
    assert [row for row in rows if not re.search(r"`[^`]+` \|$", row)] == []
