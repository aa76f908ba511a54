"""Connections kept for the next use: leased per origin, last in first out, bounded per origin and in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, Protocol, TypeVar

from netlab.errors import DeadlineExceeded


class Pooled(Protocol):
    """What a pool needs to know of a connection."""

    @property
    def reusable(self) -> bool:
        """Whether it can be used (again) now: open, nothing under way, nothing unread."""
        ...

    def close(self) -> None: ...


C = TypeVar("C", bound=Pooled)


class Origin(NamedTuple):
    """What connections must have in common to stand in for each other."""

    scheme: str
    host: str
    port: int
    identity: Hashable = None  # of TLS: the name verified, the client certificate, the trust


class _Slot(Generic[C]):
    """The connections of one origin: how many are out (opening included), which are idle (oldest first)."""

    __slots__ = ("idle", "leased")

    def __init__(self) -> None:
        self.leased = 0
        self.idle: list[tuple[C, float]] = []  # and since when, loop time


class _Waiter(NamedTuple, Generic[C]):
    """One who waits for a connection to an origin, or for room to open one (None)."""

    origin: Origin
    answer: asyncio.Future[C | None]


class Pool(Generic[C]):
    """Leases connections. Every change of state is synchronous; closing comes after it, opening is the caller's.

    The fast path takes no task and no future: `take` gives an idle connection or None, `release` takes it back.
    `acquire` also waits for room and opens; `lease` is both as a context.

    per_origin  connections to one origin, idle and leased
    total       connections in all; idle ones of other origins make room
    waiting     callers that may wait for room, in all; one more is refused at once
    idle        seconds a connection is kept without use
    """

    def __init__(self, *, per_origin: int = 64, total: int = 1024, waiting: int = 1024, idle: float = 30.0) -> None:
        self.per_origin, self.total, self.waiting, self.idle = per_origin, total, waiting, idle
        self.open = 0  # idle and leased
        self.closed = False
        self._slots: dict[Origin, _Slot[C]] = {}
        self._queue: list[_Waiter[C]] = []  # first come, first served
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- without waiting ---------------------------------------------------------------------------------------

    def take(self, origin: Origin) -> C | None:
        """An idle connection that is still good, the one used last; it is leased now."""
        slot = self._slots.get(origin)
        if slot is None:
            return None
        idle = slot.idle
        while idle:
            connection = idle.pop()[0]
            slot.leased += 1
            if connection.reusable:
                return connection
            self.release(origin, connection)
        return None

    def reserve(self, origin: Origin) -> bool:
        """Room for one more connection, leased from now on; the caller opens it, or gives the room back by `forget`."""
        if self.closed or not self._has_room(origin):
            return False
        if self.open >= self.total:
            self._evict()
        if self.open >= self.total:
            return False
        self._slots.setdefault(origin, _Slot()).leased += 1
        self.open += 1
        return True

    def release(self, origin: Origin, connection: C) -> None:
        """A leased connection is free again: for who waits, for later, or, if it is not reusable, for nobody."""
        if self.closed or not connection.reusable:
            self.forget(origin)
            connection.close()
            return
        if self._queue:
            if (waiter := self._first(lambda waiter: waiter.origin == origin)) is not None:
                waiter.answer.set_result(connection)
                return
            if self.open >= self.total and self._first(lambda waiter: self._has_room(waiter.origin), keep=True):
                self.forget(origin)  # the room is needed more than the connection
                connection.close()
                return
        slot = self._slots[origin]
        slot.leased -= 1
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        slot.idle.append((connection, loop.time()))
        if self._timer is None:
            self._timer = loop.call_later(self.idle / 2, self._sweep, loop)

    def forget(self, origin: Origin) -> None:
        """A leased connection is no more, or never came about: its room is free."""
        slot = self._slots[origin]
        slot.leased -= 1
        self.open -= 1
        self._tidy(origin, slot)
        while self._queue and self.open < self.total:
            waiter = self._first(lambda waiter: self._has_room(waiter.origin))
            if waiter is None:
                return
            self._slots.setdefault(waiter.origin, _Slot()).leased += 1
            self.open += 1
            waiter.answer.set_result(None)

    # -- with waiting ------------------------------------------------------------------------------------------

    async def acquire(self, origin: Origin, dial: Callable[[], Awaitable[C]], *, seconds: float = 10.0) -> C:
        """A leased connection: an idle one, or one opened by `dial` as soon as there is room.

        Raises DeadlineExceeded if there is none within `seconds`, and what `dial` raises.
        """
        connection = self.take(origin)
        if connection is None and not self.reserve(origin):
            connection = await self._wait(origin, seconds)
        if connection is not None:
            return connection
        try:
            return await dial()
        except BaseException:
            self.forget(origin)
            raise

    @asynccontextmanager
    async def lease(
        self, origin: Origin, dial: Callable[[], Awaitable[C]], *, seconds: float = 10.0
    ) -> AsyncIterator[C]:
        """A connection for the length of the context."""
        connection = await self.acquire(origin, dial, seconds=seconds)
        try:
            yield connection
        finally:
            self.release(origin, connection)

    async def _wait(self, origin: Origin, seconds: float) -> C | None:
        if self.closed or len(self._queue) >= self.waiting:
            raise DeadlineExceeded("free connection", 0)
        waiter = _Waiter[C](origin, asyncio.get_running_loop().create_future())
        self._queue.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter.answer
        except BaseException as error:
            self._give_up(waiter)
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded("free connection", seconds) from None
            raise

    def _give_up(self, waiter: _Waiter[C]) -> None:
        """A waiter leaves; what it was given in the same moment goes to the next."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif not waiter.answer.cancelled() and waiter.answer.exception() is None:
            connection = waiter.answer.result()
            if connection is None:
                self.forget(waiter.origin)
            else:
                self.release(waiter.origin, connection)

    def _first(self, suits: Callable[[_Waiter[C]], bool], *, keep: bool = False) -> _Waiter[C] | None:
        """The waiter longest in the queue that suits, taken out of it; one that is cancelled does not count."""
        for index, waiter in enumerate(self._queue):
            if suits(waiter) and not waiter.answer.done():
                return waiter if keep else self._queue.pop(index)
        return None

    # -- idle connections --------------------------------------------------------------------------------------

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been idle too long, and let go of what its peer has closed meanwhile."""
        self._timer = None
        oldest = loop.time() - self.idle
        for origin, slot in list(self._slots.items()):
            slot.idle.sort(key=lambda entry: entry[0].reusable)  # stable: those that are gone come first
            while slot.idle and (slot.idle[0][1] <= oldest or not slot.idle[0][0].reusable):
                self._drop(origin, slot)
        if any(slot.idle for slot in self._slots.values()):
            self._timer = loop.call_later(self.idle / 2, self._sweep, loop)

    def _evict(self) -> None:
        """Close the connection that has been idle longest, of whatever origin, if there is one."""
        idle = [(slot.idle[0][1], origin) for origin, slot in self._slots.items() if slot.idle]
        if idle:
            _, origin = min(idle, key=lambda entry: entry[0])
            self._drop(origin, self._slots[origin])

    def _drop(self, origin: Origin, slot: _Slot[C]) -> None:
        """Close the oldest idle connection of an origin, as a leased one that comes back unusable would be."""
        connection, _ = slot.idle.pop(0)
        slot.leased += 1
        self.forget(origin)
        connection.close()

    def _has_room(self, origin: Origin) -> bool:
        slot = self._slots.get(origin)
        return slot is None or slot.leased + len(slot.idle) < self.per_origin

    def _tidy(self, origin: Origin, slot: _Slot[C]) -> None:
        if not slot.leased and not slot.idle:
            del self._slots[origin]

    def close(self) -> None:
        """Close what is idle; what is leased is closed when it comes back. Nobody gets a connection any more."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queue, self._queue = self._queue, []
        for waiter in queue:
            if not waiter.answer.done():
                waiter.answer.set_exception(DeadlineExceeded("free connection", 0))
        for origin, slot in list(self._slots.items()):
            while slot.idle:
                self._drop(origin, slot)

    def __len__(self) -> int:
        return self.open

    def __repr__(self) -> str:
        origins = ", ".join(
            f"{origin.scheme}://{origin.host}:{origin.port} {slot.leased} leased {len(slot.idle)} idle"
            for origin, slot in self._slots.items()
        )
        return f"<Pool {self.open} of {self.total}, {len(self._queue)} waiting: {origins or 'empty'}>"
