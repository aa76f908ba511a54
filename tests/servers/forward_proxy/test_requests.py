"""Requests in absolute form: what travels on, what is answered here, and what is refused."""

from __future__ import annotations

import pytest

from netlab.config import Address
from netlab.errors import UsageError
from netlab.flow import Outcome
from servers.forward_proxy import Config
from tests.http.upstreams import OK, Called, always_ok, scripted
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.proxies import curl


async def test_curl_gets_and_posts() -> None:
    async def script(called: Called) -> None:
        assert (await called.head()).startswith(b"GET /a?b=c HTTP/1.1\r\n")
        await called.say(OK)
        head = await called.head()
        assert head.startswith(b"POST / HTTP/1.1\r\n")
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + await called.exactly(5))

    async with scripted(script) as upstream, proxying() as proxy:
        url = f"http://127.0.0.1:{upstream.port}"
        assert await curl("-x", f"http://{proxy.address}", f"{url}/a?b=c") == b"ok"
        assert await curl("-x", f"http://{proxy.address}", "-d", "hello", f"{url}/") == b"hello"
        assert len(upstream.calls) == 1  # the connection was kept
        flow, leg, *_ = proxy.of_kind("http")
        assert leg.parent is flow
        assert (flow.label, leg.label) == (f"GET {url}/a?b=c", "GET /a?b=c")
        assert (flow.result, flow.outcome, flow.sent) == ("200", Outcome.OK, 2)


async def test_host_is_the_targets_whatever_the_client_says() -> None:
    """RFC 9112 3.2.2."""
    async with scripted(always_ok) as upstream, proxying() as proxy:
        target = f"http://127.0.0.1:{upstream.port}/x"
        await proxy.ask(
            f"GET {target} HTTP/1.1\r\nHost: other.test\r\nProxy-Connection: keep-alive\r\n"
            "Proxy-Authorization: Basic c2VjcmV0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n".encode(),
        )
        line, *fields = upstream.calls[0].heard.decode().split("\r\n")
        assert line == "GET /x HTTP/1.1"
        assert fields[0] == f"Host: 127.0.0.1:{upstream.port}"
        assert f"Via: 1.1 {proxy.server.hop.name}" in fields
        assert "X-Forwarded-For: 6.6.6.6" in fields  # nothing is told, so nothing is replaced
        names = {field.partition(":")[0].lower() for field in fields}
        assert not names & {"proxy-connection", "proxy-authorization", "forwarded", "connection"}


async def test_what_the_origin_is_told() -> None:
    async with scripted(always_ok) as upstream, proxying(tell="both") as proxy:
        await proxy.ask(f"GET http://127.0.0.1:{upstream.port}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        heard = upstream.calls[0].heard.decode()
        assert "\r\nX-Forwarded-For: 127.0.0.1\r\n" in heard
        assert f'\r\nForwarded: for=127.0.0.1;host="127.0.0.1:{upstream.port}";proto=http\r\n' in heard


async def test_http10_client_without_host() -> None:
    async with scripted(always_ok) as upstream, proxying() as proxy:
        answer = await proxy.ask(f"GET http://127.0.0.1:{upstream.port} HTTP/1.0\r\n\r\n".encode())
        assert answer.endswith(b"\r\n\r\nok")
        assert upstream.calls[0].heard.startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_an_ipv6_literal() -> None:
    async with proxying() as proxy:
        answer = await proxy.ask(b"GET http://[::1]:1/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"nothing listens on ::1 port 1 (connection refused)" in answer


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        (b"https://127.0.0.1/", b"501", b"reach 127.0.0.1 with CONNECT"),
        (b"ftp://127.0.0.1/", b"501", b"only http"),
        (b"http://nobody.test/", b"502", b"error=dns_error"),
        (b"http://x.invalid/", b"502", b"error=dns_error"),
        (b"http://127.0.0.1:1/", b"502", b"error=connection_refused"),
        (b"http://10.1.2.3/", b"403", b"error=http_request_denied"),
        (b"http://169.254.169.254/latest/meta-data", b"403", b"error=http_request_denied"),
        (b"http://[::ffff:10.0.0.1]/", b"403", b"error=http_request_denied"),
        (b"http://0.0.0.0/", b"403", b"error=http_request_denied"),
        (b"http://user@127.0.0.1/", b"400", b"user information"),
        (b"http://a..b%00/", b"400", b"is not the name of a host"),
        (b"http://127.0.0.1:0/", b"400", b"port 0"),
    ],
)
async def test_what_cannot_be_reached(target: bytes, status: bytes, words: bytes) -> None:
    async with proxying() as proxy:
        answer = await proxy.ask(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
        assert answer.startswith(b"HTTP/1.1 %b " % status)
        assert words in answer


async def test_a_request_that_comes_back() -> None:
    """RFC 9110 7.6.3: the origin is the proxy itself, by another name."""
    async with proxying() as proxy:
        own = proxy.server.hop.name
        answer = await proxy.ask(
            f"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nVia: 1.0 fred, 1.1 {own} (x)\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 508 ")
        assert b"error=proxy_loop_detected" in answer


async def test_max_forwards_counts_down() -> None:
    """RFC 9110 7.6.2."""
    async with scripted(always_ok) as upstream, proxying() as proxy:
        for method in ("TRACE", "OPTIONS", "GET"):
            target = f"http://127.0.0.1:{upstream.port}/"
            await proxy.ask(f"{method} {target} HTTP/1.1\r\nHost: x\r\nMax-Forwards: 7\r\n\r\n".encode())
        assert upstream.calls[0].heard.count(b"\r\nMax-Forwards: 6\r\n") == 2
        assert upstream.calls[0].heard.count(b"\r\nMax-Forwards: 7\r\n") == 1


@pytest.mark.parametrize("more", [b"", b"Max-Forwards: 0\r\n", b"Max-Forwards: 9\r\n"])
async def test_a_trace_has_no_content(more: bytes) -> None:
    """RFC 9110 9.3.8."""
    async with proxying() as proxy:
        request = b"TRACE http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n%b\r\nabc" % more
        assert (await proxy.ask(request)).startswith(b"HTTP/1.1 400 ")


async def test_the_last_hop_answers_itself() -> None:
    async with proxying() as proxy:
        answer = await proxy.ask(
            b"TRACE http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\nMax-Forwards: 0\r\n\r\n"
        )
        assert b"Content-Type: message/http\r\n" in answer
        assert answer.endswith(b"TRACE http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n")
        answer = await proxy.ask(b"OPTIONS http://a.test HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n")
        assert b"\r\nAllow: GET, HEAD" in answer


async def test_options_for_a_whole_server() -> None:
    """RFC 9112 3.2.4: without a path it becomes an asterisk; to the proxy itself it is answered."""
    async with scripted(always_ok) as upstream, proxying() as proxy:
        await proxy.ask(f"OPTIONS http://127.0.0.1:{upstream.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert upstream.calls[0].heard.startswith(b"OPTIONS * HTTP/1.1\r\n")
        assert (await proxy.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 204 ")


async def test_its_own_page() -> None:
    async with proxying() as proxy:
        page = (await curl(f"http://{proxy.address}/")).decode()
        for words in (f"curl -x http://{proxy.address} https://", "requests.get", "ProxyAgent", "git -c http.proxy="):
            assert words in page
        out = await curl("-i", f"http://localhost:{proxy.port}/proxy.pac")
        assert b"Content-Type: application/x-ns-proxy-autoconfig\r\n" in out
        assert f'return "PROXY localhost:{proxy.port}";'.encode() in out
        assert b" 404 " in await curl("-i", f"http://{proxy.address}/other")
        assert b" 405 " in await curl("-i", "-d", "x", f"http://{proxy.address}/")


async def test_what_a_client_calls_the_proxy_cannot_act() -> None:
    async with proxying() as proxy:
        answer = await proxy.ask(b"GET / HTTP/1.1\r\nHost: a'&b.test\r\n\r\n")
        assert b"http://a&#x27;&amp;b.test:80" in answer
        assert b"a'" not in answer
        answer = await proxy.ask(b"GET /proxy.pac HTTP/1.1\r\nHost: a';alert(1)\r\n\r\n")
        assert b'return "PROXY a\';alert(1):80";' in answer


def test_other_machines_are_let_in_only_on_purpose() -> None:
    with pytest.raises(UsageError, match="--expose"):
        Config(listen=Address("0.0.0.0", 3128))
    assert Config(listen=Address("0.0.0.0", 3128), expose=True)
    assert Config(listen=Address("localhost", 3128))
    assert Config(listen=Address("127.0.0.2", 3128))
