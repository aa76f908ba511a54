"""A forward proxy for one test, an origin to reach through it, and the programs that people reach it with."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netlab.clock import LabClock
from netlab.config import Address
from netlab.flow import Flow, FlowLog, Level
from netlab.net.addresses import AddressMap
from netlab.service import Context, running
from servers.forward_proxy import Config, Server
from tests.http.serving import SECONDS


@dataclass
class Proxied:
    """A running proxy."""

    server: Server
    port: int
    flows: FlowLog
    clock: LabClock

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def of_kind(self, kind: str) -> list[Flow]:
        return [flow for flow in self.flows if flow.kind == kind]

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that flows tell of."""
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

    async def ended(self, kind: str, count: int = 1) -> list[Flow]:
        """The flows of this kind, as soon as so many have ended."""
        await self.until(lambda: sum(bool(flow.ended) for flow in self.of_kind(kind)) >= count)
        return [flow for flow in self.of_kind(kind) if flow.ended]


@asynccontextmanager
async def proxying(
    *, level: Level = Level.FULL, state: Path | None = None, lab: AddressMap | None = None, **options: Any
) -> AsyncIterator[Proxied]:
    """A proxy on a free port; afterwards no connection, lease, pipe or task of it is left."""
    clock = LabClock()
    context = Context(flows=FlowLog(level), clock=clock, random=random.Random(1), state=state)
    if lab is not None:
        context.addresses = lab
    options.setdefault("listen", Address("127.0.0.1", 0))
    server = Server(Config(**options), context)
    server.proxy.gate._sweep.interval = server.gateway.sweep.interval = 0.01
    async with running(server, grace=0.5) as endpoints:
        yield Proxied(server, endpoints[0].port, context.flows, clock)
    assert not server.tasks
    assert not server.proxy.gate.connections
    assert len(server.gateway.pool) == 0
    assert len(server.gateway.sweep) == 0
    assert server.proxy.tunnels.pipes is None or server.proxy.tunnels.pipes.leased == 0
    async with asyncio.timeout(SECONDS):  # transports say that they are closed in the loop's next turns
        while not all(flow.ended for flow in context.flows):
            await asyncio.sleep(0)


async def curl(*arguments: str, check: bool = True) -> bytes:
    """What curl prints; with `check` it has to end well."""
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: install the package curl")
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--noproxy", "", "--max-time", "20", *arguments, stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    assert not check or process.returncode == 0, err.decode()
    return out


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A plain TCP server on a free port; what a peer does to it is not its failure."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            if not writer.is_closing():
                writer.transport.abort()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything back, until the peer's end; then a last word."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write(b"bye")


async def when(happened: Callable[[], bool]) -> None:
    """Wait for something that no flow tells of."""
    async with asyncio.timeout(SECONDS):
        while not happened():
            await asyncio.sleep(0.001)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
