"""An upstream that h11 reads for, which remembers every byte; and both proxies before it, asked in the same way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11

from netlab.http.gateway import Gateway
from tests.http.serving import Client, connected
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.proxies import Proxied
from tests.servers.reverse_proxy.proxied import proxied


@dataclass
class Judge:
    """What has come to the upstream: bytes by connection, whole requests, and what was none."""

    heard: list[bytes] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)  # method, target, content
    begun: list[str] = field(default_factory=list)  # targets of heads
    faults: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.heard)
        self.heard.append(b"")
        core = h11.Connection(h11.SERVER)
        try:
            while data := await reader.read(1 << 16):
                self.heard[number] += data
                core.receive_data(data)
                writer.write(self._answers(core))
        except h11.RemoteProtocolError as error:
            self.faults.append(f"{error}: {self.heard[number]!r}")
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _answers(self, core: h11.Connection) -> bytes:
        out = b""
        while True:
            event = core.next_event()
            match event:
                case h11.Request():
                    self._head, self._content = event, b""
                    self.begun.append(event.target.decode())
                case h11.Data():
                    self._content += bytes(event.data)
                case h11.EndOfMessage():
                    head = self._head
                    self.requests.append((head.method.decode(), head.target.decode(), self._content))
                    out += core.send(h11.Response(status_code=200, headers=[("Content-Length", "0")])) or b""
                    out += core.send(h11.EndOfMessage()) or b""
                    if core.our_state is h11.DONE and core.their_state is h11.DONE:
                        core.start_next_cycle()
                case _:
                    return out


@dataclass
class Door:
    """A proxy before the judge, and one upstream connection that it keeps, so that there is one to smuggle into."""

    proxy: Proxied[Any]
    judge: Judge
    upstream: str  # HOST:PORT
    absolute: bool  # requests name the upstream

    def asked(self, data: bytes) -> bytes:
        """The same requests as this proxy takes them."""
        if not self.absolute:
            return data
        there = rb"\1 http://%b\2 HTTP/1" % self.upstream.encode()
        return re.sub(rb"(?m)^([!-~]+) (/[!-~]*) HTTP/1", there, data)

    @property
    def gateway(self) -> Gateway:
        gateway: Gateway = self.proxy.server.gateway
        return gateway

    async def warm(self) -> None:
        """Have a connection kept to the upstream, into which something could be smuggled."""
        if len(self.gateway.pool):
            return
        whole = len(self.judge.requests)
        await self.say(self.asked(b"GET /warm HTTP/1.1\r\nHost: a\r\n\r\n"))
        assert self.judge.requests[whole:] == [("GET", "/warm", b"")]
        assert len(self.gateway.pool) == 1

    async def say(self, *pieces: bytes) -> bytes:
        """Everything that is answered to these bytes."""
        async with connected(self.proxy.port) as client:
            await self.send(client, *pieces)
            client.end()
            try:
                return await client.all()
            except ConnectionResetError:
                return b""

    async def send(self, client: Client, *pieces: bytes) -> None:
        """As many reads as there are pieces, if the machine is not too busy."""
        for piece in pieces:
            try:
                await client.send(piece)
            except ConnectionError:
                return  # it has been refused meanwhile
            for _ in range(3 if len(pieces) > 1 else 0):
                await asyncio.sleep(0)


@asynccontextmanager
async def judging() -> AsyncIterator[tuple[Judge, int]]:
    judge = Judge()
    server = await asyncio.start_server(judge.serve, "127.0.0.1", 0)
    try:
        yield judge, server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def reverse(port: int, judge: Judge, **options: Any) -> AsyncIterator[Door]:
    async with proxied(port, **options) as proxy:
        yield Door(proxy, judge, f"127.0.0.1:{port}", False)


@asynccontextmanager
async def forward(port: int, judge: Judge, **options: Any) -> AsyncIterator[Door]:
    if "timeout" in options:
        options["response_timeout"] = options.pop("timeout")
    async with proxying(**options) as proxy:
        yield Door(proxy, judge, f"127.0.0.1:{port}", True)


DOORS = (reverse, forward)
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
