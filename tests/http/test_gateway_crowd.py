"""Many requests through one gateway at the same time: their writes are gathered, their answers are their own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from netlab.http.exchange import Exchange
from tests.http.serving import Client, connected
from tests.http.upstreams import gateway_to, named, scripted

MANY = 20


def asking(path: str) -> bytes:
    return f"GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


async def crowd(stack: AsyncExitStack, port: int) -> list[Client]:
    return [await stack.enter_async_context(connected(port)) for _ in range(MANY)]


async def test_each_of_many_clients_gets_its_own_answer() -> None:
    async with (
        scripted(named("up")) as upstream,
        gateway_to(upstream.port) as (app, port, gateway),
        AsyncExitStack() as stack,
    ):
        app.http.gathering = gateway.gathering
        clients = await crowd(stack, port)
        for turn in range(3):
            await asyncio.gather(*(client.send(asking(f"{turn}.{n}")) for n, client in enumerate(clients)))
            answers = await asyncio.gather(*(client.response() for client in clients))
            asked = [content.split(b"\n")[1].split()[1].decode() for _, content in answers]
            assert asked == [f"/{turn}.{n}" for n in range(MANY)]
        assert len(upstream.calls) == MANY


async def test_a_client_that_is_gone_in_the_turn_of_its_request_disturbs_nobody() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    async with (
        scripted(named("up")) as upstream,
        gateway_to(upstream.port) as (app, port, _),
        AsyncExitStack() as stack,
    ):
        clients = await crowd(stack, port)
        inner = app.http.handler

        def handle(exchange: Exchange) -> None:
            inner(exchange)
            if exchange.request.target == "/gone":
                exchange.lost(ConnectionResetError("as the transport tells it"))  # before the gathered writes
                exchange.connection.abort()

        app.http.handler = handle
        for turn in ("first", "second"):
            paths = ["gone" if turn == "second" and n % 2 else str(n) for n in range(MANY)]
            await asyncio.gather(*(client.send(asking(path)) for path, client in zip(paths, clients, strict=True)))
            staying = [client for path, client in zip(paths, clients, strict=True) if path != "gone"]
            assert len(await asyncio.gather(*(client.response() for client in staying))) == len(staying)
    assert reported == []


async def test_answers_that_wait_to_be_written_leave_before_their_connections_end() -> None:
    async with (
        scripted(named("up")) as upstream,
        gateway_to(upstream.port) as (app, port, gateway),
        AsyncExitStack() as stack,
    ):
        app.http.gathering = gateway.gathering
        clients = await crowd(stack, port)
        await asyncio.gather(*(client.send(asking("first")) for client in clients))
        await asyncio.gather(*(client.response() for client in clients))

        def answered(exchange: Exchange) -> None:
            app.gate.drain()  # in the very turn of an answer

        app.http.settings = replace(app.http.settings, on_answered=answered)
        await asyncio.gather(*(client.send(asking("last")) for client in clients))
        answers = await asyncio.gather(*(client.all() for client in clients))
        assert [answer.startswith(b"HTTP/1.1 200 ") for answer in answers].count(True) >= 1
        assert all(answer == b"" or b"GET /last HTTP/1.1" in answer for answer in answers)
