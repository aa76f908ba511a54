"""Upstreams that are processes, and what clients notice when these are killed, stopped, away, or come and go.

With retries no idempotent request fails that another upstream could have answered. Afterwards every counter and lease
is zero: `balanced` looks.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest

from netlab.flow import Flow, Level
from tests.http.serving import connected
from tests.servers.l7_balancer.balanced import Balanced, balanced, members, origins, who
from tests.servers.proxies import listening, program, run, when
from tests.servers.upstream_process import is_there, web


async def many(proxy: Balanced, count: int, target: str = "/", method: str = "GET") -> Counter[str]:
    """What so many clients at once are answered: who it was, or the status, or `cut`."""

    async def one() -> str:
        request = f"{method} {target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        async with connected(proxy.port) as client:
            await client.send(request.encode())
            try:
                answer = await client.all()
            except ConnectionResetError:
                answer = b""
        return who(answer) if answer else "cut"

    return Counter(await asyncio.gather(*(one() for _ in range(count))))


def load(proxy: Balanced, count: int, target: str, method: str = "GET") -> asyncio.Task[Counter[str]]:
    return proxy.server.tasks.start(many(proxy, count, target, method), f"{count} clients")


def legs(proxy: Balanced) -> list[Flow]:
    """Requests to upstreams; they have a client once they are sent."""
    return [flow for flow in proxy.of_kind("http") if flow.is_leg]


async def test_killed_in_the_middle_of_answers() -> None:
    """An answer that has begun is cut, and a POST may have been done already; 40 GETs are answered by another."""
    async with origins("b") as (b,):
        with web("a") as dying:
            async with balanced(dying.port, b.port, balance="first", level=Level.SUMMARY) as proxy:
                async with connected(proxy.port) as client:
                    await client.send(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
                    await client.exactly(1 << 20)
                    gets, posts = load(proxy, 40, "/never"), load(proxy, 5, "/never", "POST")
                    await when(lambda: len(asked := legs(proxy)) == 46 and all(leg.client for leg in asked))
                    await asyncio.to_thread(dying.kill)
                    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                        await client.exactly(1 << 30)
                assert await gets == {"b": 40}
                assert await posts == {"502": 5}
                assert await many(proxy, 100) == {"b": 100}


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\xffHTTP is what this is not\r\n\r\n")


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def broken(how: str) -> AsyncIterator[int]:
    """The port of an upstream with which something is wrong."""
    if how == "stopped":
        with web("a") as stopped:
            stopped.stop()
            yield stopped.port
    elif how == "accepting and silent":
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield silent.getsockname()[1]
    elif how == "refusing":
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            yield bound.getsockname()[1]
    else:
        async with listening(garbage if how == "garbage" else hangs_up) as port:
            yield port


@pytest.mark.parametrize("how", ["stopped", "accepting and silent", "refusing", "garbage", "hanging up"])
async def test_who_is_broken_has_clients_notice_nothing(how: str) -> None:
    """20 GETs at once are answered by another. What had to be repeated is counted, until the breaker opens and nobody
    goes there any more.
    """
    options: dict[str, Any] = {"try_timeout": 0.1, "breaker_failures": 3, "balance": "first", "level": Level.SUMMARY}
    async with origins("b") as (b,), broken(how) as port, balanced(port, b.port, **options) as proxy:
        assert await many(proxy, 2) == {"b": 2}
        assert await many(proxy, 20) == {"b": 20}
        (bad, _) = members(proxy)
        assert 3 <= bad.errors <= 22
        tries = bad.total
        assert await many(proxy, 20) == {"b": 20}
        assert await many(proxy, 2, method="POST") == {"b": 2}
        assert bad.total == tries


async def test_who_only_refuses_costs_no_post_either() -> None:
    """Nothing was sent to it, so that repeating does no harm."""
    async with origins("b") as (b,), broken("refusing") as port, balanced(port, b.port) as proxy:
        assert await many(proxy, 10, method="POST") == {"b": 10}


async def test_who_was_stopped_and_goes_on_has_work_again() -> None:
    with web("a") as stopped:
        options: dict[str, Any] = {"try_timeout": 0.3, "breaker_failures": 1, "balance": "first"}
        async with origins("b") as (b,), balanced(stopped.port, b.port, **options) as proxy:
            await is_there(stopped)
            assert await many(proxy, 1) == {"a": 1}
            stopped.stop()
            assert await many(proxy, 3) == {"b": 3}
            stopped.go_on()
            await is_there(stopped)
            proxy.clock.jump(10)
            assert await many(proxy, 1) == {"a": 1}
            assert await many(proxy, 10) == {"a": 10}


async def test_all_down_and_back() -> None:
    with web("a") as first:
        async with balanced(first.port, breaker_failures=3, level=Level.SUMMARY) as proxy:
            assert await many(proxy, 10) == {"a": 10}
            first.kill()
            found = await many(proxy, 20)
            assert set(found) <= {"502", "503"}
            (member,) = members(proxy)
            errors = member.errors
            answer = await proxy.get()
            assert who(answer) == "503"
            assert b"\r\nRetry-After: 5\r\n" in answer
            assert member.errors == errors  # it was not even tried
            with web("a", port=first.port):
                proxy.clock.jump(5)
                assert await many(proxy, 1) == {"a": 1}
                assert await many(proxy, 20) == {"a": 20}


async def test_coming_and_going() -> None:
    """Killed and started anew four times while 20 clients at a time ask: none of 160 fails."""
    with web("b") as b, web("a") as first:
        options: dict[str, Any] = {"breaker_failures": 100, "level": Level.SUMMARY, "balance": "first"}
        async with balanced(first.port, b.port, **options) as proxy:
            found = Counter[str]()
            for _ in range(4):
                with web("a", port=first.port) if first.process.returncode is not None else nullcontext(first) as a:
                    assert await many(proxy, 1) == {"a": 1}  # its breaker lets one through, to see
                    assert await many(proxy, 20) == {"a": 20}
                    asked = load(proxy, 20, "/")
                    await when(lambda: members(proxy)[0].active > 0)
                    await asyncio.to_thread(a.kill)
                    found += await asked
                proxy.clock.jump(100)
            assert found["a"] + found["b"] == 80


@pytest.mark.one_loop
@pytest.mark.parametrize("balance", ["least_connections", "power_of_two_choices", "peak_ewma"])
async def test_half_the_pool_is_slow(balance: str) -> None:
    """Of 120 requests of 8 clients that ask again and again, those who look at what upstreams have to do give the slow
    half a third at most, where round_robin would give it 60.
    """
    with web("slow", delay=0.1) as slow, web("fast") as fast:
        ports = [slow.port, fast.port, slow.port, fast.port]
        async with balanced(*ports, balance=balance, level=Level.SUMMARY) as proxy:

            async def client() -> Counter[str]:
                return sum([await many(proxy, 1) for _ in range(15)], Counter())

            found: Counter[str] = sum(await asyncio.gather(*(client() for _ in range(8))), Counter())
            assert found["slow"] + found["fast"] == 120
            assert found["slow"] <= 40, found


@pytest.mark.one_loop
async def test_weights_change_every_50_ms_under_1000_clients() -> None:
    """wrk keeps 1,000 connections busy for two seconds: not one error, only answers of 200, and each has its share."""
    wrk = program("wrk")
    with web("a") as a, web("b") as b:
        options: dict[str, Any] = {"balance": "weighted_round_robin", "level": Level.SUMMARY}
        async with balanced(a.port, b.port, **options) as proxy:
            command = [wrk, "-t1", "-c1000", "-d2s", "--timeout", "20s", f"http://127.0.0.1:{proxy.port}/"]
            asking = proxy.server.tasks.start(run(*command), "1,000 clients")
            changes = 0
            while not asking.done():
                for number, member in enumerate(members(proxy)):
                    weight = str((changes + number) % 3)
                    proxy.server.steering.act("weight", upstream=member.name, value=weight)
                changes += 1
                await asyncio.wait([asking], timeout=0.05)
            code, said, errors = await asking
            assert (code, errors) == (0, "")
            assert "Socket errors" not in said, said
            assert "Non-2xx" not in said, said
            assert changes > 10
            totals = [member.total for member in members(proxy)]
            assert min(totals) > sum(totals) / 4
