"""Peers that stop in the middle, on either side of both proxies: each meets a deadline, and nothing of it stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.http.serving import Client, connected
from tests.http.upstreams import Called, scripted
from tests.servers.bad_input.judged import DOORS, Door, Judge, judging

both = pytest.mark.parametrize("door", DOORS)
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


async def drip(client: Client, data: bytes) -> bytes:
    """A byte at a time, and what comes back meanwhile."""
    answer = asyncio.get_running_loop().create_task(client.all())
    for at in range(len(data)):
        if answer.done():
            break
        try:
            await client.send(data[at : at + 1])
        except ConnectionError:
            break
        await asyncio.wait([answer], timeout=0.01)
    return await answer


async def nothing_left(door: Door) -> None:
    """The upstream's connection is given up, and everything that was waited for is over."""
    gateway, flows = door.gateway, door.proxy.flows
    async with asyncio.timeout(5):
        while len(gateway.pool) or len(gateway.sweep) or not all(flow.ended for flow in flows if flow.is_leg):
            await asyncio.sleep(0)


# -- clients -----------------------------------------------------------------------------------------------------


@both
async def test_a_client_that_drips_its_head(door: Any) -> None:
    async with (
        judging() as (judge, port),
        door(port, judge, header_timeout=0.1) as here,
        connected(here.proxy.port) as client,
    ):
        assert (await drip(client, here.asked(GET)[:-2] + b"X: y\r\n" * 100)).startswith(b"HTTP/1.1 408 ")
        assert judge.heard == []


@both
async def test_a_client_that_drips_its_content(door: Any) -> None:
    options = {"body_timeout": 0.1, "minimum_rate": 1_000_000}
    async with judging() as (judge, port), door(port, judge, **options) as here, connected(here.proxy.port) as client:
        await client.send(here.asked(POST))
        assert (await drip(client, b"x" * 1000)).startswith(b"HTTP/1.1 408 ")
        await nothing_left(here)
        assert judge.requests == []
        assert judge.begun == ["/x"]


@both
@pytest.mark.parametrize("size", [0, 100])
async def test_a_client_that_stops_in_its_content(door: Any, size: int) -> None:
    async with (
        judging() as (judge, port),
        door(port, judge, body_timeout=0.1) as here,
        connected(here.proxy.port) as client,
    ):
        await client.send(here.asked(POST) + b"x" * size)
        assert (await client.all()).startswith(b"HTTP/1.1 408 ")
        await nothing_left(here)
        assert judge.requests == []


@both
async def test_a_client_that_stops_reading(door: Any) -> None:
    async def endless(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await called.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    async with (
        scripted(endless) as upstream,
        door(upstream.port, Judge(), write_timeout=0.1) as here,
        connected(here.proxy.port) as client,
    ):
        await client.send(here.asked(GET))
        await client.until(b"\r\n\r\n")
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
        await nothing_left(here)


# -- upstreams ---------------------------------------------------------------------------------------------------


async def silent(called: Called) -> None:
    """Takes the connection, and nothing else."""
    await asyncio.Event().wait()


async def interim(called: Called) -> None:
    """Processing, and no more."""
    await called.head()
    await called.say(b"HTTP/1.1 102 Processing\r\n\r\n")
    await called.reader.read()


@both
@pytest.mark.parametrize("script", [silent, interim])
async def test_an_upstream_that_says_nothing(door: Any, script: Any) -> None:
    async with scripted(script) as upstream, door(upstream.port, Judge(), timeout=0.1) as here:
        answer = await here.say(here.asked(POST[:-4] + b"\r\n\r\n" + b"x" * 1_000_000))
        final = answer[answer.index(b"HTTP/1.1 504 ") :]
        assert b"; error=http_response_timeout" in final
        await nothing_left(here)


@both
async def test_an_upstream_that_drips_its_head(door: Any) -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await called.say(b"y")
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.02)

    async with scripted(script) as upstream, door(upstream.port, Judge(), timeout=0.2) as here:
        answer = await here.say(here.asked(GET))
        assert answer.startswith(b"HTTP/1.1 504 ")
        await nothing_left(here)


@both
async def test_an_upstream_that_stops_in_its_content(door: Any) -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await called.reader.read()

    async with scripted(script) as upstream, door(upstream.port, Judge(), timeout=0.1) as here:
        answer = await here.say(here.asked(GET))
        assert not answer.endswith(b"Content-Length: 10\r\n\r\nhello_____")
        assert len(answer.partition(b"\r\n\r\n")[2]) <= 5
        await nothing_left(here)


@both
async def test_an_upstream_that_does_not_take_content(door: Any) -> None:
    async def script(called: Called) -> None:
        called.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with scripted(script) as upstream, door(upstream.port, Judge(), timeout=0.1) as here:
        big = POST.replace(b"1000000", b"12000000")
        async with connected(here.proxy.port) as client:
            sending = asyncio.get_running_loop().create_task(client.send(here.asked(big) + b"x" * 12_000_000))
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 504 ")
            sending.cancel()
            await asyncio.wait([sending])
        await nothing_left(here)
