"""Speak WebSocket: send and show messages, and every frame they travel in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from netlab.config import Duration, Flag, Size, positional

if TYPE_CHECKING:
    from clients.ws.connection import WebSocket
    from clients.ws.handshake import connect

__all__ = ["EXAMPLES", "Config", "WebSocket", "connect", "run"]

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

EXAMPLES = (
    ("netlab ws ws://127.0.0.1:8765/", "type lines, see what comes back; Ctrl-D closes"),
    ("netlab ws -v --text hello ws://127.0.0.1:8765/fragment/3", "one message, and every frame of its answer"),
    ("seq 100 | netlab ws ws://127.0.0.1:8765/upper", "each line of a pipe is a message"),
    ("netlab ws --ping 5 ws://127.0.0.1:8765/", "five pings, and how long their answers took"),
    ("netlab ws --binary 00ff10 --json ws://127.0.0.1:8765/", "bytes in hexadecimal; everything as JSON lines"),
    ("netlab ws --reconnect ws://127.0.0.1:8765/ticker", "listen, and come back when the server does"),
    ("netlab ws --proxy http://127.0.0.1:3128 ws://127.0.0.1:8765/", "through a proxy, by CONNECT"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    url: Annotated[str, positional]
    """Where to connect: ws:// or wss://; without a scheme it is ws."""
    text: Annotated[tuple[str, ...], Flag("-t", "--text")] = ()
    """A text message to send; standard input is left alone then."""
    binary: Annotated[tuple[str, ...], Flag("-b", "--binary")] = ()
    """A binary message to send, in hexadecimal or as @FILE; standard input is left alone then."""
    ping: int = 0
    """Send so many pings, one a second, and say how long each answer took; standard input is left alone then."""
    count: Annotated[int, Flag("-n", "--count")] = 0
    """Close after so many messages have come; 0: when nothing comes any more."""
    wait: Duration = 1.0
    """How long to listen once all is sent and nothing comes; on a terminal it is for ever."""
    subprotocol: Annotated[tuple[str, ...], Flag("-s", "--subprotocol")] = ()
    """A subprotocol to offer, the favourite first."""
    field: Annotated[tuple[str, ...], Flag("-H", "--field", "--header")] = ()
    """A field "Name: value" to send with the handshake, such as "Origin: https://app.shop.test"."""
    compression: bool = True
    """Offer permessage-deflate."""
    proxy: Annotated[str, Flag("-x", "--proxy")] = ""
    """The HTTP proxy to go through by CONNECT, such as http://127.0.0.1:3128."""
    reconnect: bool = False
    """Connect again, later and later, when the connection is lost or the server goes away."""
    cacert: Path | None = None
    """The only authorities to trust, in PEM; by default the system's and the lab's own."""
    insecure: Annotated[bool, Flag("-k", "--insecure")] = False
    """Take any certificate."""
    max_message: Size = 16 << 20
    """Bytes of a message, decompressed; more is closed with 1009."""
    timeout: Duration = 10.0
    """The longest wait for each step of connecting, and for the server's close frame."""
    json: bool = False
    """Print everything as JSON lines."""
    verbose: Annotated[bool, Flag("-v", "--verbose")] = False
    """Show the handshake, and every frame: opcode, FIN, RSV, mask, lengths, and what compression made of it."""


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """Connect, talk, and give the exit code: 1 where the connection was lost, or closed for a reason that is none of
    1000, 1001 and the application's own.

    Raises UsageError for what cannot be asked, and NetlabError for a connection that did not come about.
    """
    from clients.ws.session import Session

    return await Session(config).run(addresses)


def __getattr__(name: str) -> object:
    """The library's names, loaded when one is used."""
    if name == "WebSocket":
        from clients.ws.connection import WebSocket

        return WebSocket
    if name == "connect":
        from clients.ws.handshake import connect

        return connect
    raise AttributeError(name)
