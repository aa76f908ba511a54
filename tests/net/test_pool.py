"""The pool: who gets a connection, how many there are, and that no count leaks."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.errors import DeadlineExceeded
from netlab.net.pool import Origin, Pool

A, B = Origin("http", "a.test", 80), Origin("http", "b.test", 80)


class Line:
    """A connection that is nothing but its state."""

    def __init__(self) -> None:
        self.reusable = True
        self.closed = False

    def close(self) -> None:
        self.reusable, self.closed = False, True


async def dial() -> Line:
    return Line()


def leased(pool: Pool[Line]) -> int:
    return sum(slot.leased for slot in pool._slots.values())


async def test_the_connection_used_last_comes_first() -> None:
    pool: Pool[Line] = Pool()
    assert pool.take(A) is None
    first, second = await pool.acquire(A, dial), await pool.acquire(A, dial)
    pool.release(A, first)
    pool.release(A, second)
    assert pool.take(A) is second
    assert pool.take(A) is first
    assert pool.take(A) is None
    assert pool.take(B) is None
    assert len(pool) == 2
    pool.close()


async def test_what_cannot_be_used_again_is_closed_and_its_room_is_free() -> None:
    pool: Pool[Line] = Pool(per_origin=1)
    async with pool.lease(A, dial) as line:
        line.reusable = False
    assert line.closed
    assert len(pool) == 0
    async with pool.lease(A, dial) as line:
        pass
    line.reusable = False  # its peer closed it while it was idle
    assert pool.take(A) is None
    assert line.closed
    assert repr(pool) == "<Pool 0 of 1024, 0 waiting: empty>"


async def test_waiters_are_served_in_the_order_they_came() -> None:
    pool: Pool[Line] = Pool(per_origin=1)
    line = await pool.acquire(A, dial)
    served = []

    async def use(name: str) -> None:
        async with pool.lease(A, dial) as got:
            assert got is line
            served.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ("first", "second", "third"):
            group.create_task(use(name))
        await asyncio.sleep(0)
        assert repr(pool) == "<Pool 1 of 1024, 3 waiting: http://a.test:80 1 leased 0 idle>"
        pool.release(A, line)
    assert served == ["first", "second", "third"]
    pool.close()


async def test_room_that_becomes_free_lets_a_waiter_open() -> None:
    pool: Pool[Line] = Pool(per_origin=1)
    line = await pool.acquire(A, dial)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(pool.acquire(A, dial))
        await asyncio.sleep(0)
        line.reusable = False
        pool.release(A, line)
    assert waiting.result() is not line
    assert len(pool) == 1


async def test_a_waiter_has_a_deadline() -> None:
    pool: Pool[Line] = Pool(per_origin=1, waiting=1)
    line = await pool.acquire(A, dial)
    with pytest.raises(DeadlineExceeded, match=r"no free connection within 0\.01 s"):
        await pool.acquire(A, dial, seconds=0.01)
    pool.release(A, line)
    assert pool.take(A) is line


async def test_more_waiters_than_allowed_are_refused_at_once() -> None:
    pool: Pool[Line] = Pool(per_origin=1, waiting=0)
    await pool.acquire(A, dial)
    with pytest.raises(DeadlineExceeded):
        await pool.acquire(A, dial)


async def test_the_longest_idle_connection_makes_room_for_another_origin() -> None:
    pool: Pool[Line] = Pool(total=2)
    old, young = await pool.acquire(A, dial), await pool.acquire(A, dial)
    pool.release(A, old)
    pool.release(A, young)
    await pool.acquire(B, dial)
    assert old.closed
    assert not young.closed
    assert len(pool) == 2


async def test_one_who_waits_for_room_in_all_gets_it_from_another_origin() -> None:
    pool: Pool[Line] = Pool(total=1)
    line = await pool.acquire(A, dial)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(pool.acquire(B, dial))
        await asyncio.sleep(0)
        pool.release(A, line)
    assert line.closed
    assert not waiting.result().closed
    assert len(pool) == 1


async def test_one_who_waits_for_a_full_origin_costs_no_other_its_idle_connections() -> None:
    pool: Pool[Line] = Pool(per_origin=1, total=2)
    busy, other = await pool.acquire(A, dial), await pool.acquire(B, dial)
    async with asyncio.TaskGroup() as group:
        group.create_task(pool.acquire(A, dial))
        await asyncio.sleep(0)
        pool.release(B, other)
        assert not other.closed
        pool.release(A, busy)


async def test_idle_connections_expire() -> None:
    pool: Pool[Line] = Pool(idle=0.02)
    line = await pool.acquire(A, dial)
    pool.release(A, line)
    async with asyncio.timeout(5):
        while not line.closed:
            await asyncio.sleep(0)
    assert len(pool) == 0
    assert pool._timer is None


async def test_a_closed_pool_lets_nobody_in_and_closes_what_comes_back() -> None:
    pool: Pool[Line] = Pool(per_origin=2)
    out, idle = await pool.acquire(A, dial), await pool.acquire(A, dial)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(refused(pool))
        await asyncio.sleep(0)
        pool.close()
    assert waiting.result()
    pool.release(A, idle)
    pool.release(A, out)
    assert out.closed
    assert idle.closed
    assert len(pool) == 0
    assert await refused(pool)


async def refused(pool: Pool[Line]) -> bool:
    with pytest.raises(DeadlineExceeded):
        await pool.acquire(A, dial)
    return True


async def test_a_dial_that_fails_gives_its_room_back() -> None:
    async def fail() -> Line:
        raise ConnectionRefusedError

    pool: Pool[Line] = Pool(per_origin=1)
    with pytest.raises(ConnectionRefusedError):
        await pool.acquire(A, fail)
    assert len(pool) == 0
    await pool.acquire(A, dial)


async def test_a_connection_given_to_a_waiter_in_the_moment_it_is_cancelled_goes_to_the_next() -> None:
    loop = asyncio.get_running_loop()
    pool: Pool[Line] = Pool(per_origin=1)
    line = await pool.acquire(A, dial)
    first, second = loop.create_task(pool.acquire(A, dial)), loop.create_task(pool.acquire(A, dial))
    await asyncio.sleep(0)
    pool.release(A, line)  # to the first, who has not run yet
    first.cancel()
    assert await second is line
    with pytest.raises(asyncio.CancelledError):
        await first
    pool.release(A, line)
    assert pool.take(A) is line
    assert leased(pool) == len(pool) == 1


@given(seed=st.integers(0, 2**32), per_origin=st.integers(1, 3), total=st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_counts_hold_and_nobody_starves_whatever_is_cancelled_or_breaks(seed: int, per_origin: int, total: int) -> None:
    chance = random.Random(seed)
    pool: Pool[Line] = Pool(per_origin=per_origin, total=total)
    alive: set[Line] = set()

    async def open_line() -> Line:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            raise ConnectionRefusedError
        line = Line()
        alive.add(line)
        return line

    async def use(origin: Origin) -> None:
        try:
            async with pool.lease(origin, open_line, seconds=30) as line:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                    assert not line.closed
                line.reusable = chance.random() < 0.7
        except ConnectionRefusedError:
            pass

    async def run() -> None:
        tasks: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        for _ in range(40):
            tasks.append(loop.create_task(use(chance.choice((A, B, Origin("http", "c.test", 80))))))
            if chance.random() < 0.4:
                chance.choice(tasks).cancel()
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            assert len(pool) <= total
            assert all(slot.leased + len(slot.idle) <= per_origin for slot in pool._slots.values())
        await asyncio.wait(tasks)
        assert all(task.cancelled() or task.exception() is None for task in tasks)
        assert leased(pool) == len(pool._queue) == 0
        assert len(pool) == sum(len(slot.idle) for slot in pool._slots.values())
        pool.close()
        assert len(pool) == 0

    asyncio.run(run())
    # one opened in the very moment its asker was cancelled is the dial's own to close; all others were closed here
    assert sum(not line.closed for line in alive) == 0
