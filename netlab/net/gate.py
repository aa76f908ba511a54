"""The gate of a listener: who may come in, who is inside, and one clock hand that looks after their deadlines."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from netlab.net.sweep import Sweep


class Inside(Protocol):
    """What a gate needs to know of a connection: its deadline, which it may move as it likes, and how it is ended."""

    deadline: float

    def expire(self, now: float) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLimits:
    """How many connections may be open at once; 0 means no limit."""

    connections: int = 0
    per_address: int = 0


class Gate:
    """Counts connections in and out, and has their deadlines looked after, to a precision of `interval` seconds."""

    def __init__(self, limits: GateLimits | None = None, *, interval: float = 0.25) -> None:
        self.limits = limits or GateLimits()
        self.turned_away = 0
        self._sweep = Sweep(interval)
        self.connections: set[Inside] = self._sweep.items
        self._per_address: dict[Any, int] = {}
        self._empty: asyncio.Event | None = None

    def enter(self, connection: Inside, address: Any) -> bool:
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
        self._sweep.add(connection)
        return True

    def leave(self, connection: Inside, address: Any) -> None:
        """A connection that was let in is gone."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        if self.limits.per_address:
            left = self._per_address.get(address, 0) - 1
            if left > 0:
                self._per_address[address] = left
            else:
                self._per_address.pop(address, None)
        if not self.connections and self._empty is not None:
            self._empty.set()

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
        self._sweep.close()

    def __repr__(self) -> str:
        return f"<Gate {len(self.connections)} inside, {self.turned_away} turned away>"
