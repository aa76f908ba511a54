"""Tunnels: what cannot be sanitized is said, and with interception it is sanitized inside; SOCKS; a real browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
from pathlib import Path

from netlab.net.addresses import AddressMap
from netlab.net.certs import Authority
from netlab.net.certs_x509 import public_key_info
from netlab.policy.anonymity.score import Seen, judge
from tests.servers.anonymizing_proxy.anonymizing import Anonymizing, anonymizing, origin
from tests.servers.forward_proxy.test_interception import lab_context, ok, secure_origin
from tests.servers.proxies import curl, program, run

EXITS = ("127.0.9.0/29",) if sys.platform == "linux" else ("127.0.0.1", "direct")


def trusting(state: Path, proxy: Anonymizing) -> tuple[str, ...]:
    return ("-x", f"http://{proxy.address}", "--cacert", str(state / "ca" / "ca.pem"))


def fields(head: bytes) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n")[1:-2])}


async def test_a_tunnel_is_as_the_client_makes_it_and_says_so() -> None:
    async with origin() as at, anonymizing(exits=("127.0.0.1",)) as proxy:
        out = await curl("-x", f"http://{proxy.address}", "-p", "-A", "curl", "-H", "Cookie: a=1", at.url)
        assert out == b"ok"
        assert at.lines() == [f"Host: 127.0.0.1:{at.port}", "User-Agent: curl", "Accept: */*", "Cookie: a=1"]
        await curl("--socks5-hostname", proxy.address, at.url)
        limited = proxy.notes("tunnel.unopened")
        assert len(limited) == 2
        assert all("everything else as the client sends it" in note["reason"] for note in limited)


async def test_socks_on_the_same_port() -> None:
    async with origin() as at, anonymizing() as proxy:
        for kind in ("--socks4", "--socks4a", "--socks5", "--socks5-hostname"):
            assert await curl(kind, proxy.address, at.url) == b"ok"


async def test_tls_to_the_proxy(tmp_path: Path) -> None:
    async with origin() as at, anonymizing(tls=True, state=tmp_path) as proxy:
        ca = str(tmp_path / "ca" / "ca.pem")
        out = await curl("-x", f"https://127.0.0.1:{proxy.port}", "--proxy-cacert", ca, at.url)
        assert out == b"ok"
        assert "Mozilla" in at.fields()["User-Agent"]


async def test_opened_tls_is_sanitized(tmp_path: Path) -> None:
    def answer(head: bytes) -> bytes:
        return ok(head).replace(
            b"\r\n", b"\r\nStrict-Transport-Security: max-age=9\r\nSet-Cookie: a=1; Max-Age=9\r\n", 1
        )

    async with (
        secure_origin(lab_context(tmp_path), answer) as (port, heads),
        anonymizing(state=tmp_path, intercept=("*",), exits=EXITS, rotate="round_robin") as proxy,
    ):
        url = f"https://localhost:{port}/a"
        out = await curl(*trusting(tmp_path, proxy), "-i", "-H", "X-Request-Id: 1", url, url)
        assert b"Set-Cookie: a=1\r\n" in out
        assert b"Strict-Transport-Security" in out
        for head in heads:
            found = fields(head)
            assert found["Sec-Fetch-Site"] == "same-origin"
            assert "X-Request-Id" not in found
            assert "Via" not in found
            assert f'"{found["sec-ch-ua-platform"][1:-1]}"' == found["sec-ch-ua-platform"]
        assert len({note["exit"] for note in proxy.notes("exit.picked")}) == 1
        assert len(heads) == 2
        legs = [flow for flow in proxy.of_kind("tcp") if flow.label == f"localhost:{port}"]
        assert len(legs) == 1  # a tunnel keeps its exit, and its verified connection is used
        cross = await curl(*trusting(tmp_path, proxy), "-i", "-H", "Referer: https://x.example/", url)
        assert b"Strict-Transport-Security" not in cross


async def test_the_level_that_a_connect_asks_for_holds_inside(tmp_path: Path) -> None:
    async with (
        secure_origin(lab_context(tmp_path)) as (port, heads),
        anonymizing(state=tmp_path, intercept=("*",)) as proxy,
    ):
        url = f"https://localhost:{port}/"
        await curl(*trusting(tmp_path, proxy), "--proxy-header", "Anonymity-Level: transparent", url)
        assert fields(heads[0])["X-Forwarded-For"] == "127.0.0.1"
        assert fields(heads[0])["User-Agent"].startswith("curl/")
        await curl(*trusting(tmp_path, proxy), "-H", "Anonymity-Level: anonymous", url)
        assert fields(heads[1])["Via"].startswith("1.1 netlab-")
        assert "Anonymity-Level" not in fields(heads[1])


PAGE = b"""<!doctype html><img src="/i.png"><script>
fetch("/api", {method: "POST", body: "x", headers: {"X-Device-Id": "7"}})
  .then(() => { document.body.append("seen as " + navigator.platform) })</script>"""


def test_chromium(tmp_path: Path) -> None:
    """Once, on one loop: it takes seconds."""
    asyncio.run(browse(tmp_path))


async def browse(tmp_path: Path) -> None:
    """Over TLS that is opened: its own order and metadata, with the session's software, and nothing that identifies."""
    browser = program("chromium")
    key = public_key_info(Authority.load(tmp_path).certificate_pem.encode())
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
    posted = asyncio.Event()

    def answer(head: bytes) -> bytes:
        if head.startswith(b"POST"):
            posted.set()
        page = head.startswith(b"GET / ")
        body, kind = (PAGE, b"text/html") if page else (b"", b"text/plain")
        return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)

    lab = AddressMap()
    async with secure_origin(lab_context(tmp_path, "*.shop.test"), answer) as (port, heads):
        lab.add("www.shop.test", "127.0.60.1", {443: ("127.0.0.1", port)})
        async with anonymizing(state=tmp_path, lab=lab, intercept=("*",)) as proxy:
            code, _, err = await run(
                browser,
                *("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"),
                *(f"--proxy-server=http://{proxy.address}", f"--ignore-certificate-errors-spki-list={pin}"),
                *("--disable-background-networking", "--disable-component-update", "--dump-dom"),
                "https://www.shop.test/",
            )
            assert code == 0, err
            assert posted.is_set()
    page = next(head for head in heads if head.startswith(b"GET / "))
    names = list(fields(page))
    assert names[:5] == ["Host", "Connection", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform"]
    post = fields(next(head for head in heads if head.startswith(b"POST")))
    assert "X-Device-Id" not in post
    assert post["Origin"] == "https://www.shop.test"
    for head in heads:  # nothing that no browser does; its TLS is another matter
        saw = Seen(
            origin="https://www.shop.test",
            address="127.0.0.1",
            fields=tuple(fields(head).items()),
            hello=None,
            resolver="nobody",
        )
        (mask,) = [mark for mark in judge(saw, saw) if mark.item.name == "mask"]
        assert mask.words == "no", (mask.words, head)
    told = {(fields(head).get("User-Agent"), fields(head).get("sec-ch-ua-platform")) for head in heads}
    assert len(told) == 1  # one session, one browser, in whatever it asks
    assert "Headless" not in str(told)
