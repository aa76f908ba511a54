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
    others_sent: int = 0  # packets that are not PUBLISH
    messages_received: int = 0  # PUBLISH
    messages_sent: int = 0  # likewise, those that wait among them
    payload_received: int = 0  # bytes
    payload_sent: int = 0
    dropped: int = 0
    expired: int = 0
    most_connected: int = 0
    sockets: int = 0
    connections: int = 0  # of them, those that have said CONNECT
    sessions_expired: int = 0

    @property
    def packets_sent(self) -> int:
        return self.messages_sent + self.others_sent
