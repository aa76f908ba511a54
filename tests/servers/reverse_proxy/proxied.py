"""A reverse proxy for one test, upstreams that say who they are, and what must be left of both: nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlab.clock import LabClock
from netlab.config import Address
from netlab.flow import Flow, FlowLog, Level
from netlab.http.route_rule import RouteRule
from netlab.http.target import Target
from netlab.http.upstreams import Member
from netlab.service import Context, running
from servers.reverse_proxy import Config, Server
from tests.http.serving import SECONDS, connected
from tests.http.upstreams import Called, Script


@dataclass
class Proxied:
    """A running proxy."""

    server: Server
    ports: list[int]
    flows: FlowLog
    clock: LabClock

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def members(self) -> list[Member]:
        return list(self.server.routes.members.values())

    def notes(self, name: str) -> list[dict[str, Any]]:
        """The fields of each event of this name, in the order of the flows."""
        return [event.fields for flow in self.flows for event in flow.events or () if event.name == name]

    def requests(self) -> list[Flow]:
        """What clients asked for; the legs to upstreams are other flows."""
        return [
            flow for flow in self.flows if flow.kind == "http" and (flow.parent is None or flow.parent.kind == "tcp")
        ]

    async def ask(self, request: bytes) -> bytes:
        """Everything that is answered to these bytes and the end behind them."""
        async with connected(self.port) as client:
            await client.send(request)
            client.end()
            return await client.all()

    async def get(self, path: str = "/", host: str = "shop.test", fields: str = "") -> bytes:
        return await self.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for what flows tell of."""
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


@asynccontextmanager
async def proxied(
    *to: int | str,
    state: Path | None = None,
    routes: tuple[str, ...] = (),
    level: Level = Level.FULL,
    **options: Any,
) -> AsyncIterator[Proxied]:
    """A reverse proxy to these ports or URLs, its clock frozen; afterwards no task, lease or count is left."""
    clock = LabClock()
    clock.freeze()
    context = Context(flows=FlowLog(level), clock=clock, random=random.Random(1), state=state)
    targets = tuple(Target.parse(f"127.0.0.1:{port}" if isinstance(port, int) else port) for port in to)
    rules = tuple(map(RouteRule.parse, routes))
    server = Server(Config(listen=Address("127.0.0.1", 0), to=targets, route=rules, **options), context)
    server.gateway.sweep.interval = 0.01
    async with running(server, grace=1.0) as endpoints:
        yield Proxied(server, [endpoint.port for endpoint in endpoints], context.flows, clock)
    assert not server.tasks
    assert not server.gate.connections
    assert len(server.gateway.pool) == 0
    assert len(server.gateway.sweep) == 0
    async with asyncio.timeout(SECONDS):  # transports say that they are closed in the loop's next turns
        while not all(flow.ended for flow in context.flows):
            await asyncio.sleep(0)
    assert [member.active for member in server.routes.members.values()] == [0] * len(server.routes.members)


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
