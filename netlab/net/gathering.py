"""Writes of many connections, gathered: what one turn of the loop produces for them leaves side by side behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

FEW = 4
"""Exchanges under way, below which gathering brings nothing."""
MUCH = 16 << 10
"""Bytes that are better written at once, while they are in the core's own cache."""


class Flushing(Protocol):
    """A connection whose core has bytes that are to be written."""

    loop: asyncio.AbstractEventLoop

    def flush(self) -> None: ...


class Gathering:
    """Flushes connections one behind the other.

    A write to a peer that sleeps wakes it, and waking a core costs more than the write. Written apart, with the making
    of the next answer in between, each write wakes its peer anew; side by side, they find it awake. Where little is
    under way nobody waits for the others.
    """

    __slots__ = ("_connections", "_under_way")

    def __init__(self, under_way: Collection[object]) -> None:
        self._under_way = under_way
        self._connections: list[Flushing] = []

    def add(self, connection: Flushing) -> None:
        """Write what it has behind this turn of the loop; at once, where little is under way."""
        if self._connections:
            self._connections.append(connection)
        elif len(self._under_way) < FEW:
            connection.flush()
        else:
            self._connections.append(connection)
            connection.loop.call_soon(self._flush)

    def _flush(self) -> None:
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.flush()
