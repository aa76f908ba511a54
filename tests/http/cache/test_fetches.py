"""Fetches: one for all who ask, each client at its own pace, and nothing left of it when they go."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from netlab.http.cache.shared import SharedCache
from tests.http.cache.playing import Head, read_head
from tests.http.serving import SECONDS, Client, connected
from tests.http.upstreams import Called, Script, Scripted, scripted
from tests.servers.reverse_proxy.proxied import Reverse, proxied

LASTING = b"Cache-Control: max-age=60\r\n"
ASK = b"GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\n"


class Gate:
    """An origin that answers when it is told to."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.open = asyncio.Event()

    async def script(self, called: Called) -> None:
        while True:
            await called.head()
            answer = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            await self.open.wait()
            if not answer:
                return
            await called.say(answer)


def answer(body: bytes, fields: bytes = LASTING, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d Said\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body)


@asynccontextmanager
async def behind(script: Script, **options: Any) -> AsyncIterator[tuple[Scripted, Reverse, SharedCache]]:
    async with scripted(script) as upstream, proxied(upstream.port, cache=True, **options) as proxy:
        cache = proxy.server.cache
        assert cache is not None
        yield upstream, proxy, cache
    assert not cache.arrivals.under_way
    assert not cache.arrivals.fetches
    assert cache.arrivals.receiving == 0


@asynccontextmanager
async def clients(proxy: Reverse, count: int) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(proxy.port)) for _ in range(count)]


async def whole(client: Client) -> tuple[Head, bytes]:
    async with asyncio.timeout(SECONDS):
        head = await read_head(client.reader)
    return head, await client.exactly(int(head.get("content-length") or 0))


async def when(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not happened():
            await asyncio.sleep(0)


def readers(cache: SharedCache) -> int:
    return sum(len(fetch.readers) for fetch in cache.arrivals.under_way)


# -- one for all -------------------------------------------------------------------------------------------------


async def test_requests_for_the_same_are_asked_once() -> None:
    gate = Gate(answer(b"one"))
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 5) as five:
        for client in five:
            await client.send(ASK)
        await when(lambda: readers(cache) == 5)
        gate.open.set()
        answers = [await whole(client) for client in five]
        assert [body for _, body in answers] == [b"one"] * 5
        assert gate.asked == 1
        statuses = [str(head.get("cache-status")) for head, _ in answers]
        assert ["collapsed" in status for status in statuses] == [False, True, True, True, True]
        assert all(head.get("age") == "0" for head, _ in answers[1:])


async def test_who_comes_in_the_middle_gets_it_from_the_beginning() -> None:
    more = asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\n" + LASTING + b"Content-Length: 6\r\n\r\nabc")
        await more.wait()
        await called.say(b"def")

    async with behind(script) as (upstream, proxy, cache), clients(proxy, 2) as (first, second):
        await first.send(ASK)
        await first.until(b"\r\n\r\nabc")
        await second.send(ASK)
        await when(lambda: readers(cache) == 2)
        await second.until(b"\r\n\r\nabc")
        more.set()
        assert await first.exactly(3) == await second.exactly(3) == b"def"
        assert len(upstream.calls) == 1


@pytest.mark.parametrize("fields", [b"Cache-Control: private, max-age=60\r\n", b"Cache-Control: no-store\r\n", b""])
async def test_what_is_for_one_only_is_asked_by_each(fields: bytes) -> None:
    gate = Gate(*(answer(f"{number}".encode(), fields) for number in range(9)))
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 3) as three:
        for client in three:
            await client.send(ASK)
        await when(lambda: readers(cache) == 3 and gate.asked > 0)
        assert gate.asked == 1
        gate.open.set()
        assert {body for _, body in [await whole(client) for client in three]} == {b"0", b"1", b"2"}
        gate.open.clear()  # nobody waits for such an answer twice
        for client in three:
            await client.send(ASK)
        await when(lambda: gate.asked == 6)
        gate.open.set()
        assert {body for _, body in [await whole(client) for client in three]} == {b"3", b"4", b"5"}


async def test_another_variant_is_asked_for_by_itself() -> None:
    gate = Gate(answer(b"1", LASTING + b"Vary: Foo\r\n"), answer(b"2", LASTING + b"Vary: Foo\r\n"))
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 3) as (one, same, other):
        await one.send(ASK[:-2] + b"Foo: a\r\n\r\n")
        await when(lambda: gate.asked == 1)
        await same.send(ASK[:-2] + b"Foo: a\r\n\r\n")
        await other.send(ASK[:-2] + b"Foo: b\r\n\r\n")
        await when(lambda: readers(cache) == 3)
        gate.open.set()
        assert [(await whole(client))[1] for client in (one, same, other)] == [b"1", b"1", b"2"]


async def test_a_stale_answer_is_validated_once() -> None:
    fields = b'Cache-Control: max-age=1\r\nETag: "a"\r\n'
    gate = Gate(answer(b"old", fields), b'HTTP/1.1 304 X\r\nETag: "a"\r\nCache-Control: max-age=60\r\n\r\n')
    gate.open.set()
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 3) as three:
        await three[0].send(ASK)
        await whole(three[0])
        proxy.clock.jump(5)
        gate.open.clear()
        for client in three:
            await client.send(ASK)
        await when(lambda: readers(cache) == 3)
        gate.open.set()
        assert [(await whole(client))[1] for client in three] == [b"old"] * 3
        assert gate.asked == 2


async def test_a_failure_is_told_to_all() -> None:
    gate = Gate(b"")
    async with behind(gate.script, retries=0) as (_, proxy, cache), clients(proxy, 3) as three:
        for client in three:
            await client.send(ASK)
        await when(lambda: readers(cache) == 3)
        gate.open.set()
        assert [(await whole(client))[0].first.split(" ")[1] for client in three] == ["502"] * 3
        assert gate.asked == 1


async def test_what_was_asked_for_before_a_change_is_not_kept() -> None:
    gate = Gate(answer(b"before"), answer(b"", b""), answer(b"after"))
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 3) as (reader, changer, late):
        await reader.send(ASK)
        await when(lambda: gate.asked == 1)
        assert cache.purge("http://shop.test/a") == 0
        await late.send(ASK)  # does not wait for what was asked for before
        await when(lambda: gate.asked == 2)
        gate.open.set()
        assert (await whole(reader))[1] == b"before"
        await whole(late)
        await changer.send(ASK)
        await whole(changer)
        assert [stored.content for stored in cache.store] != [b"before"]


# -- stale while it is refreshed ---------------------------------------------------------------------------------


async def test_stale_is_used_while_it_is_refreshed() -> None:
    stale = b"Cache-Control: max-age=1, stale-while-revalidate=60\r\n"
    gate = Gate(answer(b"old", stale), answer(b"new"))
    gate.open.set()
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 1) as (client,):
        await client.send(ASK)
        await whole(client)
        proxy.clock.jump(5)
        gate.open.clear()
        for _ in range(3):
            await client.send(ASK)
            head, body = await whole(client)
            assert (body, head.get("age")) == (b"old", "5")
            assert re.search(r"; hit; ttl=-4$", str(head.get("cache-status")))
        await when(lambda: gate.asked == 2)
        gate.open.set()
        await when(lambda: not cache.arrivals.under_way)
        await client.send(ASK)
        assert (await whole(client))[1] == b"new"
        assert gate.asked == 2
        background = [flow for flow in proxy.of_kind("http") if flow.parent is not None and flow.parent.kind == "http"]
        assert {flow.label for flow in background} == {"GET /a"}


async def test_a_refresh_ends_with_the_proxy() -> None:
    gate = Gate(answer(b"old", b"Cache-Control: max-age=1, stale-while-revalidate=60\r\n"))
    gate.open.set()
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 1) as (client,):
        await client.send(ASK)
        await whole(client)
        proxy.clock.jump(5)
        gate.open.clear()
        await client.send(ASK)
        await whole(client)
        await when(lambda: gate.asked == 2)
        assert len(cache.arrivals.under_way) == 1


# -- clients come and go -----------------------------------------------------------------------------------------


async def test_the_last_one_to_leave_ends_it() -> None:
    gate = Gate(answer(b"one"))
    async with behind(gate.script) as (upstream, proxy, cache), clients(proxy, 2) as (first, second):
        await first.send(ASK)
        await second.send(ASK)
        await when(lambda: readers(cache) == 2 and gate.asked == 1)
        first.reset()
        await when(lambda: readers(cache) == 1)
        second.reset()
        await when(lambda: not cache.arrivals.under_way)
        assert await upstream.calls[0].reader.read() == b""


async def test_who_caused_it_may_leave() -> None:
    gate = Gate(answer(b"one"))
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 2) as (first, second):
        await first.send(ASK)
        await when(lambda: readers(cache) == 1)
        await second.send(ASK)
        await when(lambda: readers(cache) == 2)
        first.reset()
        await when(lambda: readers(cache) == 1)
        gate.open.set()
        assert (await whole(second))[1] == b"one"
        assert gate.asked == 1


async def test_a_slow_client_keeps_nobody_back() -> None:
    body = bytes(6 << 20)
    gate = Gate(answer(body))
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 2) as (slow, quick):
        await slow.send(ASK)
        await quick.send(ASK)
        await when(lambda: readers(cache) == 2)
        gate.open.set()
        assert (await whole(quick))[1] == body
        await when(lambda: len(cache.store) == 1)
        assert (await whole(slow))[1] == body
        await quick.send(ASK)
        head, again = await whole(quick)
        assert again == body
        assert "hit" in str(head.get("cache-status"))


async def test_what_is_too_large_is_passed_on_as_it_is_read() -> None:
    size = 20 << 20
    sent = 0

    async def script(called: Called) -> None:
        nonlocal sent
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\n" + LASTING + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(size >> 16):
            await called.say(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
            sent += 1 << 16
        await called.say(b"0\r\n\r\n")

    async with behind(script, cache_largest=1 << 20) as (_, proxy, cache), clients(proxy, 1) as (client,):
        await client.send(ASK)
        await client.until(b"\r\n\r\n")
        await when(lambda: any(not fetch.body.keep for fetch in cache.arrivals.under_way))
        (fetch,) = cache.arrivals.under_way
        await when(lambda: fetch.writing_paused)
        assert sent < size
        got = len(await client.until(b"\r\n0\r\n\r\n")) if size < 1 << 16 else 0
        while got < size:
            got += len(await client.reader.read(1 << 20))
        assert len(cache.store) == 0


async def test_what_is_received_at_the_same_time_is_bounded() -> None:
    hold = asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\n" + LASTING + b"Content-Length: 700001\r\n\r\n" + bytes(700_000))
        await hold.wait()
        await called.say(b"x")

    options = {"cache_size": 1 << 20, "cache_largest": 1 << 20}
    async with behind(script, **options) as (_, proxy, cache), clients(proxy, 3) as three:
        for number, client in enumerate(three):
            await client.send(ASK.replace(b"/a", b"/%d" % number))
            await client.until(b"\r\n\r\n")
            await client.exactly(700_000)
        assert cache.arrivals.receiving <= 1 << 20
        assert [fetch.body.keep for fetch in cache.arrivals.under_way].count(True) == 1
        hold.set()
        for client in three:
            await client.exactly(1)


async def test_a_part_does_not_pass_for_the_whole() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\n" + LASTING + b"Content-Length: 9\r\n\r\nabc")

    async with behind(script) as (_, proxy, cache), clients(proxy, 2) as (one, other):
        await one.send(ASK)
        await other.send(ASK)
        for client in (one, other):
            assert (await client.all()).endswith(b"\r\n\r\nabc")
        assert len(cache.store) == 0


async def test_interim_answers_and_trailers_are_passed_on() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        await called.say(
            b"HTTP/1.1 200 OK\r\n" + LASTING + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
        )

    async with behind(script) as (_, proxy, cache), clients(proxy, 1) as (client,):
        await client.send(ASK)
        assert b"Link: </a.css>" in await client.until(b"\r\n\r\n")
        assert b"X-Sum: 1" in await client.until(b"0\r\nX-Sum: 1\r\n\r\n")
        await when(lambda: len(cache.store) == 1)
        await client.send(ASK)
        assert (await whole(client))[1] == b"abc"


async def test_uploads_pass_through() -> None:
    heard = asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        await called.exactly(5 << 20)
        heard.set()
        await called.say(answer(b"thanks", b""))

    async with behind(script) as (_, proxy, _cache), clients(proxy, 1) as (client,):
        await client.send(b"PUT /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n" % (5 << 20))
        for _ in range(5):
            await client.send(bytes(1 << 20))
        head, body = await whole(client)
        assert heard.is_set()
        assert body == b"thanks"
        assert "fwd=method" in str(head.get("cache-status"))


async def test_what_cannot_be_kept_passes_unseen_for_a_second() -> None:
    gate = Gate(*(answer(f"{number}".encode(), b"Cache-Control: private\r\n") for number in range(4)), answer(b"4"))
    gate.open.set()
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 1) as (client,):
        for number in range(4):
            await client.send(ASK)
            head, body = await whole(client)
            assert body == str(number).encode()
            assert str(head.get("cache-status")).endswith("; fwd=uri-miss")
        await client.send(ASK)
        assert b"4" in (await whole(client))[1]
        assert len(cache.store) == 0
        proxy.clock.jump(1)
        for _ in range(2):
            await client.send(ASK)
            await whole(client)
        assert len(cache.store) == 1
        assert gate.asked == 6


@pytest.mark.parametrize("field", [b"Cache-Control: no-store", b"Authorization: Basic eDp5"])
async def test_one_clients_wish_says_nothing_of_others(field: bytes) -> None:
    gate = Gate(answer(b"one"))
    gate.open.set()
    async with behind(gate.script) as (_, proxy, cache), clients(proxy, 1) as (client,):
        await client.send(ASK[:-2] + field + b"\r\n\r\n")
        await whole(client)
        assert len(cache.store) == 0
        await client.send(ASK)
        await whole(client)
        assert len(cache.store) == 1
