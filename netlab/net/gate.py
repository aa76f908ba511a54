"""The gate of a listener: who may come in, who is inside, and one clock hand that looks after their deadlines."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlab.net.connection import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLimits:
    """How many connections may be open at once; 0 means no limit."""

    connections: int = 0
    per_address: int = 0


class Gate:
    """Counts connections in and out, and sweeps them: no timer per connection, none per request.

    A sweep costs about 0.1 µs a connection and comes every `interval` seconds, so deadlines are met to that precision.
    """

    def __init__(self, limits: GateLimits | None = None, *, interval: float = 0.25) -> None:
        self.limits = limits or GateLimits()
        self.interval = interval
        self.connections: set[Connection] = set()
        self.turned_away = 0
        self._per_address: dict[Any, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None

    def enter(self, connection: Connection, address: Any) -> bool:
        """Let a connection in, or not."""
        limits = self.limits
        if limits.connections and len(self.connections) >= limits.connections:
            self.turned_away += 1
            return False
        if limits.per_address:
            count = self._per_address.get(address, 0)
            if count >= limits.per_address:
                self.turned_away += 1
                return False
            self._per_address[address] = count + 1
        self.connections.add(connection)
        if self._timer is None:
            self._timer = connection.loop.call_later(self.interval, self._sweep, connection.loop)
        return True

    def leave(self, connection: Connection, address: Any) -> None:
        """A connection that was let in is gone."""
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        if self.limits.per_address:
            left = self._per_address.get(address, 0) - 1
            if left > 0:
                self._per_address[address] = left
            else:
                self._per_address.pop(address, None)
        if not self.connections and self._empty is not None:
            self._empty.set()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for connection in [c for c in self.connections if c.deadline <= now]:
            connection.expire(now)
        if self.connections:
            self._timer = loop.call_later(self.interval, self._sweep, loop)

    def drain(self) -> None:
        """Ask every connection to end after what is under way."""
        for connection in list(self.connections):
            connection.drain()

    def abort(self) -> None:
        """End every connection now."""
        for connection in list(self.connections):
            connection.abort()

    async def emptied(self) -> None:
        """Wait until nobody is inside."""
        if self.connections:
            self._empty = asyncio.Event()
            await self._empty.wait()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __repr__(self) -> str:
        return f"<Gate {len(self.connections)} inside, {self.turned_away} turned away>"
