"""Upstreams that break the protocol: the client is told so or cut off, never given it; and the connection is over."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest

from netlab.flow import Outcome
from tests.cores.http1_corpus import RESPONSES
from tests.http.upstreams import Called, Scripted, scripted
from tests.servers.bad_input.judged import DOORS, Door, Judge

both = pytest.mark.parametrize("door", DOORS)
HEAD = b"HTTP/1.1 200 OK\r\n"
FINAL = re.compile(rb"^HTTP/1\.1 [2-5]\d\d ", re.MULTILINE)
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
INJECTED = HEAD + b"Content-Length: 8\r\n\r\ninjected"


class Liar:
    """A request for /lie is answered by a lie, everything else as it should be."""

    def __init__(self, lie: bytes, *, closes: bool) -> None:
        self.lie, self.closes = lie, closes

    async def __call__(self, called: Called) -> None:
        while b"/lie" not in (await called.head()).split(b"\r\n", 1)[0]:
            await called.say(OK)
        await called.say(self.lie)
        if not self.closes:
            await called.reader.read()


@asynccontextmanager
async def lied_to(
    make: Any, lie: bytes, *, closes: bool = False, **options: Any
) -> AsyncIterator[tuple[Door, Scripted]]:
    async with (
        scripted(Liar(lie, closes=closes)) as upstream,
        make(upstream.port, Judge(), timeout=2.0, **options) as door,
    ):
        yield door, upstream


async def get(door: Door, target: str, method: str = "GET") -> bytes:
    return await door.say(door.asked(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()))


async def told(door: Door, upstream: Scripted, method: str = "GET") -> bytes:
    """What a client gets of the lie; afterwards the next request is answered rightly, and on another connection."""
    answer = await get(door, "/lie", method)
    assert b"injected" not in answer
    calls = len(upstream.calls)
    assert (await get(door, "/next")).endswith(b"\r\n\r\nok")
    assert len(upstream.calls) == calls + 1
    return answer


LIES: list[tuple[bytes, bytes]] = [
    (HEAD + b"Content-Length: 2\r\nContent-Length: 10\r\n\r\nok" + INJECTED, b"http_protocol_error"),
    (HEAD + b"Content-Length: 2, 2\r\n\r\nok", b"http_protocol_error"),
    (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INJECTED, b"http_protocol_error"),
    (HEAD + b"Content-Length: +2\r\n\r\nok", b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\nok", b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"http_protocol_error"),
    (HEAD + b"X: y\nContent-Length: 0\r\n\r\n", b"http_protocol_error"),
    (HEAD + b"X: y\rZ: 1\r\nContent-Length: 0\r\n\r\n", b"http_protocol_error"),
    (HEAD + b"X: \x00\r\nContent-Length: 0\r\n\r\n", b"http_protocol_error"),
    (HEAD + b"no colon\r\n\r\n", b"http_protocol_error"),
    (b"\r\n" + INJECTED, b"http_protocol_error"),
    (b"junk\r\n" + INJECTED, b"http_protocol_error"),
    (b"HTTP/2.0 200 OK\r\n\r\n", b"http_protocol_error"),
    (b"HTTP/1.1 2xx OK\r\n\r\n", b"http_protocol_error"),
    (b"ICY 200 OK\r\n\r\n", b"http_protocol_error"),
    (b"<html>hello</html>\r\n", b"http_protocol_error"),
    (b"\x15\x03\x01\x00\x02\x02\x28", b"http_protocol_error"),
    (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + INJECTED,
        b"http_upgrade_failed|http_protocol_error",
    ),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40 + INJECTED, b"http_response_header_section_size"),
    (HEAD + b"X: " + b"y" * 100_000, b"http_response_header_section_size"),
    (HEAD + b"X: y\r\n" * 10_000, b"http_response_header_section_size"),
    (HEAD[:-2] + b"k" * 100_000, b"http_protocol_error|http_response_header_section_size"),
    (b"HTTP/1.1 103 Early Hints\r\n" + b"X: y\r\n" * 10_000, b"http_response_header_section_size"),
    (b"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nno", b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;\n\nok\r\n0\r\n\r\n", b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nok\r\n", b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok0\r\n\r\n", b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", b"http_protocol_error"),
    # an answer, and what nobody asked for: split in two by whoever could write a field, or content where there is none
    (OK + INJECTED, b"http_protocol_error"),
    (OK + b"\r\n", b"http_protocol_error"),
    (HEAD + b"Content-Length: 0\r\nX: y\r\n\r\n" + INJECTED, b"http_protocol_error"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INJECTED, b"http_protocol_error"),
    (b"HTTP/1.1 204 No Content\r\n\r\ninjected", b"http_protocol_error"),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\ninjected", b"http_protocol_error"),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\ninjected", b"http_protocol_error"),
]


def is_502(answer: bytes, error: bytes) -> bool:
    """Whether this is one answer, and says why."""
    reasons = b"|".join(b"; error=" + one for one in error.split(b"|"))
    reason = re.search(rb"\r\nProxy-Status: [^\r]*(%b)" % reasons, answer)
    return answer.startswith(b"HTTP/1.1 502 ") and reason is not None and len(FINAL.findall(answer)) == 1


@both
@pytest.mark.parametrize("closes", [False, True])
async def test_a_lie_is_502_with_the_reason(door: Any, closes: bool) -> None:
    wrong = []
    for lie, error in LIES:
        async with lied_to(door, lie, closes=closes) as (here, upstream):
            answer = await told(here, upstream)
            if not is_502(answer, error):
                wrong.append((lie[:100], answer[:300]))
    assert wrong == []


@both
async def test_a_lie_on_a_kept_connection_is_none_of_its_age(door: Any) -> None:
    """It is not asked again, as it would be where the upstream had only closed."""
    for lie, error in LIES[:8]:
        async with lied_to(door, lie) as (here, upstream):
            await get(here, "/good")
            assert is_502(await told(here, upstream), error)
            assert sum(called.heard.count(b"GET /lie ") for called in upstream.calls) == 1


@both
async def test_content_for_head(door: Any) -> None:
    async with lied_to(door, HEAD + b"Content-Length: 8\r\n\r\ninjected") as (here, upstream):
        answer = await told(here, upstream, "HEAD")
        assert answer.startswith(b"HTTP/1.1 502 ")


@both
@pytest.mark.parametrize("late", [b"injected", INJECTED, b"\r\n", b""])
async def test_bytes_that_come_when_the_answer_is_out(door: Any, late: bytes) -> None:
    """The answer was right; what comes behind it ends the connection, and is nobody's answer."""
    answered, ended = asyncio.Event(), asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        await called.say(OK)
        await answered.wait()
        if late:
            await called.say(late)
        else:
            called.writer.write_eof()
        try:
            await called.reader.read()
        finally:
            ended.set()

    async with scripted(script) as upstream, door(upstream.port, Judge()) as here:
        assert (await get(here, "/1")).endswith(b"\r\n\r\nok")
        answered.set()
        await ended.wait()
        upstream.script = Liar(b"", closes=False)
        assert (await get(here, "/2")).endswith(b"\r\n\r\nok")
        assert len(upstream.calls) == 2


def whole(answer: bytes, method: str) -> int:
    """The status of the one final response that is complete, as h11 reads it; 0 if there is none."""
    core = h11.Connection(h11.CLIENT)
    core.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    core.send(h11.EndOfMessage())
    core.receive_data(answer)
    status = 0
    while True:
        match core.next_event():
            case h11.Response() as response:
                status = response.status_code
            case h11.EndOfMessage():
                return status
            case h11.NEED_DATA | h11.PAUSED:
                return 0


@both
async def test_whatever_the_core_refuses_of_a_server(door: Any) -> None:
    """On a kept connection, one after the other: 502 with the reason, or a response that is seen to be cut."""
    wrong = []
    liar = Liar(b"", closes=False)
    async with scripted(liar) as upstream, door(upstream.port, Judge(), timeout=2.0) as here:
        for one in [case for case in RESPONSES if case.rule is not None and case.method in ("GET", "HEAD")]:
            liar.lie, liar.closes = one.data, one.rule == "message.truncated"
            answer = await told(here, upstream, one.method)
            if whole(answer, one.method) not in (0, 502) or (b"HTTP/1.1 502 " in answer) != (b"Proxy-Status" in answer):
                wrong.append((one.id, answer[:300]))
    assert wrong == []


@both
@pytest.mark.parametrize(
    "head", [HEAD + b"Content-Length: 50\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n"]
)
async def test_an_early_end_is_seen_by_the_client(door: Any, head: bytes) -> None:
    async with lied_to(door, head + b"hello", closes=True) as (here, upstream):
        answer = await told(here, upstream)
        assert whole(answer, "GET") == 0
        assert next(iter(here.proxy.requests())).outcome == Outcome.CUT
