"""Faults on the client's leg of an HTTP server: what the client sees, what the flow says, and that nothing stays."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from netlab.flow import Level
from netlab.http.exchange import Exchange
from netlab.http.faults import facts
from netlab.net.faulty import HIGH, FaultyTransport, link_of
from netlab.policy.faults import Leg
from tests.http.faults.setting import effects, set_faults
from tests.http.serving import Client, connected, ended, serving

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"


def handle(exchange: Exchange) -> None:
    if exchange.request.frame.has_body:
        exchange.collect(1 << 20, lambda body: exchange.text(200, f"{len(body)} bytes"))
    else:
        exchange.text(200, exchange.request.target)


async def get(client: Client, path: bytes = b"/") -> tuple[bytes, bytes]:
    await client.send(GET % path)
    return await client.response()


async def test_latency_comes_late_and_says_so() -> None:
    async with serving(handle, faults=set_faults("latency=60ms")) as (app, port), connected(port) as client:
        began = time.monotonic()
        assert (await get(client))[1] == b"/"
        assert time.monotonic() - began >= 0.055
        (flow,) = await ended(app)
        assert flow.details == {"faults": ["f1: latency=60ms"]}
        assert effects(app.flows) == [("f1", "latency")]
        (event,) = [event for event in flow.events or () if event.name == "fault.injected"]
        assert event.fields["seconds"] == 0.06
        assert event.fields["rule"] == "latency=60ms"


async def test_only_what_matches_has_anything_in_its_way() -> None:
    faults = set_faults("latency=20ms when path == /slow")
    async with serving(handle, faults=faults) as (app, port), connected(port) as client:
        await get(client, b"/fast?x=/slow")
        (connection,) = app.gate.connections
        raw = connection.transport
        assert not isinstance(raw, FaultyTransport)
        await client.send(GET % b"/slow" + GET % b"/fast")
        assert (await client.response())[1] == b"/slow"
        assert (await client.response())[1] == b"/fast"  # behind it, in order
        await get(client, b"/fast")
        assert connection.transport is raw  # it went when nothing was left on its way
        assert effects(app.flows) == [("f1", "latency")]


async def test_addresses_are_written_as_everywhere() -> None:
    async with serving(handle) as (app, port), connected(port) as client:
        own, peer = client.writer.get_extra_info("sockname"), client.writer.get_extra_info("peername")
        faults = set_faults(f"status=418 when client == {own[0]}:{own[1]} and server == {peer[0]}:{peer[1]}")
        await get(client)
        (flow,) = app.http_flows()
        assert faults.strike(Leg.DOWNSTREAM, facts(flow))


async def test_without_faults_nothing_stands_before_the_handler() -> None:
    faults = set_faults()
    async with serving(handle, faults=faults) as (app, port), connected(port) as client:
        assert app.http.handler is handle
        set_faults("status=418", table=faults)
        assert app.http.handler is not handle
        assert (await get(client))[0].startswith(b"HTTP/1.1 418 ")
        faults.clear()
        assert app.http.handler is handle
        assert (await get(client))[0].startswith(b"HTTP/1.1 200 ")


async def test_a_status_is_answered_instead() -> None:
    asked: list[str] = []

    def never(exchange: Exchange) -> None:
        asked.append(exchange.request.target)
        exchange.text(200, "")

    faults = set_faults("name=sorry status=503 when path == /")
    async with serving(never, faults=faults) as (app, port), connected(port) as client:
        head, body = await get(client)
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nNetlab-Fault: sorry\r\n" in head
        assert b"this answer is a fault that was injected: name=sorry status=503" in body
        assert not asked
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + GET % b"/more")
        assert (await client.response())[0].startswith(b"HTTP/1.1 503 ")
        assert (await client.response())[0].startswith(b"HTTP/1.1 200 ")  # the content was read past
        assert effects(app.flows) == [("sorry", "status")] * 2


@pytest.mark.parametrize("status", [204, 205, 304])
async def test_a_status_without_content(status: int) -> None:
    async with serving(handle, faults=set_faults(f"status={status}")) as (_, port), connected(port) as client:
        await client.send(GET % b"/")
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        client.end()
        assert await client.all() == b""


async def test_a_reset() -> None:
    async with serving(handle, faults=set_faults("reset")) as (app, port), connected(port) as client:
        await client.send(GET % b"/")
        with pytest.raises(ConnectionResetError):
            await client.all()
        assert effects(app.flows) == [("f1", "reset")]
    (connection,) = [flow for flow in app.flows if flow.kind == "tcp"]
    assert connection.result == "reset"
    assert any("injected" in event.fields.get("error", "") for event in connection.events or ())


async def test_a_reset_in_the_middle() -> None:
    body = b"x" * 100_000

    def large(exchange: Exchange) -> None:
        exchange.respond(200, b"", body)

    faults = set_faults("reset after=head+50000 latency=10ms")
    async with serving(large, faults=faults) as (_, port), connected(port) as client:
        await client.send(GET % b"/")
        await client.until(b"\r\n\r\n")
        assert await client.exactly(1000) == body[:1000]
        with pytest.raises(ConnectionResetError):
            await client.all()


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_that_breaks_off(chunked: bool) -> None:
    async def stream(exchange: Exchange) -> None:
        exchange.start(200, length=None if chunked else 12)
        for piece in (b"0123", b"4567", b"89ab"):
            exchange.send(piece)
            await exchange.ready()
        exchange.finish()

    faults = set_faults("truncate after=head+6")
    async with serving(stream, faults=faults) as (app, port), connected(port) as client:
        await client.send(GET % b"/")
        await client.until(b"\r\n\r\n")
        assert await client.all() == (b"4\r\n012" if chunked else b"012345")
        assert effects(app.flows) == [("f1", "truncate")]


async def test_a_truncated_answer_without_an_end_is_let_go_with_its_client() -> None:
    async def endless(exchange: Exchange) -> None:
        exchange.start(200)
        while True:
            exchange.send(b"x" * 1000)
            await exchange.ready()
            await asyncio.sleep(0)

    async with serving(endless, faults=set_faults("truncate after=head+6")) as (app, port):
        async with connected(port) as client:
            await client.send(GET % b"/")
            await client.until(b"\r\n\r\n")
            assert await client.all() == b"3e8\r\nx"
            client.end()
        await ended(app)
        assert not app.tasks


async def test_a_stall_ends() -> None:
    async with serving(handle, faults=set_faults("stall=50ms after=head")) as (_, port), connected(port) as client:
        await client.send(GET % b"/")
        await client.until(b"\r\n\r\n")
        began = time.monotonic()
        assert await client.exactly(1) == b"/"
        assert time.monotonic() - began >= 0.04


async def test_a_stall_for_ever_holds_nobody_up() -> None:
    """The client sees nothing; draining, and a client that leaves, see an end."""
    async with (
        serving(handle, grace=0.05, faults=set_faults("stall after=head")) as (app, port),
        connected(port) as client,
        connected(port) as other,
    ):
        for one in (client, other):
            await one.send(GET % b"/")
            await one.until(b"\r\n\r\n")
        client.reset()
        await ended(app, 2)


async def test_bandwidth_and_back_pressure() -> None:
    written = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal written
        exchange.start(200, length=1 << 30)
        while True:
            exchange.send(b"x" * 10_000)
            written += 10_000
            await exchange.ready()

    async with serving(endless, faults=set_faults("bandwidth=400KiB")) as (app, port), connected(port) as client:
        began = time.monotonic()
        await client.send(GET % b"/")
        await client.exactly(50 << 10)
        assert time.monotonic() - began >= 0.1
        (connection,) = app.gate.connections
        link = link_of(connection)
        assert link is not None
        assert link.on_its_way <= HIGH + 11_000
        assert written < 1 << 20


async def test_slices_arrive_one_by_one() -> None:
    async with serving(handle, faults=set_faults("slice=5 gap=5ms")) as (_, port), connected(port) as client:
        began = time.monotonic()
        await client.send(GET % b"/0123456789")
        read, pieces = b"", 0
        while not read.endswith(b"/0123456789"):
            read += await client.reader.read(1000)
            pieces += 1
        assert pieces > 2  # a busy machine reads some together
        assert time.monotonic() - began >= 0.004 * (len(read) // 5 - 1)


async def test_corruption_leaves_the_length() -> None:
    body = bytes(range(256)) * 40

    def large(exchange: Exchange) -> None:
        exchange.respond(200, b"", body)

    bodies = []
    for seed in (1, 1, 2):
        async with serving(large, faults=set_faults("corrupt=1% after=head", seed=seed)) as (app, port):
            async with connected(port) as client:
                bodies.append((await get(client))[1])
            events = [event for flow in app.flows for event in flow.events or () if event.name == "fault.injected"]
            offsets = [offset for event in events for offset in event.fields["offsets"]]
            assert [at for at in range(len(body)) if bodies[-1][at] != body[at]] == offsets
    assert bodies[0] == bodies[1]
    assert bodies[0] != bodies[2]


async def test_a_slow_close() -> None:
    async with serving(handle, faults=set_faults("slow-close=60ms")) as (app, port), connected(port) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await client.response())[1] == b"/"
        began = time.monotonic()
        assert await client.all() == b""
        assert time.monotonic() - began >= 0.05
        assert effects(app.flows) == [("f1", "slow-close")]


async def test_several_strike_together() -> None:
    faults = set_faults("latency=30ms", "latency=30ms", "status=500", "truncate after=head+3", "status=501")
    async with serving(handle, faults=faults) as (app, port), connected(port) as client:
        began = time.monotonic()
        await client.send(GET % b"/")
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 500 ")
        assert time.monotonic() - began >= 0.055
        assert await client.all() == b"500"
        assert sorted(effects(app.flows)) == [
            ("f1", "latency"),
            ("f2", "latency"),
            ("f3", "status"),
            ("f4", "truncate"),
        ]


async def test_a_file_does_not_go_past_them(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 300_000)

    def send(exchange: Exchange) -> None:
        exchange.start(200, length=300_000)
        exchange.send_file(os.open(tmp_path / "f", os.O_RDONLY), 0, 300_000)

    faults = set_faults("truncate after=head+200000")
    async with serving(send, level=Level.SUMMARY, faults=faults) as (_, port), connected(port) as client:
        await client.send(GET % b"/")
        await client.until(b"\r\n\r\n")
        assert await client.all() == b"x" * 200_000


async def test_what_the_client_sends_may_be_struck_too() -> None:
    """Behind the head: that has been read when a fault is decided on."""
    asked = asyncio.Event()

    def collect(exchange: Exchange) -> None:
        asked.set()
        exchange.collect(1 << 20, lambda body: exchange.text(200, f"{len(body)} bytes"))

    faults = set_faults("towards=server bandwidth=200KiB")
    async with serving(collect, faults=faults) as (app, port), connected(port) as client:
        began = time.monotonic()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n")
        await asked.wait()
        await client.send(b"x" * 20_000)
        assert (await client.response())[1] == b"20000 bytes"
        assert time.monotonic() - began >= 0.08
        assert effects(app.flows) == [("f1", "bandwidth")]


async def test_a_client_gone_while_bytes_are_on_their_way() -> None:
    async with serving(handle, faults=set_faults("latency=10s")) as (app, port), connected(port) as client:
        await client.send(GET % b"/")
        await ended(app)
        client.reset()


async def run(seed: int) -> list[Any]:
    """Thirty requests on three connections, and what became of each."""
    faults = set_faults(
        "latency=1ms±1ms distribution=normal probability=50%",
        "status=503 probability=20%",
        "corrupt=5% after=head probability=30%",
        "reset probability=10% when path contains 3",
        seed=seed,
    )
    seen: list[Any] = []
    async with serving(handle, faults=faults) as (app, port):
        for number in range(30):
            async with connected(port) as client:
                try:
                    seen.append((await get(client, b"/%d" % number))[1])
                except (ConnectionResetError, asyncio.IncompleteReadError) as error:
                    seen.append(type(error))
        seen += [
            (flow.label, event.fields)
            for flow in app.http_flows()
            for event in flow.events or ()
            if event.name == "fault.injected"
        ]
    return seen


async def test_the_same_seed_the_same_run() -> None:
    first, second, third = await run(1), await run(1), await run(2)
    assert first == second
    assert first != third
