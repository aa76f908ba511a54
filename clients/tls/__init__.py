"""See a server's TLS: the handshake message by message, what it accepts, and whether its certificates hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from netlab.config import Address, Duration, positional

__all__ = ["EXAMPLES", "Config", "run"]

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

EXAMPLES = (
    ("netlab tls localhost:8443", "the lab's own server: handshake, certificates, what it accepts"),
    ("netlab tls 127.0.0.1:8443 --server-name www.shop.test", "ask for another name than that of the address"),
    ("netlab tls localhost:8443 --full", "every field of every message, with the section of its RFC"),
    ("netlab tls localhost:8443 --no-scan --json", "the handshake and the chain, for a script"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    target: Annotated[Address, positional]
    """The server."""
    server_name: str = ""
    """The name that is asked for in SNI and looked for in the certificate; else the host of the target."""
    alpn: tuple[str, ...] = ("h2", "http/1.1")
    """Protocols that are offered, each of them alone, too."""
    cacert: Path | None = None
    """The authorities (PEM) that are trusted; else the system's and the local CA."""
    scan: bool = True
    """Find out which versions, cipher suites, groups and protocols it accepts, by a connection for each question."""
    full: bool = False
    """Show each message's fields."""
    json: bool = False
    """Print JSON."""
    timeout: Duration = 5.0
    """How long each answer may take."""


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """Look, show, and give the exit code: 0 where TLS came about and the certificates hold, else 1.

    Raises PeerUnreachable where there is no connection.
    """
    from clients.tls.command import Command

    return await Command(config).run(addresses)
