"""Datagrams through the balancer: a session for each client, DNS, and what becomes of it when nobody answers."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dnslib import RR
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

from netlab.cores.proxy_protocol import Header, HeaderReader, serialize
from netlab.flow import Level, Outcome
from netlab.net.udp import UdpClient
from tests.http.serving import SECONDS
from tests.servers.l4_balancer.balanced import LINUX, Balanced, balancing

pytestmark = LINUX


class Udp(asyncio.DatagramProtocol):
    """An upstream that puts its name before what it hears."""

    def __init__(self, name: str, *, silent: bool = False) -> None:
        self.name, self.silent = name.encode(), silent
        self.heard: list[bytes] = []
        self.clients: list[Any] = []
        self.came = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.heard.append(data)
        self.clients.append(address)
        self.came.set()
        if not self.silent:
            self.transport.sendto(self.name + b" " + data, address)


Make = Callable[..., Awaitable[Udp]]


@pytest.fixture
async def udp() -> AsyncIterator[Make]:
    loop, made = asyncio.get_running_loop(), []

    async def make(name: str, **options: Any) -> Udp:
        _, protocol = await loop.create_datagram_endpoint(lambda: Udp(name, **options), local_addr=("127.0.0.1", 0))
        made.append(protocol)
        return protocol

    yield make
    for protocol in made:
        protocol.transport.close()
    await asyncio.sleep(0)


@contextmanager
def client(balanced: Balanced) -> Iterator[UdpClient]:
    with UdpClient("127.0.0.1", balanced.port) as one:
        yield one


async def ask(one: UdpClient, data: bytes) -> bytes:
    one.send(data)
    async with asyncio.timeout(SECONDS):
        return await one.receive()


async def test_a_client_s_datagrams_go_to_one_upstream(udp: Make) -> None:
    a, b = await udp("a"), await udp("b")
    async with balancing(a.port, b.port, protocol="udp", udp_timeout=0.1) as balanced:
        assert balanced.endpoints[0].url == f"udp://127.0.0.1:{balanced.port}"
        with client(balanced) as one, client(balanced) as other:
            assert [await ask(one, b"x"), await ask(one, b""), await ask(one, b"y" * 20_000)] == [
                b"a x",
                b"a ",
                b"a " + b"y" * 20_000,
            ]
            assert await ask(other, b"x") == b"b x"
            assert len(set(a.clients)) == 1  # from one socket
            flow = await balanced.ended(2)
        first = balanced.sessions[0]
        assert first.kind == flow.kind == "udp"
        assert (first.label, first.result) == (f"127.0.0.1:{a.port}  (round_robin of 2)", "3 answers")
        assert (first.received, first.sent, first.outcome) == (20_001, 20_007, Outcome.OK)
        assert first.wire is not None
        assert first.wire.read("server") == b"a x" + b"a " + b"a " + b"y" * 20_000
        assert [leg.parent for leg in balanced.legs] == balanced.sessions


async def test_an_upstream_that_is_not_there_is_passed_over(udp: Make) -> None:
    b = await udp("b")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        gone = held.getsockname()[1]
    async with balancing(gone, b.port, protocol="udp") as balanced:
        with client(balanced) as one:
            assert await ask(one, b"x") == b"b x"  # the same datagram, to another
            assert await ask(one, b"y") == b"b y"
        assert balanced.members[f"127.0.0.1:{gone}"].errors == 1
        [failed] = balanced.notes("connect.failed")
        assert "connection refused" in failed["error"]
    async with balancing(gone, protocol="udp") as balanced:
        with client(balanced) as one:
            one.send(b"x")
            flow = await balanced.ended()
        assert flow.outcome == Outcome.UNREACHABLE


async def test_answers_may_end_a_session_and_none_counts_as_failed(udp: Make) -> None:
    a, silent = await udp("a"), await udp("s", silent=True)
    async with balancing(a.port, protocol="udp", udp_answers=1) as balanced:
        with client(balanced) as one:
            for _ in range(3):
                assert await ask(one, b"x") == b"a x"
        assert len(balanced.sessions) == len({port for _, port in a.clients}) == 3
    async with balancing(silent.port, protocol="udp", udp_answers=1, udp_timeout=0.05) as balanced:
        with client(balanced) as one:
            one.send(b"x")
            flow = await balanced.ended()
        assert (flow.outcome, flow.result) == (Outcome.TIMEOUT, "no answer")
        assert balanced.members[f"127.0.0.1:{silent.port}"].errors == 1


async def test_sessions_are_bounded_and_the_idlest_makes_room(udp: Make) -> None:
    a = await udp("a")
    async with balancing(a.port, protocol="udp", max_sessions=2) as balanced:
        with client(balanced) as one, client(balanced) as two, client(balanced) as three:
            await ask(one, b"1")
            await ask(two, b"2")
            await ask(one, b"1")
            await ask(three, b"3")
            assert len(balanced.server.datagrams.sessions) == 2
            assert [flow.outcome for flow in balanced.sessions] == ["", Outcome.CANCELLED, ""]


async def test_headers_on_datagrams(udp: Make) -> None:
    a = await udp("a")
    options: dict[str, Any] = {"protocol": "udp", "send_proxy_protocol": "v2", "accept_proxy_protocol": True}
    ends = ("203.0.113.7", 5000), ("198.51.100.1", 53)
    async with balancing(a.port, **options) as balanced:
        with client(balanced) as one:
            answer = await ask(one, serialize(2, *ends, transport="datagram") + b"data")
            reader = HeaderReader()
            header = reader.receive(answer.removeprefix(b"a "))
            assert isinstance(header, Header)
            assert (header.source, header.destination, header.transport) == (*ends, "datagram")
            assert reader.rest == b"data"
            for bad in (b"", b"no header"):
                one.send(bad)
            flow = await balanced.ended(2)
        assert flow.outcome == Outcome.VIOLATION
        assert balanced.sessions[0].client == ends[0]


# -- DNS -------------------------------------------------------------------------------------------------------------


class Answers(BaseResolver):
    """One address for every name, but a long answer for `long.`"""

    def __init__(self, address: str) -> None:
        self.address = address

    def resolve(self, request: Any, handler: Any) -> Any:
        reply = request.reply()
        count = 60 if str(request.q.qname).startswith("long.") else 1
        for number in range(count):
            suffix = f" {self.address}" if count == 1 else f" 10.0.0.{number}"
            reply.add_answer(*RR.fromZone(f"{request.q.qname} 60 A{suffix}"))
        return reply


QUIET = DNSLogger(log="-request,-reply,-truncated,-error")


class Truncates(DNSHandler):
    """What is longer than a datagram may be has to be asked for over TCP (RFC 1035 4.2.1)."""

    udplen = 512


@contextmanager
def dns_server(address: str) -> Iterator[int]:
    """dnslib's own server, over UDP and TCP on one port."""
    for _ in range(20):  # the port is free for UDP, and most likely for TCP
        over_udp = DNSServer(Answers(address), port=0, address="127.0.0.1", logger=QUIET, handler=Truncates)
        port = over_udp.server.server_address[1]
        try:
            over_tcp = DNSServer(Answers(address), port=port, address="127.0.0.1", tcp=True, logger=QUIET)
        except OSError:
            over_udp.server.server_close()
            continue
        break
    for server in (over_udp, over_tcp):
        server.start_thread()
    try:
        yield port
    finally:
        for server in (over_udp, over_tcp):
            server.stop()
            server.server.server_close()


async def dig(port: int, *arguments: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        *("dig", "@127.0.0.1", "-p", str(port), "+short", "+tries=1", "+time=5", *arguments),
        stdout=subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    return re.sub(r"^;.*$", "", out.decode(), flags=re.MULTILINE).split()  # newer ones remark on empty questions


@pytest.mark.skipif(shutil.which("dig") is None, reason="dig is missing: apt-get install bind9-dnsutils")
async def test_dns_over_udp_and_tcp_on_one_port() -> None:
    with dns_server("192.0.2.1") as one, dns_server("192.0.2.2") as two:
        options: dict[str, Any] = {"protocol": "both", "udp_answers": 1, "level": Level.SUMMARY}
        async with balancing(one, two, **options) as balanced:
            tcp, over_udp, _ = balanced.endpoints
            assert (tcp.port, tcp.scheme, over_udp.scheme) == (over_udp.port, "tcp", "udp")
            answers = [await dig(tcp.port, "www.shop.test") for _ in range(4)]
            assert sorted(answers) == [["192.0.2.1"]] * 2 + [["192.0.2.2"]] * 2
            assert len(await dig(tcp.port, "+tcp", "www.shop.test")) == 1
            long = await dig(tcp.port, "long.shop.test")  # truncated over UDP, and asked again over TCP
            assert len(long) == 60
            await balanced.until(lambda: all(flow.ended for flow in balanced.flows))
            kinds = [flow.kind for flow in balanced.flows]
            assert (kinds.count("udp"), kinds.count("tcp")) == (5, 2)
