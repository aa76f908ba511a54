"""smtp_clauses.md names tests that exist, and every row names one."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = [line for line in HERE.joinpath("smtp_clauses.md").read_text().splitlines() if re.match(r"\| (RFC )?\d", line)]
FILES = [*HERE.glob("test_smtp_*.py"), *(HERE.parent / "servers" / "smtp").glob("test_*.py")]
TESTS = {name for file in FILES for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)}


def test_every_row_names_a_test_that_exists() -> None:
    assert len(ROWS) > 30
    for row in ROWS:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert [name for name in named if name not in TESTS] == []
