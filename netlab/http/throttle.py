"""Connections that a cap on bandwidth holds back: to everyone around them it looks like a slow client."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable

from netlab.http.engine import HttpService
from netlab.http.proxy_connection import ProxyConnection
from netlab.net.connection import NEVER
from netlab.net.gate import Gate
from netlab.policy.pace import Pace

GRAIN = 0.005
"""Seconds: less is not worth a timer."""
REMEMBERED = 10_000
"""Clients whose pace is kept; the one not seen longest is forgotten first."""


class Paces:
    """A client's pace down and up, shared by all of its connections."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._paces: OrderedDict[Hashable, tuple[Pace, Pace]] = OrderedDict()

    def of(self, client: Hashable) -> tuple[Pace, Pace]:
        """(what it receives, what it sends)."""
        found = self._paces.get(client)
        if found is None:
            found = self._paces[client] = Pace(self.rate), Pace(self.rate)
            if len(self._paces) > REMEMBERED:
                self._paces.popitem(last=False)
        else:
            self._paces.move_to_end(client)
        return found


class ThrottledConnection(ProxyConnection):
    """Pauses whoever writes to it while the client has had its share, and reading while it has sent its share."""

    __slots__ = ("_down", "_full", "_later_read", "_later_write", "_paces", "_up")

    def __init__(self, gate: Gate, http: HttpService, paces: Paces) -> None:
        super().__init__(gate, http)
        self._paces = paces
        self._down: Pace
        self._up: Pace
        self._full = False  # the transport itself is
        self._later_write: asyncio.TimerHandle | None = None
        self._later_read: asyncio.TimerHandle | None = None

    def opened(self) -> None:
        client = self.flow.client if self.flow is not None else None
        self._down, self._up = self._paces.of(client[0] if isinstance(client, tuple) else client)
        super().opened()

    # -- towards the client --------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        super().write(data)
        wait = self._down.spend(self.loop.time(), len(data))
        if wait < GRAIN:
            return
        if self._later_write is not None:
            self._later_write.cancel()
        self._later_write = self.loop.call_later(wait, self._due)
        if not self.writing_paused:
            super().pause_writing()
            self.deadline = NEVER  # it is not the client who is slow

    def _due(self) -> None:
        self._later_write = None
        if not self._full and not self.transport.is_closing():
            super().resume_writing()

    def pause_writing(self) -> None:
        self._full = True
        if not self.writing_paused:
            super().pause_writing()

    def resume_writing(self) -> None:
        self._full = False
        if self._later_write is None:
            super().resume_writing()

    # -- from the client -----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        wait = self._up.spend(self.loop.time(), len(data))
        if wait >= GRAIN and self._later_read is None and not self.transport.is_closing():
            self.transport.pause_reading()
            self._later_read = self.loop.call_later(wait, self._read_on)

    def _read_on(self) -> None:
        self._later_read = None
        if not self.held and not self.transport.is_closing():
            self.transport.resume_reading()

    def ended(self, error: Exception | None) -> None:
        for timer in (self._later_write, self._later_read):
            if timer is not None:
                timer.cancel()
        super().ended(error)
