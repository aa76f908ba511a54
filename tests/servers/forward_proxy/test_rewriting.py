"""Rewriting on its way through the proxy, seen by the origin and by curl."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from netlab.errors import UsageError
from netlab.policy.rewrite import parse_rewrite
from tests.http.upstreams import Called, always_ok, scripted
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin, trusting
from tests.servers.forward_proxy.test_socks import page
from tests.servers.proxies import curl, listening


def rules(*texts: str) -> tuple[object, ...]:
    return tuple(map(parse_rewrite, texts))


async def test_fields_both_ways() -> None:
    async def script(called: Called) -> None:
        while True:
            await called.head()
            await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nX-Old: 1\r\n\r\nok")

    rewrite = rules(
        "127.0.0.1:* set-request X-Debug: 1",
        "127.0.0.1:* remove-request User-Agent",
        "127.0.0.1:*/a* set-response X-Old: 2",
        "127.0.0.1:*/a* remove-response Set-Cookie",
        "127.0.0.1:*/a* set-response Access-Control-Allow-Origin: *",
    )
    async with scripted(script) as upstream, proxying(rewrite=rewrite) as proxy:
        url = f"http://127.0.0.1:{upstream.port}"
        out = await curl("-i", "-x", f"http://{proxy.address}", f"{url}/a", f"{url}/a2", f"{url}/b")
        first, second, third = out.split(b"\r\n\r\nok")[:3]
        for changed in (first, second):
            assert b"\r\nX-Old: 2" in changed
            assert b"Set-Cookie" not in changed
            assert b"\r\nAccess-Control-Allow-Origin: *" in changed
        assert b"\r\nX-Old: 1" in third
        assert b"\r\nSet-Cookie: a=b" in third
        heard = upstream.calls[0].heard
        assert heard.count(b"\r\nX-Debug: 1\r\n") == 3
        assert b"User-Agent" not in heard
        notes = [event for flow in proxy.of_kind("http") for event in flow.events or ()]
        assert [len(event.fields["rules"]) for event in notes if event.name == "request.rewritten"] == [5, 5, 2]


async def test_another_server_instead() -> None:
    """Where a rule leads is the user's business: the proxy's own rules are about what clients ask for."""
    async with scripted(always_ok) as upstream:
        to = f"http://api.example/v1/* to http://127.0.0.1:{upstream.port}/v2/*"
        async with proxying(rewrite=rules(to)) as proxy:
            assert await curl("-x", f"http://{proxy.address}", "http://api.example/v1/items?x=1") == b"ok"
            heard = upstream.calls[0].heard
            assert heard.startswith(b"GET /v2/items?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % upstream.port)


async def test_an_https_server_instead(tmp_path: Path) -> None:
    async with secure_origin(lab_context(tmp_path)) as (port, heads):
        to = f"api.example to https://localhost:{port}/x"
        async with proxying(rewrite=rules(to), state=tmp_path) as proxy:
            await curl("-x", f"http://{proxy.address}", "http://api.example/anything")
            assert heads[0].startswith(b"GET /x HTTP/1.1\r\nHost: localhost:%d\r\n" % port)


async def test_files_instead(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a b.txt").write_text("text")
    (tmp_path / "secret").write_text("secret")
    rewrite = rules(
        f"shop.example/js/*.js* file {tmp_path}/app.js",
        f"shop.example/site/* file {tmp_path}/site",
        "shop.example/js/* set-response X-Mapped: yes",
    )
    async with proxying(rewrite=rewrite) as proxy:
        through = ("-x", f"http://{proxy.address}", "--path-as-is")
        assert await curl(*through, "http://shop.example/js/any.js?v=2") == b"mine"
        out = await curl(*through, "-i", "-r", "1-2", "http://shop.example/js/any.js")
        assert b" 206 " in out
        assert b"\r\nX-Mapped: yes\r\n" in out
        assert out.endswith(b"\r\n\r\nin")
        assert await curl(*through, "http://shop.example/site/a%20b.txt") == b"text"
        for path in ("../secret", "%2e%2e/secret", "..%2fsecret", "/etc/passwd", "none.txt"):
            out = await curl(*through, "-w", "%{http_code}", "-o", "/dev/null", f"http://shop.example/site/{path}")
            assert out in (b"404", b"400", b"403"), path


async def test_blocked_and_delayed() -> None:
    rewrite = rules("*.ads.example block", "*/gone block 410", "127.0.0.1:* delay 150ms")
    async with scripted(always_ok) as upstream, proxying(rewrite=rewrite) as proxy:
        through = ("-x", f"http://{proxy.address}", "-w", " %{http_code}")
        assert (await curl(*through, "http://x.ads.example/")).endswith(
            b"blocked here by the rule '*.ads.example block'\n 403"
        )
        assert (await curl(*through, "http://a.example/gone")).endswith(b" 410")
        began = time.monotonic()
        assert await curl(*through, f"http://127.0.0.1:{upstream.port}/") == b"ok 200"
        assert time.monotonic() - began > 0.15


async def test_tunnels_can_be_blocked() -> None:
    async with listening(page) as port, proxying(rewrite=rules("localhost:* block 451")) as proxy:
        through = ("-x", f"http://{proxy.address}", "--proxytunnel", "-w", "%{http_connect}")
        assert await curl(*through, f"http://localhost:{port}/", check=False) == b"451"
        assert await curl(*through, f"http://127.0.0.1:{port}/") == b"ok200"


async def test_inside_of_intercepted_tls(tmp_path: Path) -> None:
    async with secure_origin(lab_context(tmp_path)) as (port, heads):
        rewrite = rules(
            f"https://localhost:{port}/* set-request X-Debug: 1", f"https://localhost:{port}/private/* block 404"
        )
        async with proxying(rewrite=rewrite, state=tmp_path, intercept=("*",)) as proxy:
            trust = (*trusting(tmp_path, proxy), "-w", "%{http_code}", "-o", "/dev/null")
            assert await curl(*trust, f"https://localhost:{port}/") == b"200"
            assert await curl(*trust, f"https://localhost:{port}/private/x") == b"404"
            assert b"\r\nX-Debug: 1\r\n" in heads[0]
            assert len(heads) == 1


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file or folder"):
        async with proxying(rewrite=rules(f"a.test file {tmp_path}/none")):
            pass


async def test_a_host_that_is_not_there_is_played_from_files(tmp_path: Path) -> None:
    """Of TLS that is opened here, the far end need not exist."""
    (tmp_path / "mock").mkdir()
    (tmp_path / "mock" / "users.json").write_text("[]")
    rewrite = (
        parse_rewrite(f"https://api.shop.test/v1/* file {tmp_path / 'mock'}"),
        parse_rewrite("ads.test block 451"),
    )
    async with proxying(state=tmp_path, intercept=("*",), rewrite=rewrite) as proxy:
        trust = trusting(tmp_path, proxy)
        assert await curl(*trust, "https://api.shop.test/v1/users.json") == b"[]"
        assert b"blocked here by the rule 'ads.test block 451'" in await curl(*trust, "https://ads.test/")
        assert b"dns_error" in await curl(*trust, "https://api.shop.test/v2/users.json")


async def test_a_leg_tells_what_its_upstream_was_asked() -> None:
    async with scripted(always_ok) as upstream:
        rewrite = (parse_rewrite(f"http://api.test/* to http://127.0.0.1:{upstream.port}/v2/*"),)
        async with proxying(rewrite=rewrite) as proxy:
            await curl("-x", f"http://{proxy.address}", "http://api.test/items")
            request, leg = proxy.of_kind("http")
            assert (request.label, leg.label) == ("GET http://api.test/items", "GET /v2/items")
