"""The gateway between raw clients and scripted upstreams: what travels, what ends, and what is left behind."""

from __future__ import annotations

import asyncio

import pytest

from netlab.flow import Outcome
from netlab.http.gateway import Way
from netlab.http.roles import Asker
from tests.cancelling import cancel_at
from tests.http.serving import SECONDS, connected, ended
from tests.http.upstreams import OK, Called, always_ok, gateway_to, saying, scripted


async def ask(port: int, data: bytes) -> bytes:
    async with connected(port) as client:
        await client.send(data)
        client.end()
        return await client.all()


async def test_a_request_travels_with_the_fields_of_an_intermediary() -> None:
    async with scripted(always_ok) as upstream, gateway_to(upstream.port) as (app, port, _):
        answer = await ask(
            port,
            b"GET /a?b HTTP/1.1\r\nHost: site.test\r\nX-Kept: 1\r\nX-Named: 2\r\nConnection: X-Named, keep-alive\r\n"
            b"Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: gzip\r\nProxy-Authorization: secret\r\n"
            b"Via: 1.0 before\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
        )
        assert answer.endswith(b"ok")
        assert b"\r\nVia: 1.1 netlab-test\r\n" in answer
        line, *fields = upstream.calls[0].heard.decode().split("\r\n")
        assert line == "GET /a?b HTTP/1.1"
        assert fields[:2] == ["Host: up", "X-Kept: 1"]
        assert "Via: 1.0 before, 1.1 netlab-test" in fields
        assert "X-Forwarded-For: 127.0.0.1" in fields  # what a stranger claims is replaced
        assert "X-Forwarded-Host: site.test" in fields
        assert "Forwarded: for=127.0.0.1;host=site.test;proto=http" in fields
        names = {field.partition(":")[0].lower() for field in fields}
        assert not names & {"x-named", "keep-alive", "proxy-connection", "te", "proxy-authorization", "connection"}
        flow, leg = app.http_flows()
        assert leg.parent is flow
        assert (flow.outcome, leg.outcome) == (Outcome.OK, Outcome.OK)


async def test_the_connection_to_the_upstream_is_kept() -> None:
    async with scripted(always_ok) as upstream, gateway_to(upstream.port) as (_, port, _), connected(port) as client:
        for _ in range(5):
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await client.response())[1] == b"ok"
        assert len(upstream.calls) == 1


async def test_content_is_streamed_both_ways() -> None:
    async def echo(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            size = await called.until(b"\r\n")
            data = await called.exactly(int(size, 16) + 2)
            await called.say(size + data)
            if int(size, 16) == 0:
                break

    async with scripted(echo) as upstream, gateway_to(upstream.port) as (_, port, _), connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.until(b"\r\n\r\n")
        for piece in (b"one", b"two", b"three"):
            await client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            assert await client.until(b"%b\r\n" % piece) == b"%x\r\n%b\r\n" % (len(piece), piece)
        await client.send(b"0\r\n\r\n")
        assert await client.until(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_interim_responses_and_trailers_are_relayed() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        await called.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n")
        await called.say(b"Set-Cookie: a=b\r\n\r\n")
        await called.head()

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _):
        answer = await ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n")
        assert answer.endswith(b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")


async def test_trailers_say_nothing_past_the_head() -> None:
    """Some recipients merge them into the fields: who is asking, for whom, and how, has been checked there alone."""

    async def script(called: Called) -> None:
        await called.until(b"0\r\n")
        await called.until(b"\r\n\r\n")
        await called.say(OK)

    smuggled = b"X-Forwarded-For: 10.0.0.1\r\nX_Real_IP: 10.0.0.1\r\nCookie: a=b\r\nAuthorization: Basic YTpi\r\n"
    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _):
        request = (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n%b\r\n"
            % smuggled
        )
        assert (await ask(port, request)).endswith(b"\r\n\r\nok")
        assert upstream.calls[0].heard.endswith(b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")


async def test_the_upstream_says_continue() -> None:
    async def script(called: Called) -> None:
        assert b"Expect: 100-continue" in await called.head()
        await called.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await called.exactly(2)
        await called.say(OK)
        await called.head()

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _), connected(port) as client:
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.send(b"hi")
        assert (await client.response())[1] == b"ok"


async def test_an_early_answer_reaches_a_client_that_still_uploads() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _), connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        head, body = await client.response()
        assert head.startswith(b"HTTP/1.1 403 ")
        assert body == b"no"


async def test_a_kept_connection_that_was_closed_is_tried_once_more() -> None:
    answers = 0

    async def one_answer_each(called: Called) -> None:
        nonlocal answers
        await called.head()
        answers += 1
        await called.say(OK)
        if answers == 1:
            await called.head()  # the second request on a kept connection: answered by nothing
            called.reset()
        else:
            await called.head()

    async with scripted(one_answer_each) as upstream, gateway_to(upstream.port) as (_, port, _):
        async with connected(port) as client:
            for _ in range(2):
                await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (await client.response())[1] == b"ok"
        assert len(upstream.calls) == 2


async def test_a_post_is_not_tried_again() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(OK)
        await called.head()
        called.reset()

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _), connected(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.response()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        head, _ = await client.response()
        assert head.startswith(b"HTTP/1.1 502 ")
        assert b"Proxy-Status: netlab-test; error=connection_terminated; " in head
        assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"http_protocol_error"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"http_protocol_error",
        ),
        (b"HTTP/1.1 200 OK\r\n X: a\r\n\r\n", b"http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nX-Bad : 1\r\n\r\n", b"http_protocol_error"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n", b"http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"http_response_incomplete"),
        (b"", b"connection_terminated"),
        (b"HTTP/1.1 102 P\r\n\r\n" * 100, b"http_response_header_section_size"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: y\r\n" * 20_000, b"http_response_header_section_size"),
    ],
)
async def test_a_lying_upstream_is_502_with_the_reason(said: bytes, error: bytes) -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(said)

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _):
        answer = await ask(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        head = answer[answer.index(b"HTTP/1.1 502 ") :]
        assert b"error=" + error in head


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_a_response_that_breaks_off_breaks_off_for_the_client_too(said: bytes) -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(said)

    async with scripted(script) as upstream, gateway_to(upstream.port) as (app, port, _), connected(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            answer = await client.all()
        except ConnectionResetError:
            answer = b""
        assert not answer.endswith(b"0\r\n\r\n")
        assert (await ended(app, 1))[0].outcome in (Outcome.CUT, Outcome.UNREACHABLE)


async def test_nobody_listens() -> None:
    async with scripted(always_ok) as upstream:
        port_of_nobody = upstream.port
    async with gateway_to(port_of_nobody) as (_, port, _):
        answer = await ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert b"error=connection_refused" in answer


async def test_an_upstream_too_slow_is_504() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await asyncio.Event().wait()

    async with scripted(script) as upstream, gateway_to(upstream.port, response_timeout=0.05) as (_, port, _):
        answer = await ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 504 ")
        assert b"error=http_response_timeout" in answer


async def test_a_client_that_leaves_cancels_the_upstream() -> None:
    heard, left = asyncio.Event(), asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        heard.set()
        try:
            await called.head()
        finally:
            left.set()

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, gateway):
        async with connected(port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await heard.wait()
            client.reset()
        await asyncio.wait_for(left.wait(), 5)
        assert len(gateway.pool) == 0


async def test_an_upgrade_becomes_a_tunnel() -> None:
    async def script(called: Called) -> None:
        head = await called.head()
        assert b"Upgrade: echo\r\n" in head
        assert b"Connection: upgrade\r\n" in head
        await called.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nhello")
        while data := await called.reader.read(1000):
            await called.say(data)

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _), connected(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Upgrade: echo" in head
        assert await client.exactly(10) == b"helloearly"
        await client.send(b"x" * 100_000)
        assert await client.exactly(100_000) == b"x" * 100_000
        client.end()  # half-close travels, and the answer to it comes back
        assert await client.all() == b""


async def test_a_way_past_the_rules_is_not_offered() -> None:
    """h2c would carry requests that nobody here looks at; what else is offered besides travels on."""
    async with scripted(always_ok) as upstream, gateway_to(upstream.port) as (_, port, _):
        for offered in (b"h2c", b"h2c, other/1"):
            await ask(
                port,
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\n"
                b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n" % offered,
            )
        heard = upstream.calls[0].heard
        assert b"h2c" not in heard
        assert b"HTTP2" not in heard
        assert heard.count(b"\r\nUpgrade: other/1\r\n") == 1
        assert heard.count(b"\r\nConnection: upgrade\r\n") == 1


async def test_trailers_are_asked_for_where_the_client_takes_them() -> None:
    """RFC 9110 10.1.4."""
    async with scripted(always_ok) as upstream, gateway_to(upstream.port) as (_, port, _):
        for taken in (b"TE: trailers\r\nConnection: TE", b"TE: gzip;q=0.5"):
            await ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % taken)
        first, second = (head for head in upstream.calls[0].heard.split(b"GET ") if head)
        assert b"\r\nTE: trailers\r\n" in first
        assert b"\r\nConnection: TE\r\n" in first
        assert b"TE:" not in second


async def test_an_answer_without_a_date_gets_one() -> None:
    """RFC 9110 6.6.1."""
    dated = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok"
    answers = [OK, OK, dated, dated, b"HTTP/1.1 204 No Content\r\n\r\n"]
    async with scripted(saying(*answers)) as upstream, gateway_to(upstream.port) as (_, port, _):
        async with connected(port) as client:
            heads = []
            for _ in answers:
                await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                heads.append((await client.response())[0])
        assert [head.count(b"\r\nDate: ") for head in heads] == [1] * 5
        assert [b" 1994 " in head for head in heads] == [False, False, True, True, False]
        assert not any(b"\r\nServer: " in head for head in heads)  # which is the origin's, if anybody's


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"Content-Length: 0\r\n\r\n", b"205"),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"205"),
        (b"Content-Length: 2\r\n\r\nno", b"502"),
    ],
)
async def test_reset_content_has_none(content: bytes, status: bytes) -> None:
    """RFC 9110 15.3.6; an empty body may be said in both ways."""
    script = saying(b"HTTP/1.1 205 Reset Content\r\n" + content, OK)
    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _):
        answer = await ask(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 %b " % status)


async def test_http10_clients_get_no_interim_answers_and_no_chunks() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        await called.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
        await called.head()

    async with scripted(script) as upstream, gateway_to(upstream.port) as (_, port, _):
        answer = await ask(port, b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"chunked" not in head
        assert body == b"ok"
        assert b"\r\nVia: 1.0 netlab-test\r\n" in upstream.calls[0].heard


async def test_a_request_that_none_can_be_is_our_fault_and_leaves_no_lease() -> None:
    """Such as a rule may make; `gateway_to` looks at the leases."""
    async with scripted(always_ok) as upstream, gateway_to(upstream.port) as (_, port, gateway):
        forward = gateway.forward

        def spoilt(exchange: Asker, way: Way) -> None:
            way.target = "/a b"
            forward(exchange, way)

        for _ in range(2):  # on a connection that is dialled, and on one that was kept
            assert (await ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            gateway.forward = spoilt  # type: ignore[method-assign]  # a rule that makes what cannot be
            answer = await ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"error=proxy_internal_error" in answer
            gateway.forward = forward  # type: ignore[method-assign]  # as it was


async def test_http10_on_either_side() -> None:
    async def old(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")

    async with scripted(old) as upstream, gateway_to(upstream.port) as (_, port, _):
        assert (await ask(port, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"\r\n\r\nuntil the end")
        answer = await ask(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.endswith(b"d\r\nuntil the end\r\n0\r\n\r\n")


async def test_a_slow_client_holds_the_upstream_back() -> None:
    sent = 0

    async def endless(called: Called) -> None:
        nonlocal sent
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await called.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            sent += 65536

    async with scripted(endless) as upstream, gateway_to(upstream.port) as (app, port, _), connected(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.until(b"\r\n\r\n")
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.1)
        (connection,) = app.gate.connections
        assert connection.transport.get_write_buffer_size() < 1 << 20
        assert sent < 32 << 20


SMUGGLED = [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nabcde",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
    b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nabcde",
    b"POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 5\r\n\r\nabcde",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rGET /admin HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("shape", SMUGGLED)
async def test_smuggling_shapes_are_refused_at_the_door(shape: bytes) -> None:
    async with scripted(always_ok) as upstream, gateway_to(upstream.port) as (_, port, _):
        answer = await ask(port, shape + b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
        assert answer.count(b"Content-Length: ", 0, answer.index(b"\r\n\r\n")) == 1
        assert b"\r\n\r\nHTTP/1.1 " not in answer
        assert not upstream.calls


async def test_cancelled_at_each_await_a_dial_leaves_no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, so that there is a resolver to wait for too."""
    n = 0
    async with scripted(always_ok) as upstream:
        while await cancelled(monkeypatch, n, upstream.port):
            n += 1
    assert n >= 2


async def cancelled(monkeypatch: pytest.MonkeyPatch, n: int, upstream: int) -> bool:
    """Whether there was an n-th await; no lease may be left when it was cancelled."""
    with monkeypatch.context() as patch:
        work = cancel_at(patch, "dial for", n)
        async with gateway_to(upstream, host="localhost") as (_, port, gateway), connected(port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.wait_for(work.over.wait(), SECONDS)
            if not work.cancelled:
                assert (await client.response())[1] == b"ok"
            assert not any(slot.leased for slot in gateway.pool._slots.values())
            client.reset()
    return work.cancelled
