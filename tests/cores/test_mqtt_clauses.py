"""The table of clauses names tests and rules that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cores.test_mqtt_packets import CONNECTS, VIOLATIONS

HERE = Path(__file__).parent


def test_every_reference_exists() -> None:
    sources = [*HERE.glob("test_mqtt_*.py"), *(HERE.parent / "servers" / "mqtt").glob("test_*.py")]
    known = {name for path in sources for name in re.findall(r"(?:def )?(test_\w+)(?:\(| =)", path.read_text())}
    known |= set(VIOLATIONS) | set(CONNECTS)
    known |= {name.partition(" ")[0] for name in known}
    text = (HERE / "mqtt_clauses.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| MQTT-")]
    assert len(rows) > 100
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert not named - known
    for row in rows:
        assert "`" in row, row
