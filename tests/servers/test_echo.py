"""The plain services: each mode over TCP and UDP, its bounds, its flows; spoken to by sockets and by bash."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from captures.dissect import packet
from netlab.clock import LabClock
from netlab.config import Address
from netlab.flow import Flow, FlowLog, Level, Outcome
from netlab.service import Context, running
from servers.echo import LARGEST_CHARGEN, ROUND, Config, Server

SECONDS = 10.0


@asynccontextmanager
async def serving(
    *, host: str = "127.0.0.1", level: Level = Level.FULL, **settings: Any
) -> AsyncIterator[tuple[Server, int]]:
    clock = LabClock()
    clock.freeze(1_790_000_000)
    server = Server(
        Config(listen=Address(host, 0), **settings), Context(flows=FlowLog(level), clock=clock, random=Random(7))
    )
    async with running(server, grace=0.5) as endpoints:
        assert [endpoint.scheme for endpoint in endpoints] == ["tcp", "udp"]
        assert endpoints[0].port == endpoints[1].port
        yield server, endpoints[0].port
    assert not server.gate.connections


async def talk(port: int, data: bytes, *, end: bool = True) -> bytes:
    """Send, end our half, and read to the server's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(SECONDS):
        writer.write(data)
        if end:
            writer.write_eof()
        answer = await reader.read()
    writer.close()
    return answer


async def ask(port: int, data: bytes, *, seconds: float = SECONDS) -> bytes | None:
    """One datagram and its answer; None where none comes in time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        sock.send(data)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().sock_recv(sock, 65_536)
        except TimeoutError:
            return None


async def ended(server: Server, kind: str, count: int = 1) -> list[Flow]:
    """The flows of a kind, once so many have ended."""
    woken = asyncio.Event()
    flows = server.context.flows
    subscription = flows.subscribe(woken.set)
    async with asyncio.timeout(SECONDS):
        while len(found := [flow for flow in flows if flow.kind == kind and flow.ended]) < count:
            await woken.wait()
            woken.clear()
            subscription.take()
    subscription.close()
    return found


# -- TCP ----------------------------------------------------------------------------------------------------------


async def test_echo_sends_back_what_comes() -> None:
    data = bytes(range(256)) * 4000
    async with serving() as (server, port):
        assert await talk(port, data) == data
        [flow] = await ended(server, "tcp")
    assert (flow.label, flow.outcome) == ("echo", Outcome.OK)
    assert (flow.received, flow.sent) == (len(data), len(data))


async def test_discard_says_nothing() -> None:
    async with serving(mode="discard") as (server, port):
        assert await talk(port, b"x" * 100_000) == b""
        [flow] = await ended(server, "tcp")
    assert (flow.received, flow.sent) == (100_000, 0)


async def test_daytime_tells_the_labs_time() -> None:
    async with serving(mode="daytime") as (_, port):
        assert await talk(port, b"", end=False) == b"Monday, 21 September 2026 14:13:20 UTC\r\n"


@pytest.mark.parametrize("size", [1, 74, len(ROUND), 300_001])
async def test_chargen_is_bounded(size: int) -> None:
    async with serving(mode="chargen", size=size) as (server, port):
        assert await talk(port, b"ignored") == (ROUND * (size // len(ROUND) + 1))[:size]
        [flow] = await ended(server, "tcp")
    assert flow.sent == size


def test_chargens_lines_are_rfc_864s() -> None:
    lines = ROUND.split(b"\r\n")[:-1]
    assert len(lines) == 95
    assert all(len(line) == 72 for line in lines)
    assert lines[0] == bytes(range(32, 104))
    assert all(second[:-1] == first[1:] for first, second in itertools.pairwise(lines))


async def test_who_does_not_read_is_not_read_from() -> None:
    """Back-pressure: neither side's buffers grow with what a client sends that takes nothing back."""
    async with serving() as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
        stuck = await fill(writer)
        assert stuck
        [connection] = server.gate.connections
        assert connection.writing_paused
        assert connection.transport.get_write_buffer_size() < 4 << 20
        writer.transport.abort()
        del reader
        [flow] = await ended(server, "tcp")
    assert flow.received < 64 << 20


async def fill(writer: asyncio.StreamWriter) -> bool:
    """Write until nothing goes any more; False if there is no end."""
    try:
        for _ in range(4000):
            async with asyncio.timeout(0.5):
                writer.write(b"x" * 65_536)
                await writer.drain()
    except TimeoutError:
        return True
    return False


async def test_a_silent_client_is_let_go() -> None:
    async with serving(idle_timeout=0.05) as (server, port):
        assert await talk(port, b"", end=False) == b""
        [flow] = await ended(server, "tcp")
    assert flow.outcome == Outcome.OK  # an idle end is no failure


async def test_draining_ends_what_is_open() -> None:
    async with serving() as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
    assert await reader.read() == b""
    writer.close()
    assert not server.tasks


@pytest.mark.skipif(sys.platform != "linux", reason="saved SYNs are Linux's")
async def test_the_syn_is_kept_with_the_flow() -> None:
    async with serving() as (server, port):
        await talk(port, b"")
        [flow] = await ended(server, "tcp")
    assert flow.details is not None
    _, tcp = packet(bytes.fromhex(flow.details["syn"]))
    assert flow.client is not None
    assert tcp.value("tcp.srcport") == flow.client[1]


# -- UDP ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", b"hello\0", b"y" * 20_000])
async def test_echo_of_datagrams(data: bytes) -> None:
    async with serving() as (server, port):
        assert await ask(port, data) == data
        [flow] = await ended(server, "udp")
    assert (flow.received, flow.sent, flow.outcome) == (len(data), len(data), Outcome.OK)
    assert flow.wire is not None
    assert flow.wire.read("client") == flow.wire.read("server") == data
    assert [event.name for event in flow.events or ()] == ["datagram.received", "datagram.sent"]


async def test_datagrams_of_the_other_modes() -> None:
    async with serving(mode="daytime") as (_, port):
        assert await ask(port, b"") == b"Monday, 21 September 2026 14:13:20 UTC\r\n"
    async with serving(mode="chargen") as (_, port):
        answers = [await ask(port, b"") for _ in range(20)]
        assert all(answer is not None and len(answer) <= LARGEST_CHARGEN for answer in answers)
        assert all((answer or b"") in ROUND * 2 for answer in answers)
    async with serving(mode="discard") as (server, port):
        assert await ask(port, b"x", seconds=0.1) is None
        [flow] = await ended(server, "udp")
        assert flow.result == "dropped"


async def test_a_service_port_is_not_answered() -> None:
    """Two echo servers that answer each other would never stop."""
    async with serving() as (server, _):
        answers: list[bytes] = []

        class Wire:
            address = ("127.0.0.1", 7)

            def send(self, data: bytes, peer: Any) -> None:
                answers.append(data)

        wire: Any = Wire()
        server.datagram(wire, b"ping", ("127.0.0.1", 19))
        server.datagram(wire, b"ping", ("127.0.0.1", 1024))
        assert answers == [b"ping"]
        refused, _ = await ended(server, "udp", 2)
    assert refused.outcome == Outcome.REFUSED


async def test_at_level_off_nothing_is_kept() -> None:
    async with serving(level=Level.OFF) as (server, port):
        assert await ask(port, b"x") == b"x"
        assert await talk(port, b"y") == b"y"
        assert len(server.context.flows) == 0
        assert server.context.flows.counters.opened == 2


# -- others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_bash_speaks_to_it(protocol: str) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed: install the package bash")
    async with serving() as (_, port):
        script = f"exec 3<>/dev/{protocol}/127.0.0.1/{port}; printf 'hello\\n' >&3; head -n 1 <&3"
        process = await asyncio.create_subprocess_exec("bash", "-c", script, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate()
    assert out == b"hello\n"


@pytest.mark.parametrize("host", ["::1", "localhost"])
async def test_ipv6(host: str) -> None:
    async with serving(host=host) as (_, port):
        reader, writer = await asyncio.open_connection("::1", port)
        writer.write(b"six")
        async with asyncio.timeout(SECONDS):
            assert await reader.readexactly(3) == b"six"
        writer.close()
