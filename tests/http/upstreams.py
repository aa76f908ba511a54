"""Upstreams that say exactly what a test wants, and remember what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from netlab.flow import Level
from netlab.http.exchange import Exchange
from netlab.http.gateway import Gateway, GatewaySettings, Way
from netlab.net.dial import Dialer
from netlab.net.pool import Origin
from netlab.policy.faults import Faults
from netlab.policy.forwarding import Hop
from tests.http.serving import App, serving

Script = Callable[["Called"], Awaitable[None]]


class Called:
    """One connection that came to an upstream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard = b""

    async def head(self) -> bytes:
        """A request's head."""
        data = await self.reader.readuntil(b"\r\n\r\n")
        self.heard += data
        return data

    async def exactly(self, count: int) -> bytes:
        data = await self.reader.readexactly(count)
        self.heard += data
        return data

    async def until(self, mark: bytes) -> bytes:
        data = await self.reader.readuntil(mark)
        self.heard += data
        return data

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def always_ok(called: Called) -> None:
    while True:
        await called.head()
        await called.say(OK)


def named(name: str, *, status: int = 200) -> Script:
    """An upstream that answers with its name and the head it was sent."""

    async def script(called: Called) -> None:
        while True:
            head = await called.head()
            body = name.encode() + b"\n" + head
            await called.say(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    return script


def saying(*answers: bytes) -> Script:
    """An upstream with these answers, one after the other on each connection, which it closes behind the last."""

    async def script(called: Called) -> None:
        for answer in answers:
            await called.head()
            await called.say(answer)

    return script


async def silent(called: Called) -> None:
    """Takes requests and says nothing."""
    await called.reader.read(-1)


async def dying(called: Called) -> None:
    """Takes a request's head and resets the connection."""
    await called.head()
    called.reset()


class Scripted:
    """An upstream whose every connection follows a script; `calls` are the connections so far."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls: list[Called] = []
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called = Called(reader, writer)
        self.calls.append(called)
        try:
            await self.script(called)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway has left
        finally:
            writer.close()


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Scripted]:
    upstream = Scripted(script)
    server = await asyncio.start_server(upstream._serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for called in upstream.calls:
            called.writer.transport.abort()


@asynccontextmanager
async def gateway_to(
    port: int, host: str = "127.0.0.1", *, faults: Faults | None = None, **settings: float
) -> AsyncIterator[tuple[App, int, Gateway]]:
    """A gateway whose every request goes to one upstream; afterwards no lease is left."""
    made: list[Gateway] = []

    def handle(exchange: Exchange) -> None:
        gateway = made[0]
        request = exchange.request
        origin = Origin("http", host, port)
        gateway.forward(exchange, Way(origin=origin, target=request.path, fields=gateway.onward(exchange, "up")))

    async with serving(handle, level=Level.FULL, faults=faults) as (app, front):
        hop = Hop(name="netlab-test")
        given = GatewaySettings(**settings)  # type: ignore[arg-type]  # the tests' few are floats
        gateway = Gateway(hop, Dialer(app.flows), app.flows, app.tasks, given, faults)
        gateway.sweep.interval = 0.01
        made.append(gateway)
        yield app, front, gateway
        gateway.close()
    assert len(gateway.pool) == 0
    assert len(gateway.sweep) == 0
