"""Server-sent events (WHATWG HTML 9.2): the fields of a stream of them, and one event as bytes."""

from __future__ import annotations

import json
from typing import Any

EVENT_STREAM = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-store")]


def event(name: str, data: Any) -> bytes:
    """`data` as JSON, which is one line."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
