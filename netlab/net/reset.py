"""Resetting: how a connection is made to end with RST instead of FIN."""

from __future__ import annotations

import socket
import struct
from typing import Any


def will_reset(end: Any) -> None:
    """From now on closing it, a transport or a socket, sends RST at once and discards what was not sent."""
    real = getattr(end, "raw", end)  # what stands before a transport while faults happen gives nobody its socket
    sock = real if isinstance(real, socket.socket) else real.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
