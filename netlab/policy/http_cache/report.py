"""Cache-Status: what a cache did with a request, for whoever reads the answer (RFC 9211)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Forwarded = Literal["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"]
"""Why a request went on (RFC 9211 2.2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Handled:
    """What became of a request.

    hit        it was answered from what is stored, without asking
    ttl        seconds of freshness that are left; negative when stale
    forwarded  why it went on, if it did
    status     what the next hop answered, where the client gets something else
    stored     whether the answer was kept
    collapsed  it was answered together with another request
    detail     a word more
    """

    hit: bool = False
    ttl: float | None = None
    forwarded: Forwarded | None = None
    status: int | None = None
    stored: bool = False
    collapsed: bool = False
    detail: str = ""

    def member(self, name: str) -> str:
        """The member of the list that is this cache's."""
        parts = [name]
        if self.hit:
            parts.append("hit")
        if self.forwarded is not None:
            parts.append(f"fwd={self.forwarded}")
        if self.status is not None:
            parts.append(f"fwd-status={self.status}")
        if self.ttl is not None:
            parts.append(f"ttl={int(self.ttl // 1)}")
        if self.stored:
            parts.append("stored")
        if self.collapsed:
            parts.append("collapsed")
        if self.detail:
            parts.append(f"detail={self.detail}")
        return "; ".join(parts)
