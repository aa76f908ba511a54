"""Upstreams that are processes, and what happens to clients when these are killed, stopped, away, or come and go.

Afterwards every counter, lease and session of the balancer is zero: `balancing` looks.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import pytest

from netlab.flow import Level, Outcome
from netlab.net import relay, splice
from tests.http.serving import connected
from tests.servers.l4_balancer.balanced import LINUX, balancing, is_reset, named, said, upstream

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


@dataclass
class Running:
    """An upstream of its own process: it says its name, and then what it hears."""

    port: int
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def process(name: str, port: int = 0) -> Iterator[Running]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(1024)
        port = listening.getsockname()[1]
        command = [sys.executable, "-I", "-c", PROGRAM, str(listening.fileno()), name]
        started = subprocess.Popen(command, pass_fds=[listening.fileno()], stderr=subprocess.DEVNULL)
    try:
        yield Running(port, started)
    finally:
        started.kill()
        started.wait()


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
