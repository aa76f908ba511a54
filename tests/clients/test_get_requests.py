"""What the HTTP client sends: content, repeated requests, redirects, and through proxies."""

from __future__ import annotations

import asyncio

import pytest

from clients.get.client import Client, fetch
from clients.get.request import Request
from netlab.errors import (
    DeadlineExceeded,
    NetlabError,
    PeerUnreachable,
)
from netlab.flow import FlowLog, Level, Outcome
from netlab.http.client import ClientSettings
from netlab.http.url import Url
from netlab.net.certs import Authority
from netlab.net.dial import Dialer
from netlab.net.tls_context import client_context
from tests.clients.raw_servers import OK, OK_LINE, Pieces, Talk, answering, keeping, proxy, raw_server, server_context


async def send(server_url: str, content: Pieces, *fields: tuple[str, str]) -> tuple[int, bytes]:
    async with Client(Dialer(FlowLog()), settings=ClientSettings(patience=5)) as client:
        hop = await client.send(Request(url=Url.parse(server_url), method="POST", content=content, fields=fields))
        body = b"".join([piece async for piece in hop.content()])
        client.done(hop)
    assert hop.response is not None
    return hop.response.status, body


async def test_content_of_unknown_length_goes_out_in_chunks() -> None:
    async def read(talk: Talk) -> None:
        await talk.head()
        body = await talk.reader.readuntil(b"0\r\n\r\n")
        await talk.say(OK_LINE + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async with raw_server(read) as server:
        assert await send(server.url, Pieces(b"one", b"", b"two")) == (200, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in server.requests[0]


async def test_an_upload_ends_when_the_answer_is_no() -> None:
    async def refuse(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nlong")
        await talk.reader.read()

    gate = asyncio.Event()
    async with raw_server(refuse) as server:
        assert await send(server.url, Pieces(b"one", b"two", gate=gate)) == (413, b"long")


async def test_an_upload_the_server_does_not_read_meets_a_deadline() -> None:
    async def ignore(talk: Talk) -> None:
        await talk.head()
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of both directions
        await asyncio.Event().wait()

    settings = ClientSettings(patience=0.1)
    content = Pieces(*[bytes(1 << 20)] * 64)
    async with raw_server(ignore) as server, Client(Dialer(FlowLog()), settings=settings) as client:
        with pytest.raises(DeadlineExceeded, match="no progress of the upload"):
            await client.send(Request(url=Url.parse(server.url), method="POST", content=content))


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 100 Continue\r\n\r\n", b"", b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"]
)
async def test_expect_waits_for_a_sign_and_no_longer_than_is_sensible(answer: bytes) -> None:
    async def talk(talk: Talk) -> None:
        await talk.head()
        assert not talk.reader._buffer  # type: ignore[attr-defined]  # nothing came behind the head
        await talk.say(answer)
        if b"417" not in answer:
            await talk.reader.readuntil(b"0\r\n\r\n")
            await talk.say(OK_LINE + b"Content-Length: 0\r\n\r\n")

    async with raw_server(talk) as server:
        status, _ = await send(server.url, Pieces(b"data"), ("Expect", "100-continue"))
    assert status == (417 if b"417" in answer else 200)


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    async def once(talk: Talk) -> None:
        await talk.head()
        await talk.say(OK)
        if talk.number == 1:
            await talk.head()  # the second request arrives, and is not answered

    async with raw_server(once) as server, Client(Dialer(FlowLog())) as client:
        for _ in range(2):
            hop = await client.send(Request(url=Url.parse(server.url)))
            assert b"".join([piece async for piece in hop.content()]) == b"hello"
            client.done(hop)
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_an_answer_left_unread_ends_its_connection() -> None:
    part = OK_LINE + b"Content-Length: 900000\r\n\r\n" + bytes(1000)
    async with raw_server(keeping({b"/": part})) as server, Client(Dialer(flows := FlowLog())) as client:
        hop = await client.send(Request(url=Url.parse(server.url)))
        client.done(hop)
        assert "empty" in repr(client._pool)
    assert [flow.outcome for flow in flows if flow.kind == "http"] == [Outcome.CANCELLED]


async def test_the_flows_of_a_request_show_heads_and_their_bytes() -> None:
    async with raw_server(answering(OK)) as server:
        answer = await fetch(server.url + "/x", dialer=Dialer(flows := FlowLog(Level.FULL)))
    connection, exchange = flows
    assert (exchange.kind, exchange.parent, exchange.label) == ("http", connection, f"GET {server.url}/x")
    assert (exchange.result, exchange.outcome, exchange.sent) == ("200", Outcome.OK, 5)
    events = {event.name: event for event in exchange.events or ()}
    assert list(events) == ["request.received", "request.ended", "response.sent", "response.ended"]
    assert connection.wire is not None
    request, response = events["request.received"], events["response.sent"]
    assert connection.wire.read("client", request.start, request.end) == server.requests[0]
    assert connection.wire.read("server", response.start, response.end) == OK[:-5]
    assert answer.hop.exchange is not None
    assert answer.hop.exchange.head_sent == server.requests[0]


def redirect(status: int, location: str) -> bytes:
    return b"HTTP/1.1 %d Moved\r\nLocation: %b\r\nContent-Length: 2\r\n\r\ngo" % (status, location.encode())


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (302, "PUT", "PUT"),
    ],
)
async def test_redirects_keep_or_change_the_method(status: int, method: str, then: str) -> None:
    body = None if method == "HEAD" else b"data"

    async def talk(talk: Talk) -> None:
        while head := await talk.head():
            if b"Content-Length: 4" in head:
                assert await talk.reader.readexactly(4) == b"data"
            answer = redirect(status, "../b?c") if b"/a/" in head else OK
            await talk.say(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head.startswith(b"HEAD") else answer)

    async with raw_server(talk) as server:
        answer = await fetch(server.url + "/a/x", method=method, body=body, follow=True)
    assert answer.status == 200
    assert server.connections == 1
    assert server.requests[1].startswith(f"{then} /b?c HTTP/1.1\r\n".encode())
    assert (b"Content-Type" in server.requests[1]) is (then in ("POST", "PUT"))


async def test_credentials_stay_with_their_origin() -> None:
    secrets = [("Authorization", "Bearer t"), ("Cookie", "a=b"), ("X-Other", "1")]
    async with raw_server(answering(OK)) as other, raw_server(keeping({})) as origin:
        answers = {b"/": redirect(302, "/same"), b"/same": redirect(302, f"http://127.0.0.1:{other.port}/")}

        async def talk(talk: Talk) -> None:
            await keeping(answers)(talk)

        async with raw_server(talk) as origin:
            await fetch(origin.url, fields=secrets, follow=True)
            await fetch(origin.url.replace("//", "//user:secret@"), follow=True)
    same, elsewhere = origin.requests[1], other.requests[0]
    assert all(word in same for word in (b"Bearer t", b"a=b", b"X-Other"))
    assert b"X-Other" in elsewhere
    assert not any(word in elsewhere for word in (b"Bearer", b"a=b"))
    assert b"Basic" in origin.requests[3]
    assert b"Basic" not in other.requests[1]


async def test_redirects_that_lead_nowhere() -> None:
    answers = {b"/loop": redirect(302, "/loop"), b"/ftp": redirect(302, "ftp://x/"), b"/none": redirect(302, "")}
    answers[b"/content"] = redirect(307, "/elsewhere")
    async with raw_server(keeping(answers)) as server:
        with pytest.raises(NetlabError, match="more than 10 redirects"):
            await fetch(server.url + "/loop", follow=True)
        assert len(server.requests) == 11
        with pytest.raises(NetlabError, match="redirects to 'ftp://x/', where no request can be sent"):
            await fetch(server.url + "/ftp", follow=True)
        async with Client(Dialer(FlowLog())) as client:
            request = Request(url=Url.parse(server.url + "/content"), method="POST", content=Pieces(b"x"))
            with pytest.raises(NetlabError, match="can be read only once"):
                await client.follow(request)


async def test_http_goes_to_a_proxy_in_absolute_form() -> None:
    async with raw_server(answering(OK)) as server:
        answer = await fetch("http://origin.test/x?y", proxy=f"http://me:secret@127.0.0.1:{server.port}")
    assert answer.body == b"hello"
    head = server.requests[0]
    assert head.startswith(b"GET http://origin.test/x?y HTTP/1.1\r\nHost: origin.test\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n" in head


@pytest.mark.parametrize("secure_proxy", [False, True])
async def test_https_goes_through_a_tunnel(nginx: tuple[str, str], authority: Authority, secure_proxy: bool) -> None:
    context = server_context(authority) if secure_proxy else None
    flows = FlowLog(Level.FULL)
    async with proxy(context) as server:
        scheme = "https" if secure_proxy else "http"
        answer = await fetch(
            nginx[1] + "/small.txt",
            proxy=f"{scheme}://me:secret@127.0.0.1:{server.port}",
            tls=lambda: client_context(cafile=authority.certificate_path),
            dialer=Dialer(flows),
        )
    assert answer.body == b"hello\n"
    origin = nginx[1].removeprefix("https://")
    assert server.requests[0].startswith(f"CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n".encode())
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n" in server.requests[0]
    timings = answer.hop.timings()
    assert all(timings[stage] > 0 for stage in ("connect", "proxy", "tls"))
    assert answer.hop.connection is not None
    flow = answer.hop.connection.flow
    assert flow.plain is not None
    assert b"GET /small.txt" in flow.plain.read("client")
    assert flow.wire is not None
    assert (b"CONNECT" in flow.wire.read("client")) is not secure_proxy
    assert all(flow.outcome == Outcome.OK for flow in flows)


async def test_a_proxy_that_says_no_or_nothing() -> None:
    async with proxy(refuse=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno") as server:
        with pytest.raises(PeerUnreachable, match=r"answered CONNECT origin\.test:443 with 403 Forbidden") as caught:
            await fetch("https://origin.test/", proxy=server.url, dialer=Dialer(flows := FlowLog()))
    assert caught.value.stage == "proxy"
    assert all(flow.outcome for flow in flows)
    async with proxy(refuse=b"220 mail.test ESMTP\r\n") as server:
        with pytest.raises(PeerUnreachable, match="did not answer CONNECT"):
            await fetch("https://origin.test/", proxy=server.url)


async def test_bytes_a_tunnel_brings_early_are_not_lost(authority: Authority) -> None:
    """The proxy's answer and what follows it arrive in one read; here, garbage, which TLS must get to see."""
    async with proxy(refuse=b"HTTP/1.1 200 OK\r\n\r\n\x15\x03\x03\x00\x02\x02\x28") as server:
        with pytest.raises(PeerUnreachable, match="handshake_failure") as caught:
            await fetch("https://origin.test/", proxy=server.url, dialer=Dialer(flows := FlowLog()))
    assert caught.value.stage == "tls"
    assert all(flow.outcome for flow in flows)
