"""What answers of their own kind need from the engine: raw bytes, a cut, and a pause that the server's end wakes."""

from __future__ import annotations

import asyncio

import pytest

from netlab.flow import Outcome
from netlab.http.exchange import Exchange
from tests.http.serving import SECONDS, App, connected, ended, serving

GET = b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n"


async def say_and_cut(exchange: Exchange) -> None:
    exchange.raw(b"anything at all")
    exchange.raw(b"\r\n")
    exchange.cut()


async def test_raw_bytes_go_out_as_they_are_and_the_connection_ends() -> None:
    async with serving(say_and_cut) as (app, port), connected(port) as client:
        await client.send(GET % b"a" + GET % b"never looked at")
        assert await client.all() == b"anything at all\r\n"
        client.end()
        (flow,) = await ended(app)
    assert flow.label == "GET /a"
    assert (flow.outcome, flow.sent) == (Outcome.OK, 17)


async def test_raw_bytes_may_stand_behind_an_ordinary_answer() -> None:
    async def more_than_said(exchange: Exchange) -> None:
        exchange.start(200, [], length=5)
        exchange.send(b"Hello")
        exchange.raw(b", World!")
        exchange.finish()

    async with serving(more_than_said) as (_, port), connected(port) as client:
        await client.send(GET % b"a" + GET % b"b")
        assert (await client.response())[1] == b"Hello"
        assert await client.exactly(8) == b", World!"
        assert (await client.response())[1] == b"Hello"


async def test_a_handler_without_a_task_may_cut_too() -> None:
    def cut(exchange: Exchange) -> None:
        exchange.raw(b"no more")
        exchange.cut()

    async with serving(cut) as (app, port), connected(port) as client:
        await client.send(GET % b"a")
        assert await client.all() == b"no more"
        client.end()
        await ended(app)


async def test_unread_content_does_not_keep_a_cut_connection() -> None:
    async with serving(say_and_cut) as (app, port), connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nbegun")
        assert await client.all() == b"anything at all\r\n"
        client.end()
        (flow,) = await ended(app)
    assert flow.outcome == Outcome.OK


async def test_a_reset_reaches_the_client_as_one() -> None:
    async def reset(exchange: Exchange) -> None:
        exchange.raw(b"begun")
        await exchange.pause(0.02)
        exchange.cut(reset=True)

    async with serving(reset) as (app, port), connected(port) as client:
        await client.send(GET % b"a")
        assert await client.exactly(5) == b"begun"
        with pytest.raises(ConnectionResetError):
            await client.all()
        await ended(app)


async def test_a_pause_takes_its_time() -> None:
    async def late(exchange: Exchange) -> None:
        before = exchange.connection.loop.time()
        whole = await exchange.pause(0.05)
        exchange.text(200, f"{whole} {exchange.connection.loop.time() - before >= 0.049}")

    async with serving(late) as (_, port), connected(port) as client:
        await client.send(GET % b"a")
        assert (await client.response())[1] == b"True True"


async def test_a_drain_ends_a_pause_and_those_after_it() -> None:
    begun = asyncio.Event()

    async def patient(exchange: Exchange) -> None:
        exchange.start(200, [])
        begun.set()
        first = await exchange.pause(3600)
        second = await exchange.pause(3600)
        exchange.send(f"{first} {second}".encode())
        exchange.finish()

    async def drained_while(app: App, port: int) -> bytes:
        async with connected(port) as client:
            await client.send(GET % b"a")
            await begun.wait()
            for connection in app.gate.connections:
                connection.drain()
            return await client.all()

    async with serving(patient) as (app, port), asyncio.timeout(SECONDS):
        answer = await drained_while(app, port)
        assert answer.endswith(b"\r\n\r\nb\r\nFalse False\r\n0\r\n\r\n")


async def test_a_client_that_leaves_ends_a_pause() -> None:
    async def patient(exchange: Exchange) -> None:
        exchange.start(200, [])
        await exchange.pause(3600)

    async with serving(patient) as (app, port):
        async with connected(port) as client:
            await client.send(GET % b"a")
            await client.until(b"\r\n\r\n")
            client.reset()
        (flow,) = await ended(app)
    assert flow.outcome == Outcome.CUT
