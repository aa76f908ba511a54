"""Flows as JSON lines: one flow a line, in the form of docs/contracts.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from netlab.text import counted


def write_jsonl(records: Iterable[Mapping[str, Any]], out: BinaryIO) -> str:
    """Writes each record as it comes, only one is held; says how many they were."""
    count = 0
    for record in records:
        out.write(json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n")
        count += 1
    return counted(count, "flow")
