"""One SQLite file: everything written by one thread in groups that share a commit, and read beside it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from netlab.errors import StoreFailed
from netlab.stores.opening import Kind, Opened, in_words, open_store

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
"""Work on the connection inside a transaction of others; it may run a second time, after a roll-back."""
Then = Callable[[Any, StoreFailed | None], None]

GROUP = 1000
"""Jobs that share one commit at most, so that the first of them does not wait for ever."""
CLOSING = 30.0
"""Seconds that a close waits for what is still to be written."""


class Written(NamedTuple):
    """A job, what to call on the loop when its commit has come or failed, and the room it takes meanwhile."""

    job: Job[Any]
    then: Then | None
    size: int


class Database:
    """What is written together in one turn of the loop goes to the writer together, and leaves it by one wake-up.

    A callback runs on the loop after the commit, in the order of the writes: what it acknowledges survives the end of
    this process, with `durable` the end of the power, too. At most `waiting` jobs and `waiting_bytes` wait.
    With path None it is in memory, and reads take their turn among the writes.
    """

    def __init__(
        self,
        path: Path | None,
        kind: Kind,
        *,
        durable: bool = False,
        waiting: int = 20_000,
        waiting_bytes: int = 256 << 20,
    ) -> None:
        """StoreFailed, in one sentence, for a file that cannot be opened, is damaged, foreign, newer or in use."""
        self.path, self.waiting, self.waiting_bytes = path, waiting, waiting_bytes
        self.opened: Opened = open_store(path, kind, durable=durable)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: list[Written] = []  # what this turn of the loop wrote
        self._queue: SimpleQueue[list[Written] | None] = SimpleQueue()
        self._left = self._left_bytes = 0  # not yet committed
        self._closed = False
        self._readers: ThreadPoolExecutor | None = None
        self._writer = Thread(target=self._write_all, name="netlab store", daemon=True)
        self._writer.start()

    # -- on the loop ---------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing waits to be written."""
        return not self._left

    def write(self, job: Job[Any], then: Then | None = None, *, size: int = 0) -> None:
        """Have a job done, and `then(result, error)` called on this loop after its commit.

        `size` is how many bytes it holds while it waits. StoreFailed when too much waits already, or it is closed.
        """
        if self._closed:
            raise StoreFailed(f"{self} is closed")
        if self._left >= self.waiting or (self._left and self._left_bytes + size > self.waiting_bytes):
            raise StoreFailed(f"{self} has {self._left} writes waiting, and takes no more for now", full=True)
        self._left += 1
        self._left_bytes += size
        self._turn.append(Written(job, then, size))
        if len(self._turn) == 1:
            self._running_loop().call_soon(self.hand_over)

    async def written(self, job: Job[T], *, size: int = 0) -> T:
        """The result of a job, once it is committed."""
        done: asyncio.Future[T] = self._running_loop().create_future()

        def then(result: T, error: StoreFailed | None) -> None:
            if done.done():
                return  # whoever waited was cancelled; the write is not
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        self.write(job, then, size=size)
        return await done

    async def read(self, job: Job[T], *, within: float = 10.0) -> T:
        """What a job reads, beside the writer: all that was committed before. StoreFailed after `within` seconds."""
        if self.path is None:
            return await self.written(job)
        if self._readers is None:
            self._readers = ThreadPoolExecutor(1, "netlab store reader")
        connection = self.opened.reader()
        reading = self._readers.submit(_read, connection, job, self.path)
        try:
            async with asyncio.timeout(within):
                return await asyncio.wrap_future(reading)
        except TimeoutError:
            raise StoreFailed(f"{self} did not answer within {within:g} s") from None
        finally:
            if not reading.cancel() and not reading.done():
                connection.interrupt()  # it runs, and nobody waits for it any more

    def close(self) -> None:
        """Write what waits, and let the file go. The callbacks of that run on the loop's next turns, if it has any."""
        if self._closed:
            return
        self._closed = True
        self.hand_over()
        self._queue.put(None)
        self._writer.join(CLOSING)
        if self._readers is not None:
            self._readers.shutdown(wait=True, cancel_futures=True)
        if not self._writer.is_alive():
            self.opened.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def hand_over(self) -> None:
        """Give the writer what was written so far in this turn; it is done by itself at the turn's end."""
        if self._turn:
            self._queue.put(self._turn)
            self._turn = []

    def _deliver(self, group: list[Written], results: list[Any]) -> None:
        self._left -= len(group)
        self._left_bytes -= sum(written.size for written in group)
        for written, result in zip(group, results, strict=True):
            if written.then is None:
                continue
            if isinstance(result, StoreFailed):
                written.then(None, result)
            else:
                written.then(result, None)

    # -- in the writer's thread ----------------------------------------------------------------------------------

    def _write_all(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._next_group()
            if not group:
                continue
            results = self._commit(group)
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits for the answer
                assert self._loop is not None  # who wrote set it
                self._loop.call_soon_threadsafe(self._deliver, group, results)

    def _next_group(self) -> tuple[list[Written], bool]:
        """All that waits, up to a bound, and whether there will be more."""
        turn = self._queue.get()
        if turn is None:
            return [], False
        group = turn
        while len(group) < GROUP:
            try:
                turn = self._queue.get_nowait()
            except Empty:
                break
            if turn is None:
                return group, False
            group += turn
        return group, True

    def _commit(self, group: Sequence[Written]) -> list[Any]:
        """The jobs' results in one commit; where one fails, each in a commit of its own, and it alone fails."""
        connection = self.opened.writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [written.job(connection) for written in group]
            connection.execute("COMMIT")
        except Exception as error:  # whatever a job ends with is its answer, and must not end the thread
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            if len(group) > 1:
                return [self._commit([written])[0] for written in group]
            return [error if isinstance(error, StoreFailed) else in_words(self.path, error)]
        return results

    def __repr__(self) -> str:
        return f"<Database {self} {self._left} waiting>"

    def __str__(self) -> str:
        return "the store in memory" if self.path is None else f"the store {self.path}"


def _read(connection: sqlite3.Connection, job: Job[T], path: Path) -> T:
    try:
        return job(connection)
    except sqlite3.Error as error:
        raise in_words(path, error) from None
