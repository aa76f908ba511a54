"""Cancel work at its n-th await, for every n there is: what it leaves behind must be nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from netlab.net.tasks import Tasks


class CancelledAt:
    """Does a coroutine's work, and cancels the task that does it where it waits for the n-th time (from 0)."""

    def __init__(self, work: Coroutine[Any, Any, Any], n: int, happened: Callable[[], None]) -> None:
        self._work, self._n, self._happened = work, n, happened

    def __await__(self) -> Generator[Any, Any, Any]:
        send: Callable[[Any], Any] = self._work.send
        value: Any = None
        while True:
            try:
                awaited = send(value)
            except StopIteration as end:
                return end.value
            if self._n == 0:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                self._happened()
            self._n -= 1
            try:
                send, value = self._work.send, (yield awaited)
            except BaseException as error:
                send, value = self._work.throw, error


class Watched:
    """What became of the work: cancelled where it should be, or over before it came so far."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.cancelled = False

    async def watch(self, work: Coroutine[Any, Any, Any], n: int) -> Any:
        try:
            return await CancelledAt(work, n, self._was_cancelled)
        finally:
            self.over.set()

    def _was_cancelled(self) -> None:
        self.cancelled = True


def cancel_at(monkeypatch: pytest.MonkeyPatch, name: str, n: int) -> Watched:
    """Work whose name begins so is cancelled at its n-th await, from now on."""
    watched, start = Watched(), Tasks.start

    def starting(tasks: Tasks, work: Coroutine[Any, Any, Any], label: str, *more: Any) -> asyncio.Task[Any]:
        return start(tasks, watched.watch(work, n) if label.startswith(name) else work, label, *more)

    monkeypatch.setattr(Tasks, "start", starting)
    return watched
