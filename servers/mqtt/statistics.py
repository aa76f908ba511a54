"""What the broker counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """Since the broker began; `started` is lab time."""

    started: float
    bytes_received: int = 0
    bytes_sent: int = 0
    packets_received: int = 0
    packets_sent: int = 0
    messages_received: int = 0  # PUBLISH
    messages_sent: int = 0
    dropped: int = 0
    expired: int = 0
    most_connected: int = 0
