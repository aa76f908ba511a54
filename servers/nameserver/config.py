"""What can be set for the nameserver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netlab.config import Address, Duration
from netlab.http.reverse_settings import TrustedNetwork
from netlab.policy.access import LOOPBACK


@dataclass(frozen=True, kw_only=True)
class Config:
    """Zones from master files, or the lab's world where none is given."""

    zone: tuple[Path, ...] = ()
    """A master file; its zone is the one that its SOA record is of."""
    listen: Address = Address("127.0.0.1", 5300)
    """Where the zones of --zone are answered for, over UDP and TCP."""
    world: Path | None = None
    """A world from this TOML file instead of the one that comes with netlab (see `netlab world --print`)."""
    port: int = 5300
    """The port of the world's servers, each on an address of its own."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""
    transfer: tuple[TrustedNetwork, ...] = LOOPBACK
    """Who may have whole zones (AXFR)."""
    max_connections: int = 1000
    """TCP connections open at once, of each address that is listened on; 0 is no limit."""
    idle_timeout: Duration = 10.0
    """How long a TCP connection may stay without a query."""

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this server")
