"""websocket_clauses.md names tests and cases that exist, and every rule of the corpus is broken somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from netlab.cores import websocket_reader, websocket_rules
from tests.cores.websocket_corpus import CASES

HERE = Path(__file__).parent
TABLE = HERE.joinpath("websocket_clauses.md").read_text()
ROWS = [line for line in TABLE.splitlines() if re.match(r"\| \d", line)]
NAMED = [name for row in ROWS for name in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])]
FILES = [
    *HERE.glob("test_websocket*.py"),
    *HERE.parent.glob("servers/websocket/test_*.py"),
    *HERE.parent.glob("clients/test_ws*.py"),
]
TESTS = {name for file in FILES for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)}


def test_what_is_named_exists() -> None:
    assert [name for name in NAMED if name not in TESTS | {case.name for case in CASES}] == []


def test_every_row_names_something() -> None:
    assert [row for row in ROWS if not re.search(r"`[^`]+` \|$", row)] == []


def test_every_rule_of_the_reader_is_broken_by_a_case() -> None:
    source = "".join(Path(module.__file__).read_text() for module in (websocket_reader, websocket_rules))
    rules = set(re.findall(r'"((?:mask|[a-z]+\.[a-z0-9]+))", "RFC', source))
    elsewhere = {"frame.long", "message.long"}  # limits are not in the corpus
    assert sorted(rules - elsewhere - {case.rule for case in CASES}) == []
