"""Waiting for the disk: what may take long is done in a thread, and waited for no longer than is reasonable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from netlab.errors import DeadlineExceeded

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds that a directory may take to be read, a file to be compressed or to be made durable."""


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """The result of blocking work; DeadlineExceeded when it takes too long (the thread then ends by itself)."""
    return await in_time(asyncio.get_running_loop().run_in_executor(None, work, *arguments))


async def in_time(future: asyncio.Future[T]) -> T:
    """The result of work that others may wait for too: whoever gives up does not take it from them."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.shield(future)
    except TimeoutError:
        raise DeadlineExceeded("disk", TIMEOUT) from None
