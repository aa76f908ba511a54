"""What a flow tells of each packet, where it is recorded in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlab.cores.mqtt import Event
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow
from netlab.tape import Side

MOST = 200
"""Bytes of a payload that an event shows."""


def note(flow: Flow, side: Side, event: Event) -> None:
    """`publish.received`, `puback.sent`; the bytes of the packet are found by its span."""
    if isinstance(event, RemoteProtocolError):
        return
    fields = {name: _shown(value) for name, value in event._asdict().items() if name not in HIDDEN}
    done = "received" if side == "client" else "sent"
    flow.note(f"{type(event).__name__.lower()}.{done}", side, start=event.start, end=event.end, **fields)


HIDDEN = ("start", "end", "packet", "password")


def _shown(value: Any) -> Any:
    """JSON has no bytes."""
    if isinstance(value, bytes):
        return value[:MOST].decode("utf-8", "backslashreplace")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _shown(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_shown(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _shown(part) for name, part in value.items()}
    return value
