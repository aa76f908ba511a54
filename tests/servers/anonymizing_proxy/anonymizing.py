"""An anonymizing proxy for one test, and origins that remember exactly what came to them, and from where."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netlab.config import Address
from netlab.flow import Level
from netlab.http.exits import ExitSetting
from netlab.net.addresses import AddressMap
from servers.anonymizing_proxy import Config, Server
from tests.http.upstreams import Called, Scripted, scripted
from tests.servers.proxies import Proxied, relaying

Anonymizing = Proxied[Server]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def anonymizing(
    *,
    level: str = "elite",
    record: Level = Level.FULL,
    state: Path | None = None,
    lab: AddressMap | None = None,
    **options: Any,
) -> AsyncIterator[Anonymizing]:
    """A proxy on a free port at this level; afterwards no pipe of it is left either."""
    exits = tuple(map(ExitSetting.parse, options.pop("exits", ())))
    config = Config(**{"listen": Address("127.0.0.1", 0), "level": level, "exit": exits, **options})
    settings: dict[str, Any] = {"level": record, "state": state, "lab": lab, "grace": 0.5}
    async with relaying(lambda context: Server(config, context), lambda server: server.proxy.gate, **settings) as proxy:
        yield proxy
    pipes = proxy.server.proxy.tunnels.pipes
    assert pipes is None or pipes.leased == 0


Answer = Callable[[Called, bytes], Awaitable[bytes]]


async def ok(called: Called, head: bytes) -> bytes:
    """Takes the content, too."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await called.exactly(int(value))
        elif name.lower() == b"transfer-encoding":
            await called.until(b"0\r\n\r\n")
    return OK


class Origin:
    """A server that keeps every head as it came, and the address it came from."""

    def __init__(self, upstream: Scripted, heads: list[bytes], peers: list[str]) -> None:
        self._upstream, self.heads, self.peers = upstream, heads, peers

    @property
    def port(self) -> int:
        return self._upstream.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def lines(self, index: int = -1) -> list[str]:
        """The field lines of a head, in their order."""
        return self.heads[index].decode("latin-1").split("\r\n")[1:-2]

    def names(self, index: int = -1) -> list[str]:
        return [line.partition(":")[0] for line in self.lines(index)]

    def fields(self, index: int = -1) -> dict[str, str]:
        return {name: value for name, _, value in (line.partition(": ") for line in self.lines(index))}


@asynccontextmanager
async def origin(answer: Answer = ok) -> AsyncIterator[Origin]:
    heads: list[bytes] = []
    peers: list[str] = []

    async def script(called: Called) -> None:
        while True:
            head = await called.head()
            heads.append(head)
            peers.append(called.writer.get_extra_info("peername")[0])
            await called.say(await answer(called, head))

    async with scripted(script) as upstream:
        yield Origin(upstream, heads, peers)


def answering(fields: bytes, body: bytes = b"ok") -> Answer:
    """The same answer to everything."""

    async def answer(called: Called, head: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)

    return answer


async def get(proxy: Anonymizing, at: Origin, fields: str = "", method: str = "GET", body: str = "") -> bytes:
    """One request in absolute form, Host first and these field lines behind it; the whole answer."""
    length = (
        f"Content-Length: {len(body)}\r\n" if body and "-Length" not in fields and "Transfer-" not in fields else ""
    )
    head = f"{method} {at.url}x HTTP/1.1\r\nHost: 127.0.0.1:{at.port}\r\n{fields}{length}\r\n{body}"
    return await proxy.ask(head.encode("latin-1"))


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
