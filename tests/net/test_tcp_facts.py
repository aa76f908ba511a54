"""What the kernel tells of a connection: the SYN it kept, and TCP_INFO by name."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from captures.dissect import packet
from netlab.flow import FlowLog
from netlab.net import tcp_facts
from netlab.net.connection import Connection
from netlab.net.gate import Gate
from netlab.net.listen import Listener, listen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="saved SYNs and TCP_INFO are Linux's")

SECONDS = 10.0


class Quiet(Connection):
    """A connection that tells who made it that it stands."""

    def __init__(self, gate: Gate, opened: asyncio.Queue[Quiet]) -> None:
        super().__init__(gate, FlowLog(), "test")
        self._opened = opened

    def opened(self) -> None:
        self._opened.put_nowait(self)

    def feed(self, data: bytes) -> None:
        self.write(data)


@asynccontextmanager
async def accepted(host: str, *, save: bool = True) -> AsyncIterator[tuple[Quiet, asyncio.StreamWriter]]:
    """Both ends of a connection."""
    gate, opened = Gate(), asyncio.Queue[Quiet]()
    prepare = tcp_facts.save_syn if save else None
    listener = Listener(
        name="test", scheme="tcp", host=host, port=0, factory=lambda: Quiet(gate, opened), gate=gate, prepare=prepare
    )
    bound = await listen([listener])
    try:
        _, writer = await asyncio.open_connection(host, bound.endpoints[0].port)
        async with asyncio.timeout(SECONDS):
            yield await opened.get(), writer
        writer.transport.abort()
    finally:
        await bound.drain(0.1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_syn_is_the_clients_own(host: str) -> None:
    async with accepted(host) as (connection, writer):
        data = tcp_facts.saved_syn(connection.transport)
        layers = packet(data)
        name = writer.get_extra_info("sockname")
        assert [layer.name for layer in layers] == ["ipv6" if ":" in host else "ip", "tcp"]
        assert layers[0].value(f"{layers[0].name}.src") == host
        assert layers[1].value("tcp.srcport") == name[1]
        assert layers[1].value("tcp.flags") & 0xFF in (0x02, 0xC2)  # SYN; on some systems ECN is offered with it
        assert tcp_facts.saved_syn(connection.transport) == b""  # the kernel hands it out once


async def test_without_asking_there_is_no_syn() -> None:
    async with accepted("127.0.0.1", save=False) as (connection, _):
        assert tcp_facts.saved_syn(connection.transport) == b""


async def test_info_by_name() -> None:
    async with accepted("127.0.0.1") as (connection, _):
        info = tcp_facts.tcp_info(connection.transport)
        assert tcp_facts.state(info) == "ESTABLISHED"
        assert info["snd_cwnd"] > 0
        assert info["rto"] >= 200_000
        assert info["advmss"] >= 512
        assert {"SACK", "window scale"} <= set(tcp_facts.agreed(info))


async def test_info_agrees_with_ss() -> None:
    if shutil.which("ss") is None:
        pytest.skip("ss is not installed: install the package iproute2")
    async with accepted("127.0.0.1") as (connection, writer):
        port = writer.get_extra_info("sockname")[1]
        info = tcp_facts.tcp_info(connection.transport)
        arguments = ["ss", "-tinH", "state", "established", f"( dport = :{port} )"]
        shown = subprocess.run(arguments, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        facts = dict(part.split(":", 1) for part in shown.split() if ":" in part)
        assert int(facts["cwnd"]) == info["snd_cwnd"]
        assert int(facts["advmss"]) == info["advmss"]
        assert int(facts["pmtu"]) == info["pmtu"]
        assert float(facts["rto"]) == info["rto"] // 1000
        assert float(facts["minrtt"]) == info["min_rtt"] / 1000
        assert int(facts["snd_wnd"]) == info["snd_wnd"]  # among the last members: every offset before it holds
        assert int(facts["rcv_wnd"]) == info["rcv_wnd"] if "rcv_wnd" in facts else True


async def test_a_unix_socket_knows_nothing_of_tcp() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        _, writer = await asyncio.open_connection(sock=ours)
        assert tcp_facts.tcp_info(writer.transport) == {}
        assert tcp_facts.saved_syn(writer.transport) == b""
        writer.transport.abort()


def test_structs_of_any_length_are_read_as_far_as_they_go() -> None:
    assert tcp_facts.read_info(b"") == {}
    assert tcp_facts.read_info(bytes((4, 1))) == {"state": 4, "ca_state": 1}
    whole = tcp_facts.read_info(bytes(range(250)) + bytes(100))
    assert list(whole) == [fact.name for fact in tcp_facts.FACTS]
    assert tcp_facts.state({"state": 4}) == "FIN-WAIT-1"
    assert tcp_facts.state({}) == ""


def test_every_fact_says_what_it_means() -> None:
    assert all(fact.about and fact.form in "BHIQ" for fact in tcp_facts.FACTS)
    assert len({fact.name for fact in tcp_facts.FACTS}) == len(tcp_facts.FACTS)
