"""A service for one handler, and a client that says exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from netlab.flow import Flow, FlowLog, Level
from netlab.http.engine import Handler, HttpService
from netlab.http.settings import HttpSettings
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.service import running

SECONDS = 10.0
"""The deadline of every wait in a test: long enough for a busy machine, never the point of a test."""


class App:
    """An HTTP service around one handler, on a free port."""

    def __init__(self, handler: Handler, *, limits: GateLimits | None = None, **settings: Any) -> None:
        self.flows = FlowLog(settings.pop("level", Level.FULL))
        self.tasks = Tasks("test")
        self.gate = Gate(limits, interval=0.01)
        faults = settings.pop("faults", None)
        self.http = HttpService("test", handler, HttpSettings(**settings), self.flows, self.tasks, faults)

    def listeners(self) -> list[Listener]:
        return [
            Listener(
                name="test",
                scheme="http",
                host="127.0.0.1",
                port=0,
                factory=lambda: self.http.connection(self.gate),
                gate=self.gate,
            )
        ]

    def http_flows(self) -> list[Flow]:
        return [flow for flow in self.flows if flow.kind == "http"]


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def end(self) -> None:
        self.writer.write_eof()

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readuntil(mark)

    async def exactly(self, count: int) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(count)

    async def all(self) -> bytes:
        """Everything up to the server's end."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()

    async def response(self) -> tuple[bytes, bytes]:
        """Head and content of a response whose length is declared."""
        head = await self.until(b"\r\n\r\n")
        length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        return head, await self.exactly(int(length[0].partition(b":")[2])) if length else b""

    def reset(self) -> None:
        """End with RST: the one way to leave that cannot be taken for a half-close."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def serving(handler: Handler, *, grace: float = 1.0, **settings: Any) -> AsyncIterator[tuple[App, int]]:
    """An App on a port, and afterwards no task and no connection left."""
    app = App(handler, **settings)
    async with running(app, grace=grace) as endpoints:
        yield app, endpoints[0].port
    assert not app.tasks
    assert not app.gate.connections


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    try:
        yield client
    finally:
        writer.transport.abort()


async def ended(app: App, count: int = 1) -> list[Flow]:
    """The HTTP flows, as soon as so many have ended."""
    woken = asyncio.Event()
    subscription = app.flows.subscribe(woken.set)
    try:
        async with asyncio.timeout(SECONDS):
            while len(done := [flow for flow in app.http_flows() if flow.ended]) < count:
                await woken.wait()
                woken.clear()
                subscription.take()
    finally:
        subscription.close()
    return done
