"""Begins journeys when they are due, on connections that are free, and never because an answer has come."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from clients.load.results import Results
from clients.load.schedule import Arrival
from netlab.errors import PeerUnreachable
from netlab.net.fine_timer import FineTimer
from netlab.net.sweep import Sweep
from netlab.net.tasks import Tasks

MOST_WAITING = 100_000
"""Journeys that may wait for a connection; one more is dropped, and counted."""
PER_TURN = 100
"""Journeys begun in one turn of the loop, so that answers are read in between."""

monotonic = time.monotonic


class Link(Protocol):
    """One connection. It tells the generator of every journey's end by `free`, and of its own by `gone`."""

    deadline: float

    def begin(self, due: float, step: int, number: int) -> None:
        """A journey; its latency counts from when it was due."""

    def expire(self, now: float) -> None: ...

    def abort(self) -> None: ...


class Driver(Protocol):
    """A protocol that can be put under load."""

    async def open(self, generator: Generator) -> Link:
        """A connection; raises PeerUnreachable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """connections: how many may be open at once; timeout: seconds an answer may take before it counts as none."""

    connections: int
    timeout: float


class Generator:
    """One load, from its first arrival to its last answer. Times are those of `time.monotonic`.

    arrivals  when journeys are due; None: as soon as a connection is free (a closed model), for `seconds`
    """

    def __init__(
        self, driver: Driver, arrivals: Iterator[Arrival] | None, bounds: Bounds, results: Results, *, seconds: float
    ) -> None:
        self.driver, self.bounds, self.results, self.seconds = driver, bounds, results, seconds
        self.closed_model = arrivals is None
        self._arrivals = arrivals or iter(())
        self._next: Arrival | None = next(self._arrivals, None)
        self._waiting: deque[tuple[float, int]] = deque()
        self._idle: list[Link] = []
        self._links: set[Link] = set()
        self._opening = 0
        self._over = asyncio.Event()
        self._ending = False  # nothing new begins
        self._tasks = Tasks("load")
        self._sweep = Sweep(0.05)
        self.began = 0.0

    async def run(self) -> None:
        """To the end, or until somebody says `end`."""
        self._timer = FineTimer(self._ring)
        self.began = monotonic()
        try:
            if self.closed_model:
                for _ in range(self.bounds.connections):
                    self._open()
                self._timer.set(self.began + self.seconds)
            elif self._next is not None:
                self._timer.set(self.began)
            await self._over.wait()
        finally:
            self.results.seconds = monotonic() - self.began
            self._timer.close()
            await self._tasks.cancel()
            for link in list(self._links):
                link.abort()
            self._sweep.close()

    def end(self) -> None:
        """Begin nothing any more; what is under way has its time."""
        self._ending, self._next = True, None
        self._waiting.clear()
        self._settle()

    @property
    def open(self) -> int:
        """How many connections stand."""
        return len(self._links)

    # -- journeys ------------------------------------------------------------------------------------------------

    def _ring(self) -> None:
        if self.closed_model:
            self.end()
        else:
            self.begin_due()

    def begin_due(self) -> None:
        """Begin every journey whose time has come."""
        began, late, now = self.began, self.results.late, monotonic()
        for _ in range(PER_TURN):
            arrival = self._next
            if arrival is None:
                self._settle()
                return
            due = began + arrival.at
            if due > now:
                self._timer.set(due)
                return
            self._next = next(self._arrivals, None)
            late.add(now - due)
            self._begin(due, arrival.step)
        self._timer.set(now)

    def _begin(self, due: float, step: int) -> None:
        results = self.results
        if self._idle:
            results.journeys += 1
            self._idle.pop().begin(due, step, results.journeys)
        elif len(self._waiting) >= MOST_WAITING:
            results.dropped += 1
        else:
            self._waiting.append((due, step))
            self._open()

    def free(self, link: Link) -> None:
        """A connection's journey is over, and it can have another."""
        results = self.results
        if self._waiting:
            due, step = self._waiting.popleft()
        elif self.closed_model and not self._ending:
            due, step = monotonic(), 0
        else:
            self._idle.append(link)
            if self._next is None:
                self._settle()
            return
        results.journeys += 1
        link.begin(due, step, results.journeys)

    def gone(self, link: Link) -> None:
        """A connection is no more."""
        self._links.discard(link)
        self._sweep.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        self._open()
        self._settle()

    def _settle(self) -> None:
        """Whether this was the last of all."""
        busy = len(self._links) - len(self._idle)
        if not busy and not self._waiting and (self._next is None and (self._ending or not self.closed_model)):
            self._over.set()

    # -- connections ---------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """One more connection, if it is wanted and there may be more."""
        wanted = not self._ending if self.closed_model else self._opening < len(self._waiting)
        if wanted and len(self._links) + self._opening < self.bounds.connections:
            self._opening += 1
            self._tasks.start(self._connect(), "connect")

    async def _connect(self) -> None:
        started = monotonic()
        try:
            link = await self.driver.open(self)
        except PeerUnreachable as error:
            self._opening -= 1
            self._not_opened(error)
            return
        self._opening -= 1
        self.results.connects.add(monotonic() - started)
        self._links.add(link)
        self._sweep.add(link)
        self.free(link)

    def _not_opened(self, error: PeerUnreachable) -> None:
        """The journey that waited longest fails with it; the others have their own try."""
        why = f"no connection: {error}"
        if self._waiting:
            _, step = self._waiting.popleft()
            self.results.journeys += 1
            self.results.tallies[step][0].asked += 1
            self.results.tallies[step][0].failed(why)
        elif self.closed_model and not self._ending:
            self.results.tallies[0][0].asked += 1
            self.results.tallies[0][0].failed(why)
        if self.closed_model and not self._ending:
            asyncio.get_running_loop().call_later(RETRY, self._open)
        else:
            self._open()
        self._settle()


RETRY = 0.1
"""Seconds until a connection of the closed model is tried again."""
