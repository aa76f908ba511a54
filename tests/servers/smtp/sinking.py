"""A mail sink for tests: running on free ports, with its store at hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netlab.config import Address
from netlab.flow import Flow, FlowLog, Level
from netlab.service import Context, running
from netlab.stores.mail import SqliteStore, get_message
from netlab.stores.mailbox import Delivery
from servers.smtp import Config, Server

ANYWHERE = Address("127.0.0.1", 0)


class Sink:
    """The server, the ports of its endpoints by scheme, and what it has kept."""

    def __init__(self, server: Server, ports: dict[str, int]) -> None:
        self.server, self.ports = server, ports
        self.port = ports["smtp"]

    @property
    def messages(self) -> list[Delivery]:
        """What is kept, oldest first; read past the store's own thread, which is idle where nothing is under way."""
        assert isinstance(self.server.store, SqliteStore)
        connection = self.server.store.database.opened.writer
        ids = [row[0] for row in connection.execute("SELECT id FROM message ORDER BY number").fetchall()]
        return [kept.delivery for kept in (get_message(connection, each) for each in ids) if kept is not None]

    def flows(self, kind: str = "smtp") -> list[Flow]:
        return [flow for flow in self.server.context.flows if flow.kind == kind]


@asynccontextmanager
async def sinking(state: Path | None = None, *, level: Level = Level.FULL, **settings: Any) -> AsyncIterator[Sink]:
    """A sink at level full; `state` where TLS wants an authority."""
    context = Context(flows=FlowLog(level), state=state)
    server = Server(Config(listen=ANYWHERE, **settings), context)
    async with running(server, grace=1.0) as endpoints:
        yield Sink(server, {endpoint.scheme: endpoint.port for endpoint in endpoints})


async def talk(port: int, said: str | bytes, *, end: bool = False) -> list[int]:
    """Say all of it at once, and read to the server's end: the codes of its replies."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            writer.write(said.encode() if isinstance(said, str) else said)
            if end:
                writer.write_eof()
            heard = await reader.read()
    finally:
        writer.close()
    return [int(code) for code in re.findall(r"^(\d{3}) ", heard.decode(), re.MULTILINE)]
