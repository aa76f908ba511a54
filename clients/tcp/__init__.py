"""Speak over a plain TCP connection, and see its states, its packets and its times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from netlab.config import Address, Duration, positional

__all__ = ["EXAMPLES", "Config", "run"]

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

EXAMPLES = (
    ("netlab tcp 127.0.0.1:7007", "type lines, see them come back; Ctrl-D ends our half"),
    ("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | netlab tcp 127.0.0.1:8080", "speak a protocol by hand"),
    ("netlab tcp 127.0.0.1:7007 --every 1", "the kernel's view of the connection each second"),
    ("netlab tcp 127.0.0.1:7007 --hex --packets all", "every byte, every packet (packets need root)"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    target: Annotated[Address, positional]
    """Where to connect."""
    every: Duration = 0.0
    """Show round-trip time, windows and retransmissions so often; 0 never."""
    packets: Literal["auto", "all", "none"] = "auto"
    """Which packets to show: those that begin and end the connection, where this user may see them; all; none."""
    hex: bool = False
    """Show what is sent and received as hexadecimal."""
    json: bool = False
    """Print everything as JSON lines."""
    quiet: bool = False
    """Print what is received and nothing else."""
    timeout: Duration = 10.0
    """How long to wait for the connection."""
    wait: Duration = 30.0
    """How long the other side may be silent once our half has ended; 0 is for ever."""


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """Connect, pass standard input and output, and give the exit code: 1 where the connection was reset or given up.

    Raises PeerUnreachable where none came about.
    """
    from clients.tcp.session import Session

    return await Session(config).run(addresses)
