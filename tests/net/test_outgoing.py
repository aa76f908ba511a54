"""A connection that we opened: what is written behind its end goes nowhere, and troubles nobody."""

from __future__ import annotations

import asyncio

from netlab.flow import FlowLog
from netlab.net.outgoing import Outgoing
from tests.servers.proxies import listening


class Ending(Outgoing):
    """Tells when its end has come."""

    __slots__ = ("ended",)

    def opened(self) -> None:
        self.ended = self.loop.create_future()

    def feed(self, data: bytes) -> None:
        pass

    def lost(self, error: Exception | None) -> None:
        self.ended.set_result(None)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def test_a_write_behind_the_end() -> None:
    flow = FlowLog().open("tcp")
    async with listening(hang_up) as port:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Ending(flow), "127.0.0.1", port)
        connection.abort()
        connection.write(b"a")
        await connection.ended
        await asyncio.sleep(0)
        connection.write(b"b")
        assert connection.written == 0
