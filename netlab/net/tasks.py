"""Named, held tasks: the one place where tasks are made, and where they are counted and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from netlab.errors import BodyTooLarge, ConnectionLost, DeadlineExceeded, PeerUnreachable, RemoteProtocolError

FACTS = (BodyTooLarge, ConnectionLost, DeadlineExceeded, PeerUnreachable, RemoteProtocolError)
"""What a task may end with that is no bug of ours but a fact about a peer; who started it makes the outcome of it."""


class Tasks:
    """The tasks of one service: held until they end; one that fails is our bug and goes to the loop's handler."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, Any], name: str, on_done: Callable[[asyncio.Task[Any]], None] | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=f"{self.owner}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if on_done is not None:
            task.add_done_callback(on_done)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None or isinstance(error, FACTS):
            return
        task.get_loop().call_exception_handler(
            {"message": f"{task.get_name()} failed", "exception": error, "task": task}
        )

    async def cancel(self) -> None:
        """Cancel what is left and wait until it has ended."""
        current = asyncio.current_task()
        left = [task for task in self._tasks if task is not current]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        return f"<Tasks {self.owner}: {sorted(task.get_name() for task in self._tasks)}>"
