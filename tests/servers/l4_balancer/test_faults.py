"""Upstreams that are processes, and what happens to clients when these are killed, stopped, away, or come and go.

Afterwards every counter, lease and session of the balancer is zero: `balancing` looks.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import socket
from collections import Counter
from contextlib import AbstractContextManager, AsyncExitStack

import pytest

from netlab.flow import Level, Outcome
from netlab.net import relay, splice
from tests.http.serving import connected
from tests.servers import upstream_process
from tests.servers.l4_balancer.balanced import LINUX, balancing, is_reset, named, said, upstream
from tests.servers.proxies import program, run
from tests.servers.upstream_process import Running, web

pytestmark = LINUX

PROGRAM = """
import asyncio, socket, sys
async def talk(reader, writer):
    writer.write(sys.argv[2].encode() + b"\\n")
    while data := await reader.read(65536):
        writer.write(bytes(1 << 24) if data == b"much" else data)
        await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(talk, sock=socket.socket(fileno=int(sys.argv[1])), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""


def process(name: str, port: int = 0) -> AbstractContextManager[Running]:
    """One that says its name, and then what it hears."""
    return upstream_process.process(PROGRAM, name, port=port)


async def many(port: int, count: int) -> Counter[bytes]:
    """What so many clients at once are told, the names that they hear first, or `reset`."""

    async def one() -> bytes:
        try:
            return (await said(port, b"x")).partition(b"\n")[0]
        except ConnectionResetError:
            return b"reset"

    return Counter(await asyncio.gather(*(one() for _ in range(count))))


async def test_killed_in_the_middle_of_an_answer() -> None:
    """Who had it is cut off; of all who come then, none notices."""
    with process("a") as dying:
        async with upstream(named("b")) as b, balancing(dying.port, b, level=Level.SUMMARY) as balanced:
            async with connected(balanced.port) as client:
                assert await client.until(b"\n") == b"a\n"
                await client.send(b"much")
                await client.exactly(1 << 20)
                await asyncio.to_thread(dying.kill)
                with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                    await client.exactly(1 << 24)
            assert await many(balanced.port, 100) == {b"b": 100}
            await balanced.ended(101)
            assert balanced.sessions[0].sent > 1 << 20
            assert splice.AVAILABLE
            assert balanced.server.pipes.leased == 0


async def test_stopped() -> None:
    """Its kernel still takes connections: they hang until the idle deadline, twice; then nobody goes there."""
    with process("a") as stopped:
        options = {"idle_timeout": 0.4, "breaker_failures": 2, "balance": "first"}
        async with upstream(named("b")) as b, balancing(stopped.port, b, **options) as balanced:
            assert await said(stopped.port) == b"a\n"  # it has come up
            stopped.stop()
            assert await many(balanced.port, 2) == {b"": 2}
            assert await many(balanced.port, 20) == {b"b": 20}
            assert [flow.outcome for flow in balanced.sessions[:2]] == [Outcome.TIMEOUT] * 2
            stopped.go_on()
            balanced.clock.jump(10)
            assert await said(balanced.port) == b"a\n"


async def test_all_down_and_back() -> None:
    with process("a") as first:
        port = first.port
        async with balancing(port, breaker_failures=3) as balanced:
            assert await many(balanced.port, 10) == {b"a": 10}
            first.kill()
            assert await many(balanced.port, 20) == {b"reset": 20}
            errors = balanced.members[f"127.0.0.1:{port}"].errors
            assert await many(balanced.port, 20) == {b"reset": 20}
            assert balanced.members[f"127.0.0.1:{port}"].errors == errors  # it was not even tried
            with process("a", port):
                assert await is_reset(balanced.port)
                balanced.clock.jump(10)
                assert await said(balanced.port) == b"a\n"
                assert await many(balanced.port, 20) == {b"a": 20}


async def test_coming_and_going() -> None:
    """It refuses and accepts by turns, a dozen times; no client fails that another upstream could have."""
    turns, clients = 12, 25
    async with upstream(named("b")) as b:
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        async with balancing(port, b, breaker_failures=100, balance="first", level=Level.SUMMARY) as balanced:
            found: Counter[bytes] = Counter()
            for turn in range(turns):
                if turn % 2:
                    found += await many(balanced.port, clients)
                else:
                    server = await asyncio.start_server(greet, "127.0.0.1", port, backlog=1024)
                    found += await many(balanced.port, clients)
                    server.close()
                balanced.clock.jump(100)  # what failed is tried again
            assert found[b"a"] + found[b"b"] == turns * clients
            assert found[b"a"] >= turns // 2
            assert balanced.members[f"127.0.0.1:{port}"].errors >= turns // 2


async def test_half_the_pool_is_slow() -> None:
    """Of 90 connections of 6 clients, those to whom the quick are a matter of course give the slow half 30 at most."""
    with web("slow", delay=0.1) as slow, web("fast") as fast:
        ports = [slow.port, fast.port, slow.port, fast.port]
        async with balancing(*ports, balance="least_connections", level=Level.SUMMARY) as balanced:

            async def client() -> list[bytes]:
                request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
                return [(await said(balanced.port, request))[-4:] for _ in range(15)]

            found = Counter(itertools.chain(*await asyncio.gather(*(client() for _ in range(6)))))
            assert found[b"slow"] + found[b"fast"] == 90
            assert found[b"slow"] <= 30, found


@pytest.mark.one_loop
async def test_weights_and_settings_change_every_50_ms_under_1000_clients() -> None:
    """wrk has 1,000 clients connect, ask and leave for a second: not one error, and each upstream has its share."""
    wrk = program("wrk")
    with web("a") as a, web("b") as b:
        async with balancing(a.port, b.port, balance="weighted_round_robin", level=Level.SUMMARY) as balanced:
            url = f"http://127.0.0.1:{balanced.port}/"
            command = [wrk, "-t1", "-c1000", "-d1s", "--timeout", "20s", "-H", "Connection: close", url]
            asking, config, changes = balanced.server.tasks.start(run(*command), "clients"), balanced.server.config, 0
            while not asking.done():
                for number, name in enumerate(balanced.members):
                    balanced.server.steering.act("weight", upstream=name, value=str((changes + number) % 3))
                balanced.server.reload(dataclasses.replace(config, retries=changes % 3, slow_start=float(changes % 2)))
                changes += 1
                await asyncio.wait([asking], timeout=0.05)
            code, told, errors = await asking
            assert (code, errors) == (0, "")
            assert "Socket errors" not in told, told
            assert "Non-2xx" not in told, told
            assert changes > 10
            totals = [member.total for member in balanced.members.values()]
            assert min(totals) > sum(totals) / 4


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await named("a")(reader, writer)
    writer.close()


async def test_the_balancer_ends_under_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is connected is let go of, and nothing is left."""
    monkeypatch.setattr(relay, "QUIET", 0.1)
    with process("a") as one:
        async with AsyncExitStack() as clients:
            async with balancing(one.port, level=Level.SUMMARY) as balanced:
                for _ in range(50):
                    client = await clients.enter_async_context(connected(balanced.port))
                    assert await client.until(b"\n") == b"a\n"
                    await client.send(b"x")
            assert len(balanced.sessions) == 50
