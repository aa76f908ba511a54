"""When messages that were kept are read: at once where it is quiet, in small pieces while many come."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

from netlab.errors import StoreFailed
from netlab.stores.database import Database
from netlab.stores.mail_tables import Retention, Row, digest_some, forget, over

QUIET = 0.03
"""Seconds without a new message after which there is time."""
LATEST = 0.25
"""Seconds after which some are read although more come."""
BETWEEN = 0.02
"""Seconds between two pieces of work; whether a message comes meanwhile tells whether it is quiet."""
AT_ONCE, FEW = 100, 10
"""Messages read in one piece: few at first and while others come, twice as many each time it stays quiet."""
LOOK_EVERY = 5.0
"""Seconds between looks at what has become too old."""

Work = tuple[list[Row], list[str]]
"""Summaries of what was read, and ids of what had to go."""


class Digesting:
    """Reads new messages in the writer's thread, and makes room; `told` hears of both on the loop."""

    def __init__(
        self, database: Database, retention: Retention, now: Callable[[], float], told: Callable[[Work], None]
    ) -> None:
        self.database, self.retention, self._now, self._told = database, retention, now, told
        self.behind = True  # there may be messages that are not read yet
        self._came = self._armed = 0.0  # when the last message came, when the timer was first set
        self._count = self._count_then = 0  # messages that came, in all and until the last piece of work was done
        self._most = FEW
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._ageing: asyncio.TimerHandle | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def came(self, count: int) -> None:
        """So many more messages are kept."""
        now = asyncio.get_running_loop().time()
        alone, self._came, self.behind = now - self._came > LATEST, now, True
        self._count += count
        if self._running or self._timer is not None:
            return
        self._armed = now
        if alone:
            self._start()
        else:
            self._arm(QUIET)

    async def caught_up(self, within: float = 1.0) -> None:
        """Wait until all is read, but not for ever: whoever lists then sees what there is."""
        self._age()
        if not self.behind and not self._running:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._start(AT_ONCE)
        try:
            async with asyncio.timeout(within):
                await done
        except TimeoutError:
            pass  # many came at once; the rest follows

    def stop(self) -> None:
        for timer in (self._timer, self._ageing):
            if timer is not None:
                timer.cancel()
        self._running = True  # no batch begins any more
        self._release()

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        if (self._count == self._count_then and self.database.idle) or now - self._came >= QUIET:
            self._start(min(self._most * 2, AT_ONCE))
        elif now - self._armed >= LATEST:
            self._start(FEW)
        else:
            self._arm(QUIET)

    def _start(self, most: int = FEW) -> None:
        if self._running:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._running, self.behind, self._most = True, False, most
        now = self._now()
        try:
            self.database.write(lambda connection: _work(connection, self.retention, now, most), self._done)
        except StoreFailed:  # too much waits, or it is closed
            self._running, self.behind = False, True
            self._release()

    def _done(self, work: Work | None, error: StoreFailed | None) -> None:
        self._running = False
        if work is None:
            self.behind = True  # a full disk, for one; the next message, or who lists, tries again
            self._release()
            return
        rows, gone = work
        if rows or gone:
            self._told(work)
        self.behind = self.behind or len(rows) >= self._most
        if not self.behind:
            self._release()
        elif self._waiting:
            self._start(AT_ONCE)
        else:
            self._armed, self._count_then = asyncio.get_running_loop().time(), self._count
            self._arm(BETWEEN)

    def _release(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    def _age(self) -> None:
        """Have what becomes too old go, also where nothing comes."""
        if self.retention.seconds and self._ageing is None:
            self._ageing = asyncio.get_running_loop().call_later(LOOK_EVERY, self._aged)

    def _aged(self) -> None:
        self._ageing = None
        self._start()
        self._age()


def _work(connection: sqlite3.Connection, retention: Retention, now: float, most: int) -> Work:
    rows = digest_some(connection, most)
    limited = retention.messages or retention.bytes or retention.seconds
    going = over(connection, retention, now) if limited else []
    forget(connection, [number for number, _ in going])
    gone = [each for _, each in going]
    return [row for row in rows if row[1] not in gone], gone
