"""The cache of a forward proxy: found by whole URLs, inside of opened TLS too, and only for who may have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netlab.flow import Level
from netlab.policy.access import parse_rule
from netlab.policy.rewrite import parse_rewrite
from tests.http.serving import connected
from tests.http.upstreams import Called, scripted
from tests.servers.forward_proxy.proxying import Forward, proxying
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin, trusting
from tests.servers.proxies import curl


def counting(fields: str = "Cache-Control: max-age=60\r\n") -> Any:
    """An origin whose answers are numbered."""
    count = 0

    async def script(called: Called) -> None:
        nonlocal count
        while True:
            await called.head()
            count += 1
            body = f"answer {count}"
            await called.say(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    return script


def verdicts(proxy: Forward) -> list[str]:
    return [fields["verdict"] for fields in proxy.notes("cache.consulted")]


async def test_found_by_url() -> None:
    async with scripted(counting()) as upstream, proxying(cache=True) as proxy:
        url = f"http://127.0.0.1:{upstream.port}"
        out = await curl(
            "-x", f"http://{proxy.address}", f"{url}/a", f"{url}/a", f"{url}/b", f"HTTP://127.0.0.1:{upstream.port}/a"
        )
        assert out == b"answer 1answer 1answer 2answer 1"
        assert verdicts(proxy) == ["uri-miss", "hit", "uri-miss", "hit"]


async def test_the_short_way() -> None:
    async with scripted(counting()) as upstream, proxying(cache=True, level=Level.SUMMARY) as proxy:
        request = f"GET http://127.0.0.1:{upstream.port}/a HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        async with connected(proxy.port) as client:
            for _ in range(4):
                await client.send(request)
                assert (await client.response())[1] == b"answer 1"
        assert proxy.server.cache is not None
        assert len(proxy.server.cache.express) == 1


async def test_inside_of_opened_tls(tmp_path: Path) -> None:
    context, count = lab_context(tmp_path), 0

    def answer(head: bytes) -> bytes:
        nonlocal count
        count += 1
        body = b"%d " % count + head.split(b"\r\nHost: ")[1].partition(b"\r\n")[0]
        return b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    options = {"cache": True, "intercept": ("*",), "state": tmp_path}
    async with secure_origin(context, answer) as (port, heads), proxying(**options) as proxy:
        url, through = f"https://localhost:{port}/a", trusting(tmp_path, proxy)
        assert await curl(*through, url) == await curl(*through, url) == b"1 localhost:%d" % port
        assert len(heads) == 1
        # who calls the server by another name gets, and leaves, nothing under this one
        assert await curl(*through, "-H", "Host: bank.test", url) == b"2 bank.test"
        assert await curl(*through, url) == b"1 localhost:%d" % port


async def test_rules_hold_for_what_is_kept() -> None:
    rules = tuple(map(parse_rule, ("deny from 127.0.0.2 to 127.0.0.0/8", "allow to 127.0.0.0/8")))
    async with scripted(counting()) as upstream, proxying(cache=True, rule=rules) as proxy:
        url, through = f"http://localhost:{upstream.port}/a", ("-x", f"http://{proxy.address}", "-w", "%{http_code}")
        assert await curl(*through, url) == b"answer 1200"
        assert (await curl(*through, "--interface", "127.0.0.2", url)).endswith(b"403")
        assert await curl(*through, url) == b"answer 1200"
        assert len(upstream.calls) == 1


async def test_rewriting_is_done_for_each_answer() -> None:
    rewrite = tuple(
        map(parse_rewrite, ("127.0.0.1:*/a set-response X-Seen: yes", "127.0.0.1:*/old to http://127.0.0.1:*/a"))
    )
    async with scripted(counting()) as upstream, proxying(cache=True, rewrite=rewrite[:1]) as proxy:
        url = f"http://127.0.0.1:{upstream.port}/a"
        out = await curl("-i", "-x", f"http://{proxy.address}", url, url)
        assert out.count(b"X-Seen: yes") == 2
        assert out.count(b"answer 1") == 2


async def test_targeted_fields_are_not_for_forward_proxies() -> None:
    fields = "CDN-Cache-Control: max-age=60\r\nCache-Control: no-store\r\n"
    async with scripted(counting(fields)) as upstream, proxying(cache=True) as proxy:
        url = f"http://127.0.0.1:{upstream.port}/a"
        assert await curl("-x", f"http://{proxy.address}", url, url) == b"answer 1answer 2"
