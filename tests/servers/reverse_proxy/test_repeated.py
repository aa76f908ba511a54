"""Requests that clients repeat: whatever becomes of one, it is the same as where everything is recorded and nothing is
taken for a repetition.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from netlab.flow import Flow, Level
from netlab.http.connection import HttpConnection
from netlab.http.forwarding import Forwarding
from netlab.http.repeated_call import RepeatedCall
from netlab.http.retry_on import RetryOn
from tests.http.serving import Client, connected
from tests.http.upstreams import Called, Script, always_ok, scripted
from tests.servers.proxies import when
from tests.servers.reverse_proxy.proxied import Reverse, members, proxied

REQUEST = b"GET /again HTTP/1.1\r\nHost: shop.test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 16:16:14 GMT\r\nContent-Length: 2\r\n\r\nok"
HEAD, CONTENT = ANSWER[:-2], ANSWER[-2:]
TIMES = 24
"""Until the upstream's breaker knows nothing but good of it."""


def after_all(last: Callable[[Called], Awaitable[None]]) -> Script:
    """An upstream whose first connection answers the same so many times, and then as `last` does; the next are well."""
    seen: list[Called] = []

    async def script(called: Called) -> None:
        seen.append(called)
        if len(seen) > 1:
            await always_ok(called)
        for _ in range(TIMES):
            await called.head()
            await called.say(ANSWER)
        await called.head()
        await last(called)

    return script


def says(*pieces: bytes) -> Callable[[Called], Awaitable[None]]:
    async def last(called: Called) -> None:
        for piece in pieces:
            await called.say(piece)
        await called.reader.read(-1)

    return last


async def closes(called: Called) -> None:
    called.writer.close()


async def resets(called: Called) -> None:
    called.reset()


async def breaks_off(called: Called) -> None:
    await called.say(HEAD + b"o")
    called.writer.close()


LAST = {
    "the same": says(ANSWER),
    "another head": says(ANSWER.replace(b"23 Nov", b"24 Nov")),
    "no Date": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "a redirection": says(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"),
    "an interim answer": says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER),
    "chunks": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "too much": says(ANSWER + b"and more"),
    "an error": says(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"),
    "an error that is tried elsewhere": says(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"),
    "a lie": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "a part": breaks_off,
    "an end": closes,
    "a reset": resets,
    "nothing": says(),
}


async def repeated(client: Client) -> None:
    for _ in range(TIMES):
        await client.send(REQUEST)
        assert (await client.until(CONTENT)).endswith(b"\r\n\r\nok")


def waits(proxy: Reverse) -> list[Any]:
    """Who waits for an upstream on clients' behalf."""
    connections = (connection for connection in proxy.server.gate.connections)
    return [c.exchange.sink for c in connections if isinstance(c, HttpConnection) and c.exchange is not None]


def told(flow: Flow) -> tuple[Any, ...]:
    """What a flow tells, but for its times and for how the level is named."""
    server = flow.server[:1] if isinstance(flow.server, tuple) else flow.server
    return flow.kind, flow.label, flow.result, flow.outcome, flow.received, flow.sent, flow.details, server


async def seen_and_told(last: Callable[[Called], Awaitable[None]], level: Level) -> str:
    """What the client got at last, what the flows tell, and what is known of the upstream."""
    options: dict[str, Any] = {"retry_on": RetryOn.parse("reset,timeout,503"), "balance": "first", "level": level}
    if last is LAST["nothing"]:
        options["timeout"] = 0.5
    async with scripted(after_all(last)) as one, scripted(always_ok) as other:
        async with proxied(one.port, other.port, **options) as proxy:
            async with connected(proxy.port) as client:
                await repeated(client)
                await client.send(REQUEST)
                client.end()
                answer = await client.all()
            await proxy.until(lambda: all(flow.ended for flow in proxy.of_kind("http")))
            flows = [told(flow) for flow in proxy.of_kind("http")]
            known = [(m.total, m.active, m.errors, m.breaker.state, m.breaker._history) for m in members(proxy)]
        calls = len(one.calls), len(other.calls)
        words = repr((answer, flows, known, calls, sorted(proxy.flows.outcomes.items())))
        words = words.replace(str(one.port), "ONE").replace(str(other.port), "OTHER")
        return re.sub(r"netlab-[0-9a-f]{8}|Date: [\w, :]+ GMT", "(varies)", words)


@pytest.mark.parametrize("last", LAST.values(), ids=LAST)
async def test_it_is_as_where_everything_is_recorded(last: Callable[[Called], Awaitable[None]]) -> None:
    assert await seen_and_told(last, Level.SUMMARY) == await seen_and_told(last, Level.FULL)


async def test_it_waits_lightly_until_its_answer_is_another() -> None:
    heard = asyncio.Event()

    async def last(called: Called) -> None:
        await heard.wait()
        await called.say(HEAD)
        await called.reader.read(-1)

    async with (
        scripted(after_all(last)) as upstream,
        proxied(upstream.port, level=Level.SUMMARY) as proxy,
        connected(proxy.port) as client,
    ):
        await repeated(client)
        await client.send(REQUEST)
        await when(lambda: [type(wait) for wait in waits(proxy)] == [RepeatedCall])
        flow, leg = (flow for flow in proxy.of_kind("http") if not flow.ended)
        assert (flow.label, leg.label, leg.parent) == ("GET /again", "GET /again", flow)
        heard.set()
        await when(lambda: [type(wait) for wait in waits(proxy)] == [Forwarding])


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_a_client_that_leaves_cancels_it(level: Level) -> None:
    async with scripted(after_all(says())) as upstream, proxied(upstream.port, level=level) as proxy:
        async with connected(proxy.port) as client:
            await repeated(client)
            await client.send(REQUEST)
            await when(lambda: len(waits(proxy)) == 1)
            client.reset()
        flow, leg = (await proxy.ended("http", 2 * TIMES + 2))[-2:]
        assert (flow.outcome, leg.outcome) == ("cut", "cancelled")
        assert [(member.total, member.active, member.errors) for member in members(proxy)] == [(TIMES + 1, 0, 0)]
