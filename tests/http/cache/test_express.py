"""Hits found by the bytes of the request: what the long way gives, and only while that is the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netlab.flow import Brief, Level
from netlab.http.connection import HttpConnection
from netlab.http.exchange import Exchange
from netlab.http.express import Express
from netlab.http.rules import LimitRule
from tests.http.cache.playing import read_head
from tests.http.cache.test_fetches import when
from tests.http.serving import Client, connected, serving
from tests.http.upstreams import Called, Scripted, scripted
from tests.servers.reverse_proxy.proxied import Reverse, proxied

ASK = b"GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\n"
LASTING = "Cache-Control: max-age=60\r\n"


def origin(fields: str = LASTING, body: str = "hello") -> Any:
    async def script(called: Called) -> None:
        while True:
            await called.head()
            number = called.heard.count(b"\r\n\r\n")
            text = f"{body} {number}".encode()
            await called.say(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(text)}\r\n\r\n".encode() + text)

    return script


@asynccontextmanager
async def caching(fields: str = LASTING, **options: Any) -> AsyncIterator[tuple[Scripted, Reverse, Client]]:
    options.setdefault("level", Level.SUMMARY)
    async with (
        scripted(origin(fields)) as upstream,
        proxied(upstream.port, cache=True, **options) as proxy,
        connected(proxy.port) as client,
    ):
        yield upstream, proxy, client


async def ask(client: Client, request: bytes = ASK) -> tuple[dict[str, str], bytes]:
    await client.send(request)
    head = await read_head(client.reader)
    length = 0 if request.startswith(b"HEAD") else int(head.get("content-length") or 0)
    return {name.lower(): value for name, value in head.fields}, await client.exactly(length)


def known(proxy: Reverse) -> int:
    assert proxy.server.cache is not None
    return len(proxy.server.cache.express)


async def test_the_short_way_answers_as_the_long_one() -> None:
    async with caching() as (upstream, proxy, client):
        first = await ask(client)
        long = await ask(client)
        assert known(proxy) == 1
        short = await ask(client)
        assert short == long
        assert short[1] == first[1] == b"hello 1"
        assert "hit" in short[0]["cache-status"]
        assert len(upstream.calls) == 1
        flows = [flow for flow in proxy.requests() if flow.ended]
        assert [flow.label for flow in flows] == ["GET /a"] * 3
        assert [(flow.result, flow.outcome, flow.sent) for flow in flows] == [("200", "ok", 7)] * 3
        assert [flow.details for flow in flows[1:]] == [{"cache": "hit"}] * 2
        assert flows[1].client == flows[2].client


async def test_age_and_what_is_left_go_with_the_clock() -> None:
    async with caching() as (_, proxy, client):
        for _ in range(3):
            fields, _ = await ask(client)
        assert fields["age"] == "0"
        proxy.clock.jump(5)
        fields, _ = await ask(client)
        assert fields["age"] == "5"
        assert fields["cache-status"].endswith("ttl=55")
        proxy.clock.jump(60)
        fields, body = await ask(client)
        assert "age" not in fields
        assert "fwd=stale" in fields["cache-status"]
        assert body == b"hello 2"


@pytest.mark.parametrize("gone", ["purged", "invalidated", "replaced"])
async def test_what_is_gone_is_not_known_any_more(gone: str) -> None:
    async with caching() as (_, proxy, client):
        for _ in range(2):
            await ask(client)
        assert known(proxy) == 1
        if gone == "purged":
            assert proxy.server.cache is not None
            assert proxy.server.cache.purge("http://shop.test/*") == 1
        elif gone == "invalidated":
            await ask(client, b"DELETE /a HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        else:
            await ask(client, ASK[:-2] + b"Cache-Control: no-cache\r\n\r\n")
        assert known(proxy) == 0
        assert (await ask(client))[1] != b"hello 1"


@pytest.mark.parametrize(
    "field", ["Range: bytes=0-1", 'If-None-Match: "x"', "Cache-Control: max-age=10", "Connection: close"]
)
async def test_requests_that_want_more_than_the_whole_go_the_long_way(field: str) -> None:
    async with caching() as (_, proxy, client):
        await ask(client)
        await client.send(ASK[:-2] + field.encode() + b"\r\n\r\n")
        await read_head(client.reader)
        assert known(proxy) == 0


async def test_several_requests_in_one_read() -> None:
    async with caching() as (_, _, client):
        for _ in range(2):
            await ask(client)
        await client.send(ASK * 3)
        for _ in range(3):
            head = await read_head(client.reader)
            assert await client.exactly(int(head.get("content-length") or 0)) == b"hello 1"


async def test_another_clients_bytes_are_as_good() -> None:
    async with caching() as (_, proxy, client):
        for _ in range(2):
            await ask(client)
        async with connected(proxy.port) as other:
            assert (await ask(other))[1] == b"hello 1"


async def test_at_level_full_every_request_is_seen() -> None:
    async with caching(level=Level.FULL) as (_, proxy, client):
        for _ in range(3):
            await ask(client)
        verdicts = [fields["verdict"] for fields in proxy.notes("cache.consulted")]
        assert verdicts == ["uri-miss", "hit", "hit"]


async def test_who_is_counted_goes_the_long_way() -> None:
    async with caching(limit=(LimitRule.parse("2/h"),)) as (_, proxy, client):
        for _ in range(2):
            await ask(client)
        assert known(proxy) == 0
        await client.send(ASK)
        assert (await read_head(client.reader)).first.split(" ")[1] == "429"


async def test_a_log_of_requests_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with caching(access_log=log) as (_, proxy, client):
        for _ in range(3):
            await ask(client)
        assert known(proxy) == 0
    assert len(log.read_text().splitlines()) == 3


async def test_a_client_of_1_0_is_always_told_that_its_connection_is_kept() -> None:
    old = ASK.replace(b"1.1", b"1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")
    async with caching() as (_, proxy, client):
        for _ in range(4):
            await client.send(old)
            head, _ = await client.response()
            assert b"Connection: keep-alive" in head
        assert known(proxy) == 0


async def test_only_so_many_spellings_are_remembered() -> None:
    async with caching() as (_, proxy, client):
        await ask(client)
        for number in range(20):
            await ask(client, ASK[:-2] + f"X-Number: {number}\r\n\r\n".encode())
        assert known(proxy) == 8


async def test_an_answer_that_waits_to_be_written_comes_first() -> None:
    """Answers of upstreams are gathered; a client that sends ahead must not get them in another order."""
    waiting: list[Exchange] = []
    held: list[HttpConnection] = []

    class Held:
        add = staticmethod(held.append)

    class Ahead(Express):
        def answers(self, connection: HttpConnection, data: bytes) -> bool:
            if not data.startswith(b"GET /second"):
                return False
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"
            return connection.answered(data, answer, Brief("http", "", "GET /second", "200", "ok", 6), 1.0)

    async with serving(waiting.append, level=Level.SUMMARY) as (app, port):
        app.http.take_express(Ahead())
        app.http.gathering = Held()  # type: ignore[assignment]  # as much of one as is asked for
        async with connected(port) as client:
            await client.send(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
            await when(lambda: bool(waiting))
            connection = waiting[0].connection
            connection.in_turn(waiting[0].respond, 200, b"", b"first")
            assert held == [connection]
            await client.send(b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
            await when(lambda: len(waiting) == 2)  # it goes the long way, behind the first
            waiting[1].respond(200, b"", b"second")
            assert [(await client.response())[1] for _ in range(2)] == [b"first", b"second"]


async def test_other_settings_are_asked_anew() -> None:
    async with caching() as (_, proxy, client):
        for _ in range(2):
            await ask(client)
        assert known(proxy) == 1
        config = replace(proxy.server.config, cache=False)
        proxy.server.configure(config, proxy.server.groups.of, otherwise=True)
        assert known(proxy) == 0
        assert (await ask(client))[1] == b"hello 2"
        proxy.server.configure(replace(config, cache=True), proxy.server.groups.of, otherwise=True)
        assert (await ask(client))[1] == b"hello 1"  # which stayed where it was
