"""Flows as JSON lines: one flow a line, in the form of docs/contracts.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO


def write_jsonl(records: Iterable[Mapping[str, Any]], out: BinaryIO) -> None:
    """Writes each record as it comes; only one is held."""
    out.writelines(json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n" for record in records)
