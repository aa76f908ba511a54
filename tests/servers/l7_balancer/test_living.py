"""What lives for long, and what comes by a name: WebSockets, event streams, names looked up anew, SNI, TLS checks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import httpx
import pytest
import websockets.asyncio.client as client
import websockets.asyncio.server as server

from netlab.balancing import names
from netlab.config import Address
from netlab.net.certs import Authority
from tests.http.upstreams import Called, named, scripted
from tests.servers.l7_balancer.balanced import answered, balanced, members, origins, settings
from tests.servers.proxies import curl, when

# -- WebSocket and event streams -------------------------------------------------------------------------------------


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    """A WebSocket server that sends back what it hears."""

    async def echo(connection: server.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with server.serve(echo, "127.0.0.1", 0) as running:
        yield next(iter(running.sockets)).getsockname()[1]


async def test_websockets_are_balanced_and_counted_for_their_life() -> None:
    async with echoing() as one, echoing() as other, balanced(one, other, balance="least_connections") as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/"
        first, second = await client.connect(url, proxy=None), await client.connect(url, proxy=None)
        assert [(member.active, len(member.endless)) for member in members(proxy)] == [(1, 1), (1, 1)]
        await first.close()
        await when(lambda: sum(member.active for member in members(proxy)) == 1)
        for _ in range(3):  # always beside the one that has one already
            async with client.connect(url, proxy=None) as third:
                await third.send("hello")
                assert await third.recv() == "hello"
                assert [member.active for member in members(proxy)] == [1, 1]
            await when(lambda: sum(member.active for member in members(proxy)) == 1)
        await second.send(b"still here")
        assert await second.recv() == b"still here"
        await second.close()
        await when(lambda: not any(member.active or member.endless for member in members(proxy)))
        assert [member.errors for member in members(proxy)] == [0, 0]


async def test_a_websocket_of_a_drained_upstream_is_cut_at_the_deadline() -> None:
    async with echoing() as one, balanced(one) as proxy:
        connection = await client.connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None)
        proxy.server.steering.act("drain", upstream=f":{one}", value="30s")
        await connection.send("a")
        assert await connection.recv() == "a"
        proxy.clock.jump(30)
        await connection.wait_closed()


async def test_event_streams_are_counted_for_their_life() -> None:
    """While one upstream has a stream, all else goes to the other, by who has least to do."""

    async def events(called: Any) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await called.reader.read(-1)

    options: dict[str, Any] = {"balance": "least_connections"}
    async with scripted(events) as up, origins("b") as (b,), balanced(up.port, b.port, **options) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/"
        async with httpx.AsyncClient(trust_env=False) as asking, asking.stream("GET", url) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "data: 1"
            assert [(member.active, len(member.endless)) for member in members(proxy)] == [(1, 1), (0, 0)]
            assert await answered(proxy, 5) == {"b": 5}
        await when(lambda: not members(proxy)[0].active)  # a client that closes is gone, though nothing is sent to it


# -- names -----------------------------------------------------------------------------------------------------------


class Names(asyncio.DatagramProtocol):
    """A DNS server that knows one name; None: it fails. dnspython reads and writes its messages."""

    def __init__(self) -> None:
        self.addresses: list[str] | None = ["127.0.0.1"]
        self.asked = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.asked += 1
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        (question,) = query.question
        if self.addresses is None:
            answer.set_rcode(2)
        elif question.rdtype == 1:
            answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", *self.addresses))
        self.transport.sendto(answer.to_wire(), address)


async def test_a_name_is_looked_up_anew_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address is an upstream; who is no more among them ends what it has; where nothing is said the old stay."""
    monkeypatch.setattr(names, "SHORTEST", 0.02)
    loop = asyncio.get_running_loop()
    transport, dns_server = await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    resolver = Address(*transport.get_extra_info("sockname"))
    async with origins("a") as (a,):
        port, calls = a.port, list[Called]()

        async def b(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            calls.append(Called(reader, writer))
            with suppress(asyncio.IncompleteReadError):
                await named("b")(calls[-1])

        other = await asyncio.start_server(b, "127.0.0.2", port)
        async with balanced(f"http://api.example:{port}", resolver=(resolver,), resolve_every=0.02) as proxy:

            def known() -> list[str]:
                return [member.name for member in members(proxy)]

            await when(lambda: known() == [f"127.0.0.1:{port}"])
            assert await answered(proxy, 2) == {"a": 2}
            (first,) = members(proxy)
            dns_server.addresses = ["127.0.0.1", "127.0.0.2"]
            await when(lambda: known() == [f"127.0.0.1:{port}", f"127.0.0.2:{port}"])
            assert members(proxy)[0] is first
            assert await answered(proxy, 4) == {"a": 2, "b": 2}
            dns_server.addresses = ["127.0.0.2"]
            await when(lambda: known() == [f"127.0.0.2:{port}"])
            assert await answered(proxy, 2) == {"b": 2}
            dns_server.addresses, asked = None, dns_server.asked
            await when(lambda: dns_server.asked > asked + 4)
            assert await answered(proxy, 2) == {"b": 2}
            (second,) = members(proxy)
            assert proxy.server.reload(settings(f"http://api.example:{port}*3", resolver=(resolver,)))
            assert members(proxy) == [second]  # with what is known of it, and its other weight
            assert second.full_weight == 3
        other.close()
        for called in calls:
            called.writer.transport.abort()
    transport.close()


# -- TLS -------------------------------------------------------------------------------------------------------------


async def test_routes_by_the_name_that_tls_is_asked_for(tmp_path: Path) -> None:
    """curl asks by TLS for three names; what comes without TLS has none."""
    async with origins("web", "shop", "any") as (web, shop, anyone):
        routes = ("sni=www.shop.test pool=web", "sni=*.shop.test pool=shop")
        pools = (f"web to=:{web.port}", f"shop to=:{shop.port}")
        async with balanced(anyone.port, tls=True, state=tmp_path, routes=routes, pools=pools) as proxy:
            ca, port = Authority.load(tmp_path).certificate_path, proxy.ports[1]
            for name, expected in (("www.shop.test", b"web"), ("api.shop.test", b"shop"), ("other.test", b"any")):
                where = f"{name}:{port}:127.0.0.1"
                answer = await curl("--cacert", str(ca), "--resolve", where, f"https://{name}:{port}/")
                assert answer.startswith(expected + b"\n")
            assert (await curl("-H", "Host: www.shop.test", f"http://127.0.0.1:{proxy.port}/")).startswith(b"any\n")


async def test_a_check_by_tls_of_an_upstream_that_is_called_without(tmp_path: Path) -> None:
    """Nothing there speaks TLS: it is down, in the check's words on the status page."""
    async with origins("a") as (a,), balanced(a.port, check="tls", check_interval=0.02, check_timeout=0.05) as proxy:
        (flow,) = await proxy.ended("health")
        assert flow.result == "down"
        async with httpx.AsyncClient(trust_env=False) as asking:
            (pool,) = json.loads((await asking.get(f"http://127.0.0.1:{proxy.ports[-1]}/api/pools")).text)
        assert "no answer within 0.05 s" in pool["upstreams"][0]["last_check"]
