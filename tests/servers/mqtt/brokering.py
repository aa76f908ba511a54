"""A broker on a free port, and a client that says exactly what it is told to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from netlab.clock import LabClock
from netlab.config import Address
from netlab.cores.mqtt import Core
from netlab.cores.mqtt_codes import V5, V311
from netlab.cores.mqtt_packets import Connack, Connect, Packet, Pingreq, Pingresp, Publish, Request, Suback, Subscribe
from netlab.errors import RemoteProtocolError
from netlab.flow import FlowLog, Level
from netlab.service import Context, running
from servers.mqtt import Config, Server

SECONDS = 10.0
Kind = TypeVar("Kind", bound=Packet)


class Broker:
    """A server that runs, its port and its clock, which stands still."""

    def __init__(self, server: Server, ports: dict[str, int], clock: LabClock) -> None:
        self.server, self.ports, self.port, self.clock = server, ports, ports["mqtt"], clock
        self.clients: list[Client] = []

    @property
    def broker(self) -> Any:
        return self.server.broker

    async def jump(self, seconds: float) -> None:
        """Let lab time pass, and what is due be done."""
        self.clock.jump(seconds)
        self.server.broker.tick()

    async def client(self, name: str = "", **settings: Any) -> Client:
        client = await self.dial()
        await client.connect(name, **settings)
        return client

    async def dial(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client


class Client:
    """One connection; packets are sent as they are given and received in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.core = Core(server=False)
        self.waiting: list[Packet | RemoteProtocolError] = []
        self.connack: Connack | None = None

    async def connect(
        self, name: str = "", *, version: int = V5, clean: bool = True, keep_alive: int = 0, **rest: Any
    ) -> Connack:
        properties = {key: rest.pop(key) for key in list(rest) if key not in ("will", "user", "password")}
        await self.send(Connect(version, name, clean, keep_alive, properties=properties, **rest))
        self.connack = await self.expect(Connack)
        return self.connack

    async def send(self, *packets: Packet) -> None:
        """In one write."""
        for packet in packets:
            self.core.send(packet)
        await self.raw(self.core.outgoing())

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> Packet | None:
        """The next packet; None at the end of the connection."""
        async with asyncio.timeout(SECONDS):
            while not self.waiting:
                try:
                    data = await self.reader.read(65_536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self.waiting += self.core.receive(data)
        packet = self.waiting.pop(0)
        assert not isinstance(packet, RemoteProtocolError), packet
        return packet

    async def expect(self, kind: type[Kind]) -> Kind:
        packet = await self.receive()
        assert isinstance(packet, kind), f"{packet} is no {kind.__name__}"
        return packet

    async def subscribe(self, *requests: Request | str, packet_id: int = 1, **properties: Any) -> Suback:
        asked = tuple(Request(one) if isinstance(one, str) else one for one in requests)
        await self.send(Subscribe(packet_id, asked, properties))
        return await self.expect(Suback)

    async def publish(self, topic: str, payload: bytes = b"", qos: int = 0, **rest: Any) -> None:
        """Send it, and do nothing about what is answered."""
        names = ("retain", "dup", "packet_id")
        flags = {name: rest.pop(name) for name in names if name in rest}
        await self.send(Publish(topic, payload, qos, **flags, properties=rest))

    async def all_so_far(self) -> list[Packet]:
        """What came before the answer to a PINGREQ."""
        await self.send(Pingreq())
        found: list[Packet] = []
        while True:
            packet = await self.receive()
            assert packet is not None, f"closed after {found}"
            if isinstance(packet, Pingresp):
                return found
            found.append(packet)

    async def closed(self) -> bool:
        """Whether the broker ends the connection without another word."""
        return await self.receive() is None

    def drop(self) -> None:
        """Go without a word."""
        self.writer.transport.abort()


async def run(*command: str) -> str:
    """What a program prints that ends well."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    assert not process.returncode, command
    return out.decode()


@asynccontextmanager
async def serving(*, level: Level = Level.SUMMARY, state: Path | None = None, **settings: Any) -> AsyncIterator[Broker]:
    clock = LabClock()
    clock.freeze(1_790_000_000)
    server = Server(
        Config(listen=Address("127.0.0.1", 0), **settings),
        Context(flows=FlowLog(level), clock=clock, random=Random(7), state=state),
    )
    async with running(server, grace=0.2) as endpoints:
        broker = Broker(server, {endpoint.scheme: endpoint.port for endpoint in endpoints}, clock)
        try:
            yield broker
        finally:
            for client in broker.clients:
                client.drop()
                with suppress(OSError):
                    await client.writer.wait_closed()
    assert not server.gate.connections


VERSIONS = (V311, V5)
