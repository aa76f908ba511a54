"""Checks, limits with a queue, ejection and retries: who is left out, who waits, and for whom another answers."""

from __future__ import annotations

import asyncio

import pytest

from netlab.flow import Level
from tests.http.serving import SECONDS, connected
from tests.http.upstreams import Called, dying, named, scripted
from tests.servers.l7_balancer.balanced import answered, balanced, members, origins, who
from tests.servers.proxies import listening


async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"up 0% # asked for less\n")


@pytest.mark.parametrize("check", ["tcp", "http:/health", "http:/,body=good,status=200", "command:true"])
async def test_who_passes_its_checks_has_work(check: str) -> None:
    async with origins("good") as (good,), balanced(good.port, check=check, check_interval=0.01) as proxy:
        await proxy.until(lambda: True)
        async with asyncio.timeout(SECONDS):
            while not members(proxy)[0].checked:
                await asyncio.sleep(0)
        assert members(proxy)[0].health is not None
        assert members(proxy)[0].health.words == "up"
        assert await answered(proxy, 2) == {"good": 2}


@pytest.mark.parametrize("check", ["http:/,status=404", "http:/,body=bad", "command:false", "tcp,port=1"])
async def test_who_fails_them_has_none(check: str) -> None:
    async with origins("good") as (good,), balanced(good.port, check=check, check_interval=0.01) as proxy:
        (flow,) = await proxy.ended("health")
        assert flow.result == "down"
        assert who(await proxy.get()) == "503"


async def test_an_agent_steers_its_share() -> None:
    async with origins("a", "b") as (a, b), listening(told) as agent:
        pool = f"api to=:{a.port} check=agent,port={agent}"
        async with balanced(b.port, pools=(pool,), routes=("path=/api pool=api",), check_interval=0.01) as proxy:
            async with asyncio.timeout(SECONDS):
                while members(proxy, "api")[0].share:
                    await asyncio.sleep(0)
            assert who(await proxy.get("/api")) == "503"


async def test_what_is_too_much_waits_and_then_is_refused() -> None:
    release = asyncio.Event()

    async def slow(called: Called) -> None:
        while True:
            await called.head()
            await release.wait()
            await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")

    options = {"upstream_limit": 1, "queue": 1, "queue_timeout": SECONDS}
    async with (
        scripted(slow) as up,
        balanced(up.port, **options) as proxy,
        connected(proxy.port) as first,
        connected(proxy.port) as second,
    ):
        await first.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
        await proxy.until(lambda: len(proxy.notes("upstream.picked")) == 1)
        await second.send(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        await proxy.until(lambda: len(proxy.notes("request.queued")) == 1)
        assert who(await proxy.get("/3")) == "503"  # the queue is full
        release.set()
        assert (await first.response())[1] == b"slow"
        assert (await second.response())[1] == b"slow"


async def test_nobody_waits_for_ever() -> None:
    async def silent(called: Called) -> None:
        await called.reader.read(-1)

    async with scripted(silent) as up, balanced(up.port, upstream_limit=1, queue_timeout=0.05) as proxy:
        async with connected(proxy.port) as first:
            await first.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            await proxy.until(lambda: len(proxy.notes("upstream.picked")) == 1)
            assert who(await proxy.get("/2")) == "503"
            first.reset()
        await proxy.until(lambda: not members(proxy)[0].active)


async def test_errors_in_a_row_eject_and_the_pause_brings_it_back() -> None:
    async with (
        scripted(named("bad", status=500)) as bad,
        origins("good") as (good,),
        balanced(bad.port, good.port, eject_errors=2, eject_pause=10.0) as proxy,
    ):
        found = await answered(proxy, 10)
        assert found == {"500": 2, "good": 8}
        proxy.clock.jump(10)
        assert (await answered(proxy, 2))["500"] == 1


@pytest.mark.parametrize("level", [Level.FULL, Level.SUMMARY])
async def test_what_one_cannot_answer_another_does_even_where_the_budget_is_small(level: Level) -> None:
    async with (
        scripted(dying) as bad,
        origins("good") as (good,),
        balanced(bad.port, good.port, retry_budget=0.01, breaker_failures=1000, level=level) as proxy,
    ):
        found = await asyncio.gather(*(proxy.get(f"/{number}") for number in range(40)))
        assert {who(answer) for answer in found} == {"good"}
