"""Which upstream a request reaches, by which path and with which fields; and what comes back of places it names."""

from __future__ import annotations

import gzip
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from netlab.flow import Level
from tests.http.serving import Client, connected
from tests.http.upstreams import named, saying, scripted
from tests.servers.reverse_proxy.proxied import proxied


def line_of(answer: bytes) -> str:
    """The request line that the upstream was sent."""
    return answer.partition(b"\r\n\r\n")[2].split(b"\n")[1].strip().decode()


def name_of(answer: bytes) -> str:
    return answer.partition(b"\r\n\r\n")[2].split(b"\n")[0].decode()


async def test_a_request_takes_the_first_route_that_matches() -> None:
    async with scripted(named("one")) as one, scripted(named("two")) as two, scripted(named("rest")) as rest:
        routes = (
            f"host=api.* path=/v1 method=GET to=127.0.0.1:{one.port} strip=/v1 add=/api",
            f"field=X-Beta:1 to=127.0.0.1:{two.port}",
            f"version=2 to=127.0.0.1:{two.port}",
            f"pattern=/users/{{id}}/posts as=/posts/of/{{id}} to=127.0.0.1:{two.port}",
        )
        async with proxied(rest.port, routes=routes) as proxy:
            answer = await proxy.get("/v1/users?x=/v1", host="api.test:8081")
            assert (name_of(answer), line_of(answer)) == ("one", "GET /api/users?x=/v1 HTTP/1.1")
            for path, host, fields, name in (
                ("/v1", "shop.test", "", "rest"),
                ("/v10", "api.test", "", "rest"),
                ("/", "shop.test", "X-Beta: 1\r\n", "two"),
                ("/", "shop.test", "X-Beta: 2\r\n", "rest"),
                ("/v2/a", "shop.test", "", "two"),
                ("/", "shop.test", "Accept: application/json;version=2\r\n", "two"),
            ):
                answer = await proxy.get(path, host, fields)
                assert (name_of(answer), line_of(answer)) == (name, f"GET {path} HTTP/1.1")
            answer = await proxy.get("/users/a%20b/posts?all")
            assert line_of(answer) == "GET /posts/of/a%20b?all HTTP/1.1"
            matched = proxy.notes("route.matched")
            assert matched[0]["route"] == routes[0]
            assert matched[-1]["caught"] == {"id": "a%20b"}


async def test_no_route_is_404_with_what_was_looked_at() -> None:
    async with (
        scripted(named("one")) as one,
        proxied(routes=(f"host=a.test path=/x to=127.0.0.1:{one.port}",)) as proxy,
    ):
        answer = await proxy.get("/y", host="b.test")
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"error=destination_not_found" in answer
        assert b"no route takes this request (1 looked at the host b.test, the path /y)" in answer
        assert not one.calls


@pytest.mark.parametrize(
    "path", ["/%61dmin/x", "/open/../admin/x", "/open/%2e%2e/admin/x", "//admin/x", "/./admin", "/admin/../open"]
)
async def test_a_path_that_two_may_read_differently_is_refused(path: str, tmp_path: Path) -> None:
    routes = ("path=/admin auth=jwt",)
    async with scripted(named("one")) as one, proxied(one.port, state=tmp_path, routes=routes) as proxy:
        assert (await proxy.get(path)).startswith(b"HTTP/1.1 400 ")
        assert (await proxy.get("/a%20b//c/./d")).startswith(b"HTTP/1.1 200 ")  # both readings take one route
        assert len(one.calls) == 1


async def test_an_absolute_target_counts_by_its_own_host() -> None:
    async with scripted(named("a")) as a, proxied(routes=(f"host=a.test to=127.0.0.1:{a.port}",)) as proxy:
        answer = await proxy.ask(b"GET http://a.test/p?q HTTP/1.1\r\nHost: other.test\r\n\r\n")
        assert (name_of(answer), line_of(answer)) == ("a", "GET /p?q HTTP/1.1")
        assert b"X-Forwarded-Host: a.test\r\n" in answer


async def test_the_asterisk_is_nobodys_path() -> None:
    async with scripted(named("rest")) as rest:
        url = f"http://127.0.0.1:{rest.port}/base"
        async with proxied(url, routes=("method=OPTIONS strip=/a add=/b",)) as proxy:
            assert line_of(await proxy.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")) == "OPTIONS * HTTP/1.1"
            assert line_of(await proxy.get("/x")) == "GET /base/x HTTP/1.1"


async def test_the_host_is_the_upstreams_or_kept() -> None:
    async with scripted(named("one")) as one:
        async with proxied(one.port) as proxy:
            assert b"Host: 127.0.0.1:%d\r\n" % one.port in await proxy.get()
        async with proxied(one.port, preserve_host=True, routes=("path=/own replace-host",)) as proxy:
            assert b"\nHost: shop.test\r\n" in await proxy.get()
            assert b"\nHost: 127.0.0.1:%d\r\n" % one.port in await proxy.get("/own")
            answer = await proxy.ask(b"GET / HTTP/1.0\r\n\r\n")  # nothing to keep
            assert b"\nHost: 127.0.0.1:%d\r\n" % one.port in answer


async def test_a_client_with_several_upstreams_gets_each_ones_host() -> None:
    async with scripted(named("one")) as one, scripted(named("two")) as two, proxied(one.port, two.port) as proxy:
        for turn in range(4):
            port = (one, two)[turn % 2].port
            assert b"\nHost: 127.0.0.1:%d\r\n" % port in await proxy.get()


async def test_forwarding_fields_are_believed_of_trusted_proxies_alone() -> None:
    told = "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: outer.test\r\n"
    redirect = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
    async with scripted(named("one")) as one:
        async with proxied(one.port) as proxy:
            answer = await proxy.get(fields=told)
            assert b"\nX-Forwarded-For: 127.0.0.1\r\n" in answer
            assert b"\nX-Forwarded-Proto: http\r\n" in answer
        async with proxied(one.port, trust=(ip_network("127.0.0.0/8"),)) as proxy:
            answer = await proxy.get(fields=told)
            assert b"\nX-Forwarded-For: 192.0.2.9, 127.0.0.1\r\n" in answer
            assert b"\nX-Forwarded-Proto: https\r\n" in answer
            assert b"\nX-Forwarded-Host: outer.test\r\n" in answer
            (flow,) = proxy.requests()
            assert flow.client == ("192.0.2.9", 0)
    async with scripted(saying(redirect % b"/x")) as one:
        url = f"http://127.0.0.1:{one.port}"
        one.script = saying(redirect % f"{url}/x".encode())
        async with proxied(url, trust=(ip_network("127.0.0.0/8"),)) as proxy:
            assert b"Location: https://outer.test/x\r\n" in await proxy.get(fields=told)
            forwarded = 'Forwarded: for="[2001:db8::9]:4711";proto=https;host="outer.test:8443"\r\n'
            assert b"Location: https://outer.test:8443/x\r\n" in await proxy.get(fields=forwarded)
            assert proxy.requests()[-1].client == ("2001:db8::9", 0)


async def test_a_client_may_be_told_apart_without_its_address() -> None:
    async with scripted(named("one")) as one, proxied(one.port, client_id="hidden") as proxy:
        answers = [await proxy.get() for _ in range(2)]
        assert all(re.search(rb"\nForwarded: for=_[A-Z2-7]{16};host=shop.test;proto=http\r\n", a) for a in answers)
        assert b"127.0.0.1" not in re.sub(rb"\nHost: [^\r]*", b"", answers[0])
        assert answers[0].partition(b"Forwarded: ")[2] == answers[1].partition(b"Forwarded: ")[2]


async def test_redirects_and_cookies_are_mapped_back() -> None:
    async with scripted(named("")) as one:
        up = f"http://127.0.0.1:{one.port}"
        one.script = saying(
            f"HTTP/1.1 302 Found\r\nLocation: {up}/api/next?a#b\r\nContent-Location: /api/here\r\n"
            f"Refresh: 3; url={up}/api/\r\nSet-Cookie: a=/api; Path=/api\r\n"
            "Set-Cookie: b=1; Domain=127.0.0.1; Path=/\r\nContent-Length: 0\r\n\r\n".encode()
        )
        async with proxied(routes=(f"path=/v1 to={up}/api strip=/v1",)) as proxy:
            head = (await proxy.get("/v1/x", host="shop.test:8081")).decode()
            assert "GET /api/x " in one.calls[0].heard.decode()
            for line in (
                "Location: http://shop.test:8081/v1/next?a#b",
                "Content-Location: /v1/here",
                "Refresh: 3; url=http://shop.test:8081/v1/",
                "Set-Cookie: a=/api; Path=/v1",
                "Set-Cookie: b=1; Domain=shop.test; Path=/v1",
            ):
                assert f"\r\n{line}\r\n" in head


async def test_requests_that_go_no_further() -> None:
    async with scripted(named("one")) as one, proxied(one.port) as proxy:
        name = proxy.server.hop.name
        assert (await proxy.get(fields=f"Via: 1.1 a, 1.1 {name}\r\n")).startswith(b"HTTP/1.1 508 ")
        answer = await proxy.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 501 ")
        assert answer.count(b"HTTP/1.1 ") == 1  # what was sent for the far end is no request
        answer = await proxy.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
        assert b"\r\nAllow: GET, " in answer
        assert b"CONNECT" not in answer
        assert (await proxy.get("https://shop.test/")).startswith(b"HTTP/1.1 421 ")  # not over a plain connection
        trace = b"TRACE / HTTP/1.1\r\nHost: a\r\n%b\r\n"
        assert b"TRACE / HTTP/1.1\r\n" in await proxy.ask(trace % b"Max-Forwards: 0\r\n")
        assert (await proxy.ask(trace % b"Content-Length: 1\r\n" + b"x")).startswith(b"HTTP/1.1 400 ")
        assert not one.calls
        assert b"Max-Forwards: 4\r\n" in await proxy.ask(trace % b"Max-Forwards: 5\r\n")


async def test_maintenance_of_a_route_and_of_all() -> None:
    async with scripted(named("one")) as one:
        async with proxied(one.port, routes=("path=/shop maintenance",)) as proxy:
            answer = await proxy.get("/shop/x")
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 60\r\n" in answer
            assert name_of(await proxy.get("/")) == "one"
        async with proxied(one.port, maintenance=True) as proxy:
            assert (await proxy.get("/")).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_who_repeats_himself_is_answered_the_same(level: Level) -> None:
    """At level summary a repeated exchange takes short ways: they must lead where the long one does."""
    body = b"word " * 300
    head = (
        b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: "x"\r\nSet-Cookie: a=b; Path=/api\r\n'
        b"Content-Location: /api/x\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    async with scripted(saying(*[head + body] * 12)) as up:
        routes = (f"path=/v1 to=127.0.0.1:{up.port} strip=/v1 add=/api limit=100/s compress preserve-host",)
        async with proxied(routes=routes, level=level) as proxy, connected(proxy.port) as client:
            for fields in (b"", b"Accept-Encoding: gzip\r\n"):
                answers = []
                for _ in range(4):
                    await client.send(b"GET /v1/x?y HTTP/1.1\r\nHost: shop.test\r\n%b\r\n" % fields)
                    answer, content = await answer_of(client)
                    assert (gzip.decompress(content) if fields else content) == body
                    answers.append(
                        [line for line in answer if not line.startswith((b"RateLimit:", b"Content-Length:"))]
                    )
                assert answers == answers[:1] * 4
                assert b"Set-Cookie: a=b; Path=/v1" in answers[0]
                assert b"Content-Location: /v1/x" in answers[0]
            heads = up.calls[0].heard.split(b"\r\n\r\n")
            assert len(up.calls) == 1
            assert (len(set(heads[:4])), len(set(heads[4:8]))) == (1, 1)
            assert heads[0].startswith(b"GET /api/x?y HTTP/1.1\r\nHost: shop.test\r\n")


async def answer_of(client: Client) -> tuple[list[bytes], bytes]:
    """A head's lines but for its framing, and the content, however framed."""
    lines = (await client.until(b"\r\n\r\n")).split(b"\r\n")
    for line in lines:
        if line.startswith(b"Content-Length: "):
            lines.remove(line)
            return lines, await client.exactly(int(line.partition(b" ")[2]))
    lines.remove(b"Transfer-Encoding: chunked")
    content = b""
    while size := int(await client.until(b"\r\n"), 16):
        content += (await client.exactly(size + 2))[:-2]
    await client.until(b"\r\n")
    return lines, content
