"""A balancer for one test, upstreams that say who they are, and what must be left of all: nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netlab.clock import LabClock
from netlab.config import Address
from netlab.flow import Flow, FlowLog, Level
from netlab.net import poller
from netlab.net.listen import Endpoint
from netlab.service import Context, running
from servers.l4_balancer import Config, Server
from servers.l4_balancer.pool import Member
from servers.l4_balancer.route import RouteRule
from servers.l4_balancer.target import Target
from tests.http.serving import SECONDS

LINUX = pytest.mark.skipif(not poller.AVAILABLE, reason="epoll is Linux's")
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Balanced:
    """A running balancer."""

    server: Server
    endpoints: list[Endpoint]
    flows: FlowLog
    clock: LabClock

    @property
    def port(self) -> int:
        return self.endpoints[0].port

    @property
    def members(self) -> dict[str, Member]:
        return {member.name: member for member in self.server.pools.members()}

    @property
    def sessions(self) -> list[Flow]:
        """What clients opened; the legs to upstreams are other flows."""
        return [flow for flow in self.flows if not flow.is_leg]

    @property
    def legs(self) -> list[Flow]:
        return [flow for flow in self.flows if flow.is_leg]

    def notes(self, name: str) -> list[dict[str, Any]]:
        """The fields of each event of this name, in the order of the flows."""
        return [event.fields for flow in self.flows for event in flow.events or () if event.name == name]

    async def ended(self, count: int = 1) -> Flow:
        """The last session, as soon as so many have ended."""
        await self.until(lambda: sum(bool(flow.ended) for flow in self.sessions) >= count)
        return self.sessions[-1]

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for what flows tell of."""
        woken = asyncio.Event()
        subscription = self.flows.subscribe(woken.set)
        try:
            async with asyncio.timeout(SECONDS):
                while not happened():
                    await woken.wait()
                    woken.clear()
                    subscription.take()
        finally:
            subscription.close()


@asynccontextmanager
async def balancing(
    *to: int | str,
    routes: tuple[str, ...] = (),
    level: Level = Level.FULL,
    state: Path | None = None,
    names: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Balanced]:
    """A balancer to these ports, or upstreams as they are written; afterwards no task, lease or count is left."""
    clock = LabClock()
    clock.freeze()
    context = Context(flows=FlowLog(level), clock=clock, random=random.Random(1), state=state)
    for name, address in (names or {}).items():
        context.addresses.add(name, address)
    targets = tuple(Target.parse(f"127.0.0.1:{one}" if isinstance(one, int) else one) for one in to)
    rules = tuple(map(RouteRule.parse, routes))
    server = Server(Config(listen=Address("127.0.0.1", 0), to=targets, route=rules, **options), context)
    server.gate._sweep.interval = server.datagrams.sweep.interval = 0.01
    async with running(server, grace=2.0) as endpoints:
        balanced = Balanced(server, list(endpoints), context.flows, clock)
        yield balanced
    assert not server.tasks
    assert not server.gate.connections
    assert not server.datagrams.sessions
    assert not len(server.datagrams.sweep)
    assert server.pipes.leased == 0
    async with asyncio.timeout(SECONDS):  # transports say that they are closed in the loop's next turns
        while not all(flow.ended for flow in context.flows):
            await asyncio.sleep(0)
    assert [member.active for member in balanced.members.values()] == [0] * len(balanced.members)


@asynccontextmanager
async def upstream(talk: Talk, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server on a free port, which runs this for each connection and then ends it."""

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(called, host, 0, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def named(name: str) -> Talk:
    """Says its name, then what it hears, in capitals, until the client has ended."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{name}\n".encode())
        while data := await reader.read(1 << 16):
            writer.write(data.upper())
            await writer.drain()

    return talk


@asynccontextmanager
async def upstreams(*talks: Talk) -> AsyncIterator[list[int]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(upstream(talk)) for talk in talks]


async def said(port: int, data: bytes = b"", *, host: str = "127.0.0.1") -> bytes:
    """Everything that is answered to these bytes and the end behind them."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(SECONDS):
            return await reader.read()
    finally:
        writer.transport.abort()


async def is_reset(port: int) -> bool:
    """Whether a connection is ended by RST, be it before it is known to stand."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionResetError:
        return True
    try:
        async with asyncio.timeout(SECONDS):
            await reader.read()
    except ConnectionResetError:
        return True
    finally:
        writer.transport.abort()
    return False
