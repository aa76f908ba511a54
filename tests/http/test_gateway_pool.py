"""The gateway's connections: how many to an origin, how long without use, and both sides held back by the slower."""

from __future__ import annotations

import asyncio

from netlab.flow import Outcome
from netlab.http.connection import HttpConnection
from tests.http.serving import SECONDS, connected
from tests.http.upstreams import OK, Called, always_ok, gateway_to, scripted

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_only_so_many_connections_to_one_origin() -> None:
    """Who waits gets the next that is free; who waits too long is told so, with the time to come again."""
    may_answer = asyncio.Event()

    async def script(called: Called) -> None:
        while True:
            await called.head()
            await may_answer.wait()
            await called.say(OK)

    async with (
        scripted(script) as upstream,
        gateway_to(upstream.port, per_origin=1, pool_timeout=0.05) as (app, port, gateway),
        connected(port) as first,
        connected(port) as second,
    ):
        await first.send(GET)
        await second.send(GET)
        head, _ = await second.response()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"error=connection_limit_reached" in head
        assert b"\r\nRetry-After: 1\r\n" in head
        gateway.settings = type(gateway.settings)(pool_timeout=SECONDS)
        await second.send(GET)
        may_answer.set()
        for client in (first, second):
            assert (await client.response())[1] == b"ok"
        assert len(upstream.calls) == 1
        assert [flow.outcome for flow in app.http_flows()].count(Outcome.OK) == 4


async def test_a_connection_without_use_is_closed() -> None:
    ended = asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        await called.say(OK)
        assert await called.reader.read() == b""
        ended.set()

    async with (
        scripted(script) as upstream,
        gateway_to(upstream.port, idle_timeout=0.05) as (_, port, gateway),
        connected(port) as client,
    ):
        await client.send(GET)
        await client.response()
        await asyncio.wait_for(ended.wait(), SECONDS)
        assert len(gateway.pool) == 0


async def test_an_upstream_that_closes_what_is_kept_is_forgotten() -> None:
    async def once(called: Called) -> None:
        await called.head()
        await called.say(OK)

    async with scripted(once) as upstream, gateway_to(upstream.port) as (app, port, _), connected(port) as client:
        for number in range(3):
            await client.send(GET)
            assert (await client.response())[1] == b"ok"
            async with asyncio.timeout(SECONDS):
                while any(flow.kind == "tcp" and flow.parent and not flow.ended for flow in app.flows):
                    await asyncio.sleep(0)
            assert len(upstream.calls) == number + 1


async def test_a_slow_upstream_holds_the_client_back() -> None:
    async def never_reads(called: Called) -> None:
        await called.head()
        called.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
        await asyncio.Event().wait()

    async with (
        scripted(never_reads) as upstream,
        gateway_to(upstream.port) as (app, port, _),
        connected(port) as client,
    ):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        (connection,) = app.gate.connections
        assert isinstance(connection, HttpConnection)
        written, piece, transport = 0, b"x" * (1 << 18), client.writer.transport
        async with asyncio.timeout(SECONDS):
            while not connection.held:
                transport.write(piece)
                written += len(piece)
                while not connection.held and transport.get_write_buffer_size() > len(piece):
                    await asyncio.sleep(0)
        assert written < 32 << 20


async def test_content_that_nobody_wants_any_more_is_read_to_its_end() -> None:
    """The upstream's answer is there and its connection gone; the client's is kept if little is left to come."""

    async def refuses(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await called.reader.read()

    async with scripted(refuses) as upstream, gateway_to(upstream.port) as (_, port, _), connected(port) as client:
        for _ in range(2):
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"x" * 10)
            assert (await client.response())[1] == b"no"
            await client.send(b"x" * 990)
        assert len(upstream.calls) == 2  # half a request was left on the first


async def test_a_kept_connection_serves_other_clients() -> None:
    async with scripted(always_ok) as upstream, gateway_to(upstream.port) as (_, port, _):
        for _ in range(3):
            async with connected(port) as client:
                await client.send(GET)
                assert (await client.response())[1] == b"ok"
        assert len(upstream.calls) == 1
