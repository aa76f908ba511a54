"""clauses.md names plays and tests that exist, and every play stands in it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from tests.http.cache.test_plays import ACTS

HERE = Path(__file__).parent
ROWS = [
    line
    for line in HERE.joinpath("clauses.md").read_text().splitlines()
    if re.match(r"\| (5861 |9211 |9213 )?\d", line)
]
NAMED = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])}
PLAYS = {one.name for plays in ACTS.values() for one in plays}
ELSEWHERE = ("../../policy/http_cache", "../../servers/forward_proxy", "../../commands", "..")
TESTS = {
    name
    for folder in (".", *ELSEWHERE)
    for file in (HERE / folder).glob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
}


def test_what_is_named_exists() -> None:
    assert len(ROWS) > 70
    assert [name for name in sorted(NAMED) if name not in TESTS and not any(fnmatchcase(p, name) for p in PLAYS)] == []


def test_every_play_has_its_clause() -> None:
    assert [play for play in sorted(PLAYS) if not any(fnmatchcase(play, name) for name in NAMED)] == []


def test_every_row_names_something() -> None:
    assert [row for row in ROWS if not re.search(r"`[^`]+` \|$", row)] == []
