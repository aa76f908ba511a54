"""The HTTP client and answers in every form: right, dribbled, cut, lying, coded, endless."""

from __future__ import annotations

import asyncio
import gzip
import os
import ssl
import tracemalloc
import zlib

import brotli
import pytest

from clients.get.client import Client, fetch
from clients.get.hop import Hop
from clients.get.request import Request
from netlab.errors import (
    BodyTooLarge,
    ConnectionLost,
    DeadlineExceeded,
    RemoteProtocolError,
    Truncated,
    UsageError,
)
from netlab.flow import FlowLog, Outcome
from netlab.http.client import ClientSettings
from netlab.http.decoding import CodingError
from netlab.http.url import Url
from netlab.net.addresses import AddressMap
from netlab.net.dial import Dialer
from netlab.net.tls_context import client_context
from tests.clients.raw_servers import OK, OK_LINE, Pieces, Talk, answering, keeping, raw_server


async def test_what_is_sent_looks_as_it_should() -> None:
    async with raw_server(answering(OK)) as server:
        await fetch(f"http://user:pa%3Ass@127.0.0.1:{server.port}/a%20b?c=ü#fragment", fields=[("X-Test", "1")])
        await fetch(server.url, method="PUT", body=b"data", fields=[("Host", "other.test"), ("Accept", "text/html")])
    head = server.requests[0].decode()
    assert head.startswith(f"GET /a%20b?c=%C3%BC HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUser-Agent: netlab/")
    assert (
        "\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAuthorization: Basic dXNlcjpwYTpzcw==" in head
    )
    assert head.endswith("\r\nX-Test: 1\r\n\r\n")
    head = server.requests[1].decode()
    assert head.startswith("PUT / HTTP/1.1\r\nHost: other.test\r\n")
    assert head.count("Host:") == head.count("Accept:") == 1
    assert "Content-Length: 4\r\n" in head


FORMS = {
    "by length": [OK_LINE + b"Content-Length: 10\r\n\r\n0123456789"],
    "by chunks": [
        OK_LINE + b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5;x=y\r\n56789\r\n0\r\nX-Trailer: t\r\n\r\n"
    ],
    "until the end": [OK_LINE + b"\r\n0123456789"],
    "by HTTP/1.0": [b"HTTP/1.0 200 OK\r\n\r\n0123456789"],
    "after interim answers": [
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 \r\n\r\n" + OK_LINE,
        b"Content-Length: 10\r\n\r\n0123456789",
    ],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dribble", [False, True])
async def test_every_form_of_an_answer_at_once_and_byte_by_byte(form: str, dribble: bool) -> None:
    whole = b"".join(FORMS[form])
    pieces = [whole[index : index + 1] for index in range(len(whole))] if dribble else FORMS[form]
    async with raw_server(answering(*pieces)) as server:
        answer = await fetch(server.url)
    assert (answer.status, answer.body) == (200, b"0123456789")
    if form == "by chunks":
        assert list(answer.trailers) == [("X-Trailer", "t")]
    if form == "after interim answers":
        assert answer.hop.exchange is not None
        assert [early.status for early in answer.hop.exchange.interim] == [103, 102]


LIES = {
    "cut inside the head": (b"HTTP/1.1 200 OK\r\nContent-", Truncated, "inside the response head"),
    "cut inside the content": (OK_LINE + b"Content-Length: 10\r\n\r\n0123", Truncated, "inside the content"),
    "cut inside a chunk": (OK_LINE + b"Transfer-Encoding: chunked\r\n\r\nff\r\n0123", Truncated, "inside the content"),
    "nothing at all": (b"", Truncated, "before the response"),
    "two lengths": (
        OK_LINE + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        RemoteProtocolError,
        "two lengths",
    ),
    "no status line": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", RemoteProtocolError, "SSH-2.0-OpenSSH_9.2"),
    "a bad chunk": (OK_LINE + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", RemoteProtocolError, "not a chunk size"),
    "an upgrade nobody asked for": (b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n", RemoteProtocolError, "101 without"),
    "a flood of interim answers": (b"HTTP/1.1 100 C\r\n\r\n" * 40, RemoteProtocolError, "more than 32"),
    "an endless head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, RemoteProtocolError, "more than 128 field"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_answers_that_are_wrong_are_named(lie: str) -> None:
    data, kind, words = LIES[lie]
    async with raw_server(answering(data)) as server:
        with pytest.raises(kind, match=words):
            await fetch(server.url, dialer=Dialer(flows := FlowLog()))
    assert {flow.outcome for flow in flows if flow.kind == "http"} <= {Outcome.CUT, Outcome.VIOLATION}


async def test_a_reset_is_told_from_an_end() -> None:
    async def reset(talk: Talk) -> None:
        await talk.head()
        await talk.say(OK_LINE + b"\r\n0123")
        talk.reset()

    async with raw_server(reset) as server:
        with pytest.raises(ConnectionLost, match=r"the connection ended .* \(reset\)"):
            await fetch(server.url)


async def test_silence_meets_a_deadline_before_the_answer_and_inside_it() -> None:
    async def silent(talk: Talk) -> None:
        if b"inside" in await talk.head():
            await talk.say(OK_LINE + b"Content-Length: 10\r\n\r\n0123")
        await talk.reader.read()

    settings = ClientSettings(patience=0.05)
    async with raw_server(silent) as server, Client(Dialer(flows := FlowLog()), settings=settings) as client:
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.05 s"):
            await client.send(Request(url=Url.parse(server.url)))
        hop = await client.send(Request(url=Url.parse(server.url + "/inside")))
        with pytest.raises(DeadlineExceeded, match="no further content"):
            async for _ in hop.content():
                pass
        client.done(hop)
    assert [flow.outcome for flow in flows if flow.kind == "http"] == [Outcome.TIMEOUT, Outcome.TIMEOUT]


CODED = {
    "gzip": gzip.compress(b"hello " * 1000),
    "deflate": zlib.compress(b"hello " * 1000),
    "br": brotli.compress(b"hello " * 1000),
    "br, gzip": gzip.compress(brotli.compress(b"hello " * 1000)),
}


@pytest.mark.parametrize("coding", CODED)
async def test_content_codings_are_undone_unless_raw(coding: str) -> None:
    head = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding.encode(), len(CODED[coding]))
    async with raw_server(answering(OK_LINE + head + CODED[coding])) as server:
        assert (await fetch(server.url)).body == b"hello " * 1000
        assert (await fetch(server.url, raw=True)).body == CODED[coding]
    assert b"Accept-Encoding" in server.requests[0]
    assert b"Accept-Encoding" not in server.requests[1]


async def test_a_coding_that_is_none_and_content_without_end() -> None:
    async with raw_server(answering(OK_LINE + b"Content-Encoding: gzip\r\n\r\nplain text")) as server:
        with pytest.raises(CodingError, match="not gzip"):
            await fetch(server.url)
        with pytest.raises(BodyTooLarge):
            await fetch(server.url, raw=True, limit=5)


async def test_a_large_answer_is_never_in_memory_as_a_whole() -> None:
    size, piece = 48 << 20, bytes(64 << 10)

    async def pour(talk: Talk) -> None:
        await talk.head()
        await talk.say(OK_LINE + b"Content-Length: %d\r\n\r\n" % size, *[piece] * (size // len(piece)))

    received = 0
    async with raw_server(pour) as server, Client(Dialer(FlowLog())) as client:
        tracemalloc.start()
        hop = await client.send(Request(url=Url.parse(server.url)))
        async for data in hop.content():
            received += len(data)
            if received % 7 == 0:
                await asyncio.sleep(0)
        client.done(hop)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert received == size
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "GE T"}, "is not a method"),
        ({"method": "CONNECT"}, "give the proxy with --proxy"),
        ({"fields": (("Content-Length", "3"),)}, "it follows from the data"),
        ({"fields": (("Transfer-Encoding", "gzip"),)}, "Transfer-Encoding: chunked"),
        ({"version": "1.0", "content": Pieces(b"x"), "method": "POST"}, "needs the length"),
    ],
)
async def test_requests_that_cannot_be_sent_are_refused_before_anything_is(
    options: dict[str, object], words: str
) -> None:
    async with Client(Dialer(flows := FlowLog())) as client:
        with pytest.raises(UsageError, match=words):
            await client.send(Request(url=Url.parse("http://127.0.0.1:1/"), **options))  # type: ignore[arg-type]  # one each
    assert not list(flows)


async def test_cancelled_at_any_moment_a_client_leaves_nothing_open() -> None:
    loop = asyncio.get_running_loop()
    lab = AddressMap()
    async with raw_server(keeping({b"/": OK_LINE + b"Transfer-Encoding: chunked\r\n\r\n", b"/x": OK})) as server:
        lab.add("origin.test", "127.0.0.1", {80: ("127.0.0.1", server.port)})

        async def get(path: str) -> None:
            async with Client(Dialer(FlowLog(), addresses=lab)) as client:
                hop = await client.send(Request(url=Url.parse(f"http://origin.test{path}")))
                try:
                    async for _ in hop.content():
                        pass
                finally:
                    client.done(hop)

        before = len(os.listdir("/proc/self/fd"))
        for turns in range(60):
            for path in ("/", "/x"):
                task = loop.create_task(get(path))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
        async with asyncio.timeout(5):
            while len(os.listdir("/proc/self/fd")) > before or len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)


async def test_hops_show_their_timings_even_when_nothing_happened() -> None:
    assert sum(Hop(Request(url=Url.parse("http://a.test/"))).timings().values()) == 0
    assert isinstance(client_context(), ssl.SSLContext)
