"""The mask of WebSocket payloads (RFC 6455 5.3): in C where websockets comes with it, else by one big number."""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which there is no compiled part
    from websockets.utils import apply_mask

__all__ = ["apply_mask"]
