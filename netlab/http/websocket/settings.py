"""What can be set for the WebSockets of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from netlab.cores.websocket import Limits
from netlab.cores.websocket_handshake import Terms

Slow = Literal["pause", "drop", "close"]
"""What becomes of someone who does not read what everyone is sent: who sends waits, they miss messages, they go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebSocketSettings:
    """Timeouts in seconds, sizes in bytes; a timeout of 0 is never."""

    terms: Terms = field(default_factory=Terms)
    limits: Limits = field(default_factory=Limits)
    ping_interval: float = 20.0  # between pings of ours
    ping_timeout: float = 20.0  # without a byte from the peer after one
    close_timeout: float = 10.0  # for the peer's close frame, after ours
    message_timeout: float = 60.0  # for a message that has begun, and a second more for every `minimum_rate` bytes
    minimum_rate: int = 500
    queue: int = 1 << 20  # bytes that wait for a peer that does not read, where others go on
    slow: Slow = "drop"
    kept: int = 64 << 10  # of each message kept with a flow recorded in full
