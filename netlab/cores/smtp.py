"""SMTP (RFC 5321): the server's and the client's side of one connection, without I/O.

A server core gives a command at a time and waits for its answer; a client core sends commands and gives their replies.
"""

from __future__ import annotations

from netlab.cores import smtp_replies as replies
from netlab.cores.smtp_client import ClientCore, ClientState, Replied
from netlab.cores.smtp_events import (
    Auth,
    AuthResponse,
    Chunk,
    Closed,
    Command,
    Data,
    Hello,
    Mail,
    Message,
    Quit,
    Rcpt,
    StartTls,
)
from netlab.cores.smtp_express import ExpressCore
from netlab.cores.smtp_replies import SECTIONS, Reply
from netlab.cores.smtp_server import Event, ServerCore, State
from netlab.cores.smtp_session import ServerSettings

__all__ = [
    "SECTIONS",
    "Auth",
    "AuthResponse",
    "Chunk",
    "ClientCore",
    "ClientState",
    "Closed",
    "Command",
    "Data",
    "Event",
    "ExpressCore",
    "Hello",
    "Mail",
    "Message",
    "Quit",
    "Rcpt",
    "Replied",
    "Reply",
    "ServerCore",
    "ServerSettings",
    "StartTls",
    "State",
    "replies",
]
