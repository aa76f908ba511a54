"""The clock hand: what is past its deadline expires, and what fails at that stops nothing else."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from netlab.net.sweep import Sweep

SECONDS = 10.0


class Item:
    """Expires once, with a failure if so wished."""

    def __init__(self, deadline: float, *, fails: bool = False) -> None:
        self.deadline, self.fails = deadline, fails
        self.expired = asyncio.Event()

    def expire(self, now: float) -> None:
        self.deadline = math.inf
        self.expired.set()
        if self.fails:
            raise ZeroDivisionError


async def test_one_that_fails_does_not_stop_the_hand() -> None:
    reported: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    sweep = Sweep(0.001)
    items = [Item(loop.time(), fails=fails) for fails in (True, False, True, False)]
    never = Item(math.inf)
    for item in (*items, never):
        sweep.add(item)
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(item.expired.wait() for item in items))
    assert len(reported) == 2
    assert not never.expired.is_set()
    never.deadline = loop.time()  # moved at will
    async with asyncio.timeout(SECONDS):
        await never.expired.wait()
    sweep.close()
