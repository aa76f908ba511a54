"""SMTP sink: a mailbox for everything your software sends, with the conversation that brought each message."""

from __future__ import annotations

from servers.smtp.config import Config
from servers.smtp.server import Server

__all__ = ["EXAMPLES", "IN_THE_LAB", "TRY", "WORKERS", "Config", "Server"]

TRY = "netlab mail send ada@shop.test --subject hello"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve smtp", "a mailbox for whatever is sent to 127.0.0.1:1025"),
    ("netlab serve smtp --tls --starttls", "the same over TLS, on 1465 and by STARTTLS"),
    ("netlab serve smtp --user ada:secret --mailboxes user", "only ada may send, into a mailbox of her own"),
    ("netlab serve smtp --store none --strict", "keep nothing, and refuse what strict servers refuse"),
)
WORKERS = False

IN_THE_LAB = {"tls": True, "store": "state"}
"""What `netlab up` sets unless a file says otherwise."""
