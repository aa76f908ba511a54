"""What a flow tells of each packet, where it is recorded in full."""

from __future__ import annotations

from typing import Any

from netlab.cores.mqtt_packets import Connect, Packet
from netlab.cores.mqtt_session import Outgoing
from netlab.flow import Flow

MOST = 200
"""Bytes of a payload that an event shows."""


def note_received(flow: Flow, packet: Packet) -> None:
    fields = {name: _shown(value) for name, value in packet._asdict().items() if name not in HIDDEN}
    if isinstance(packet, Connect):
        fields["with_password"] = packet.password is not None
    flow.note(f"{type(packet).__name__.lower()}.received", "client", start=packet.start, end=packet.end, **fields)


HIDDEN = ("start", "end", "packet", "password")


def note_sent(flow: Flow, outgoing: Outgoing) -> None:
    message = outgoing.message
    flow.note(
        "publish.sent", "server", topic=message.topic, qos=outgoing.qos, packet_id=outgoing.packet_id,
        payload=_shown(message.payload), dup=bool(outgoing.first & 8),
    )  # fmt: skip


def _shown(value: Any) -> Any:
    """JSON has no bytes."""
    if isinstance(value, bytes):
        return value[:MOST].decode("utf-8", "backslashreplace")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _shown(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_shown(part) for part in value]
    if isinstance(value, dict):
        return {name: _shown(part) for name, part in value.items()}
    return value
