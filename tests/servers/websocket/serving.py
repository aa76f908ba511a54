"""A WebSocket server on a free port, and raw connections to it, for tests that count every byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlab.clock import LabClock
from netlab.config import Address
from netlab.cores.websocket import WebSocketCore, encode_frame
from netlab.cores.websocket_handshake import request_fields
from netlab.flow import Flow, FlowLog, Level
from netlab.service import Context, running
from servers.websocket import Config, Server

SECONDS = 10.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"


@dataclass
class Served:
    server: Server
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def flows(self) -> list[Flow]:
        """The conversations, oldest first."""
        return [flow for flow in self.server.context.flows if flow.kind == "websocket"]

    async def ended(self) -> Flow:
        """The first conversation, once it is over."""
        async with asyncio.timeout(SECONDS):
            while not self.flows or not self.flows[0].ended:
                await asyncio.sleep(0)
        return self.flows[0]


@asynccontextmanager
async def serving(level: Level = Level.FULL, **settings: Any) -> AsyncIterator[Served]:
    clock = LabClock()
    clock.freeze(1_790_000_000)
    server = Server(Config(listen=Address("127.0.0.1", 0), **settings), Context(flows=FlowLog(level), clock=clock))
    async with running(server, grace=2.0) as endpoints:
        yield Served(server, endpoints[0].port)
    assert not server.gate.connections
    assert not len(server.tasks)


class Raw:
    """A connection past every library: bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def frame(self, opcode: int, data: bytes = b"", **more: Any) -> None:
        self.say(encode_frame(opcode, data, **{"mask": MASK} | more))

    async def hear(self, count: int) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        """Everything to the server's end of the connection."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()

    async def head(self) -> str:
        async with asyncio.timeout(SECONDS):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()


def handshake(path: str = "/", **more: str) -> bytes:
    fields = dict(request_fields(KEY)) | {"Host": "x"} | {name.replace("_", "-"): more[name] for name in more}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


@asynccontextmanager
async def raw(served: Served, path: str = "/", *, upgrade: bool = True, **more: str) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        connection = Raw(reader, writer)
        if upgrade:
            connection.say(handshake(path, **more))
            assert (await connection.head()).startswith("HTTP/1.1 101 ")
        yield connection
    finally:
        writer.close()


def client_core(**settings: Any) -> WebSocketCore:
    return WebSocketCore(mask=lambda: MASK, **settings)


@asynccontextmanager
async def serving_tls(state: Path) -> AsyncIterator[int]:
    """The same over TLS, with a certificate of the authority whose state is there; gives the port."""
    settings = {"listen": Address("127.0.0.1", 0), "tls_listen": Address("127.0.0.1", 0), "tls": True}
    server = Server(Config(**settings), Context(state=state))  # type: ignore[arg-type]  # by name
    async with running(server, grace=2.0) as endpoints:
        yield next(endpoint.port for endpoint in endpoints if endpoint.scheme == "wss")
