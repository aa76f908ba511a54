"""What happens to the mail, as it happens: server-sent events, and waiting for a message that matches."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from netlab.http.event_stream import EVENT_STREAM, event
from netlab.http.exchange import Exchange
from netlab.stores.mail import SqliteStore, Summary
from netlab.stores.mail_search import Search

MOST_WAITING = 1000
"""Events kept for a reader that is slow; it is told to read the list anew when there were more."""
SIGN_OF_LIFE = 15.0
LOOK = 1.0
"""Seconds between looks at whether the server is to end."""


class Following:
    """One reader of changes: a bounded queue that wakes it."""

    def __init__(self, store: SqliteStore) -> None:
        self._queue: deque[tuple[str, Any]] = deque(maxlen=MOST_WAITING)
        self._lost = False
        self._event = asyncio.Event()
        self.close = store.follow(self._hear)

    def _hear(self, what: str, about: Any) -> None:
        self._lost = self._lost or len(self._queue) == MOST_WAITING
        self._queue.append((what, about))
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Whether something happened within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> list[tuple[str, Any]]:
        self._event.clear()
        taken = [("lost", {}), *self._queue] if self._lost else list(self._queue)
        self._queue.clear()
        self._lost = False
        return taken


async def stream(exchange: Exchange, store: SqliteStore) -> None:
    """`event: stored` with a message as in a list, `deleted` and `changed` with IDs, `lost` for one that was slow."""
    following = Following(store)
    try:
        exchange.start(200, EVENT_STREAM)
        exchange.send(b"retry: 1000\n\n")
        quiet = 0.0
        while await exchange.pause(0):
            if await following.wait(LOOK):
                quiet = 0.0
                exchange.send(b"".join(event(what, about) for what, about in following.take()))
                await exchange.ready()
            elif (quiet := quiet + LOOK) >= SIGN_OF_LIFE:
                quiet = 0.0
                exchange.send(b":\n\n")
        exchange.finish()
    finally:
        following.close()


async def wait_for(
    exchange: Exchange, store: SqliteStore, search: Search, after: str, seconds: float
) -> Summary | None:
    """The newest message that matches and sorts behind the id `after`, as soon as there is one."""
    following = Following(store)
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    try:
        while True:
            following.take()
            found = (await store.list(search, limit=1)).summaries
            if found and found[0]["ID"] > after:
                return found[0]
            while (left := until - loop.time()) > 0 and await exchange.pause(0):
                if await following.wait(min(left, LOOK)):
                    break
            else:
                return None
    finally:
        following.close()
