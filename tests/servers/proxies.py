"""A proxy for one test, whichever it is: its flows waited for, and afterwards no task, lease or connection left."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pytest

from netlab.clock import LabClock
from netlab.flow import Flow, FlowLog, Level
from netlab.http.gateway import Gateway
from netlab.net.addresses import AddressMap
from netlab.net.gate import Gate
from netlab.net.tasks import Tasks
from netlab.service import Context, running
from tests.http.serving import SECONDS, connected


class Proxy(Protocol):
    """What all proxies have."""

    tasks: Tasks
    gateway: Gateway

    def listeners(self) -> Any: ...


S = TypeVar("S", bound=Proxy)


@dataclass
class Proxied(Generic[S]):
    """A running proxy, and its clock, which stands still."""

    server: S
    ports: list[int]
    flows: FlowLog
    clock: LabClock

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    # -- what flows tell -----------------------------------------------------------------------------------------

    def of_kind(self, kind: str) -> list[Flow]:
        return [flow for flow in self.flows if flow.kind == kind]

    def requests(self) -> list[Flow]:
        """What clients asked for; the legs to upstreams are other flows."""
        return [flow for flow in self.of_kind("http") if flow.parent is None or flow.parent.kind == "tcp"]

    def notes(self, name: str) -> list[dict[str, Any]]:
        """The fields of each event of this name, in the order of the flows."""
        return [event.fields for flow in self.flows for event in flow.events or () if event.name == name]

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

    async def all_ended(self) -> None:
        await self.until(lambda: all(flow.ended for flow in self.flows))

    # -- what clients say ----------------------------------------------------------------------------------------

    async def ask(self, request: bytes) -> bytes:
        """Everything that is answered to these bytes and the end behind them."""
        async with connected(self.port) as client:
            await client.send(request)
            client.end()
            return await client.all()

    async def get(self, target: str = "/", host: str = "shop.test", fields: str = "") -> bytes:
        return await self.ask(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())


@asynccontextmanager
async def relaying(
    make: Callable[[Context], S],
    gate_of: Callable[[S], Gate],
    *,
    level: Level = Level.FULL,
    state: Path | None = None,
    lab: AddressMap | None = None,
    grace: float = 1.0,
) -> AsyncIterator[Proxied[S]]:
    """A proxy on the ports it asks for, with deadlines met soon."""
    clock = LabClock()
    clock.freeze()
    context = Context(
        flows=FlowLog(level), clock=clock, random=random.Random(1), state=state, addresses=lab or AddressMap()
    )
    server = make(context)
    gate = gate_of(server)
    gate._sweep.interval = server.gateway.sweep.interval = 0.01
    async with running(server, grace=grace) as endpoints:
        yield Proxied(server, [endpoint.port for endpoint in endpoints], context.flows, clock)
    assert not server.tasks
    assert not gate.connections
    assert len(server.gateway.pool) == 0
    assert len(server.gateway.sweep) == 0
    async with asyncio.timeout(SECONDS):  # transports say that they are closed in the loop's next turns
        while not all(flow.ended for flow in context.flows):
            await asyncio.sleep(0)


async def when(happened: Callable[[], bool]) -> None:
    """Wait for what nobody tells of."""
    async with asyncio.timeout(SECONDS):
        while not happened():
            await asyncio.sleep(0)


# -- clients and far ends ----------------------------------------------------------------------------------------


async def run(*command: str, **variables: str) -> tuple[int, str, str]:
    """A program's exit code, and what it wrote; with these variables besides our own."""
    environment = {**os.environ, **variables} if variables else None
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1, env=environment)
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


def program(name: str, package: str = "") -> str:
    """The path of a program; without it the test is skipped."""
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if found is None:
        pytest.skip(f"{name} is missing: install the package {package or name}")
    return found


async def curl(*arguments: str, check: bool = True) -> bytes:
    """What curl prints; with `check` it has to end well."""
    process = await asyncio.create_subprocess_exec(
        program("curl"), "-sS", "--noproxy", "", "--max-time", "20", *arguments, stdout=-1, stderr=-1
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


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
