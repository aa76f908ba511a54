"""Faults on a gateway's upstream leg: the client gets what it would get from an upstream that is really so."""

from __future__ import annotations

import asyncio
import time

import pytest

from netlab.flow import Outcome
from netlab.net.faulty import link_of
from tests.http.faults.setting import effects, set_faults
from tests.http.serving import connected, ended
from tests.http.upstreams import Called, gateway_to, scripted

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"


async def always_ok(called: Called) -> None:
    while True:
        await called.head()
        await called.say(OK)


async def ask(port: int, data: bytes = GET) -> bytes:
    async with connected(port) as client:
        await client.send(data)
        client.end()
        try:
            return await client.all()
        except ConnectionResetError:
            return b"reset"


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("reset", b"502", b"error=connection_terminated"),
        ("reset towards=server", b"502", b"error=connection_terminated"),
        ("reset", b"502", b"the connection was reset by a fault that was injected (f1)"),
        ("truncate", b"502", b"error=connection_terminated"),
        ("truncate after=20", b"502", b"error=http_response_incomplete"),
        ("corrupt=100%", b"502", b"error=http_protocol_error"),
        ("stall", b"504", b"error=http_response_timeout"),
        ("latency=5s", b"504", b"error=http_response_timeout"),
        ("stall towards=server", b"504", b"error=http_response_timeout"),
        ("status=429", b"429", b"Netlab-Fault: f1"),
    ],
)
async def test_what_becomes_of_the_request(fault: str, status: bytes, words: bytes) -> None:
    faults = set_faults(f"leg=upstream {fault}")
    async with (
        scripted(always_ok) as upstream,
        gateway_to(upstream.port, faults=faults, response_timeout=0.05) as (
            app,
            port,
            gateway,
        ),
    ):
        answer = await ask(port)
        assert answer.startswith(b"HTTP/1.1 %b " % status)
        assert words in answer
        flow, leg = [flow for flow in app.flows if flow.kind == "http"]
        assert flow.details == leg.details == {"faults": [f"f1: leg=upstream {fault}"]}
        assert [name for name, _ in effects(app.flows)] == ["f1"]
        assert len(gateway.pool) == 0  # nothing of it is used again


@pytest.mark.parametrize("fault", ["truncate after=head+5", "reset after=head+5"])
async def test_what_breaks_off_breaks_off_for_the_client_too(fault: str) -> None:
    async def slowly(called: Called) -> None:
        await called.head()
        await called.say(OK[:-8])
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.02)
        await called.say(OK[-8:])
        await called.head()

    faults = set_faults(f"leg=upstream {fault}")
    async with scripted(slowly) as upstream, gateway_to(upstream.port, faults=faults) as (app, port, _):
        answer = await ask(port)
        assert not answer.endswith(b"0123456789")
        assert (await ended(app))[0].outcome in (Outcome.CUT, Outcome.UNREACHABLE)


async def test_a_slow_upstream_is_still_kept() -> None:
    faults = set_faults("leg=upstream latency=20ms slice=3 when path == /a")
    async with (
        scripted(always_ok) as upstream,
        gateway_to(upstream.port, faults=faults) as (app, port, gateway),
        connected(port) as client,
    ):
        for _ in range(3):
            began = time.monotonic()
            await client.send(GET)
            assert (await client.response())[1] == b"0123456789"
            assert time.monotonic() - began >= 0.015
            (slot,) = gateway.pool._slots.values()
            assert link_of(slot.idle[0][0]) is None  # nothing is left in its way
        began = time.monotonic()
        await client.send(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.response()
        assert effects(app.flows) == [("f1", "slice"), ("f1", "latency")] * 3
        assert len(upstream.calls) == 1


async def test_what_the_upstream_hears() -> None:
    faults = set_faults("leg=upstream towards=server truncate after=head+3")
    heard: list[bytes] = []

    async def hear(called: Called) -> None:
        await called.head()
        heard.append(await called.reader.read())
        await called.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with scripted(hear) as upstream, gateway_to(upstream.port, faults=faults) as (_, port, _):
        answer = await ask(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert heard == [b"012"]


async def test_a_reset_is_not_healed_by_trying_again() -> None:
    """A kept connection that dies is replaced once, but a leg that is struck stays struck."""
    faults = set_faults()
    async with (
        scripted(always_ok) as upstream,
        gateway_to(upstream.port, faults=faults) as (_, port, _),
        connected(port) as client,
    ):
        await client.send(GET)
        assert (await client.response())[0].startswith(b"HTTP/1.1 200 ")
        set_faults("leg=upstream reset", table=faults)
        await client.send(GET)
        assert (await client.response())[0].startswith(b"HTTP/1.1 502 ")
        faults.clear()
        await client.send(GET)
        assert (await client.response())[0].startswith(b"HTTP/1.1 200 ")
        assert len(upstream.calls) == 3  # the kept one, one in its place, and one without a fault


async def test_slow_uploads_hold_the_client_back() -> None:
    size = 1 << 20
    faults = set_faults("leg=upstream towards=server bandwidth=4MiB")

    async def take(called: Called) -> None:
        await called.head()
        await called.exactly(size)
        await called.say(OK)
        await called.head()

    async with scripted(take) as upstream, gateway_to(upstream.port, faults=faults) as (_, port, _):
        began = time.monotonic()
        answer = await ask(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        assert answer.endswith(b"0123456789")
        assert time.monotonic() - began >= 0.2


async def test_an_upgraded_connection_stays_struck() -> None:
    async def echo(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
        while data := await called.reader.read(1000):
            await called.say(data)

    faults = set_faults("leg=upstream latency=10ms", "latency=10ms", "corrupt=100% after=head")
    async with (
        scripted(echo) as upstream,
        gateway_to(upstream.port, faults=faults) as (_, port, _),
        connected(port) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        await client.until(b"\r\n\r\n")
        for _ in range(3):
            began = time.monotonic()
            await client.send(b"hello")
            assert await client.exactly(5) != b"hello"
            assert time.monotonic() - began >= 0.015


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("fault", ["latency=5s", "stall towards=server", "bandwidth=10"])
async def test_a_client_gone_at_any_moment_leaves_nothing(fault: str, turns: int) -> None:
    faults = set_faults(f"leg=upstream {fault}", "latency=5s")
    async with scripted(always_ok) as upstream, gateway_to(upstream.port, faults=faults) as (_, port, gateway):
        async with connected(port) as client:
            await client.send(GET)
            for _ in range(turns):
                await asyncio.sleep(0)
            client.reset()
        async with asyncio.timeout(5):
            while any(slot.leased for slot in gateway.pool._slots.values()):
                await asyncio.sleep(0)
