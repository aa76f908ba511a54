"""What can be set for the reverse proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netlab.config import Address
from netlab.errors import UsageError
from netlab.http.reverse_settings import ReverseSettings
from netlab.http.target import Target


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where requests go."""

    to: tuple[Target, ...] = ()
    """An upstream of what no route sends elsewhere; several stand in for each other. Its path is put before theirs."""
    balance: Literal["round_robin", "first"] = "round_robin"
    """How one of several upstreams is picked."""


@dataclass(frozen=True, kw_only=True)
class Config(ReverseSettings, Where):
    """What can be set for the reverse proxy."""

    listen: Address = Address("127.0.0.1", 8081)
    tls_listen: Address = Address("127.0.0.1", 8453)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (pooled := next((rule for rule in self.route if rule.pool), None)) is not None:
            raise UsageError(
                f"route {pooled} has pool={pooled.pool}, but pools are the l7-balancer's: write to=URL,URL"
            )
        if not self.to and (not self.route or not all(rule.to or rule.maintenance for rule in self.route)):
            which = next((f"route {rule} " for rule in self.route if not rule.to and not rule.maintenance), "")
            raise UsageError(f"{which or 'reverse-proxy '}needs --to URL, such as --to http://127.0.0.1:9101")
