"""WebSocket server: an echo, peers that follow a script, chat rooms; every frame visible."""

from __future__ import annotations

from servers.websocket.config import Config
from servers.websocket.server import Server

__all__ = ["EXAMPLES", "TRY", "Config", "Server"]

TRY = "netlab ws ws://{host}:{port}/"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve websocket", "an echo on ws://127.0.0.1:8765/, and a page to try it on http://127.0.0.1:8765/"),
    ("netlab ws ws://127.0.0.1:8765/chat/tea", "talk to who else is in that room"),
    ("netlab ws --verbose ws://127.0.0.1:8765/fragment/3", "see every frame of a message that comes in three"),
    ("netlab serve websocket --tls", "wss:// too, on a port of its own, with a certificate of the local CA"),
    ("netlab serve websocket --origin https://app.shop.test --subprotocol chat", "only for pages of that origin"),
    ("netlab serve websocket --no-compression --max-message 64KiB", "without permessage-deflate, and small"),
)
