"""What an origin gets at each level, byte by byte, and what a client gets back."""

from __future__ import annotations

import gzip
import random
import re

import pytest

from netlab.config import Address
from netlab.errors import UsageError
from netlab.flow import Level
from netlab.policy.anonymity.profiles import pool
from netlab.service import Context
from servers.anonymizing_proxy import Config, Server
from tests.http.serving import connected
from tests.http.upstreams import Called
from tests.servers.anonymizing_proxy.anonymizing import OK, Origin, anonymizing, answering, get, origin
from tests.servers.proxies import curl

TELLING = (
    "X-Forwarded-For: 203.0.113.7\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\nCookie: id=1\r\nX-Request-Id: r1\r\n"
    "Accept-Language: de-CH\r\nReferer: http://search.example/?q=secret\r\nVia: 1.0 office\r\nX-Api-Key: k\r\n"
    'If-None-Match: "visitor-4711"\r\nAnonymity-Level: {level}\r\nProxy-Connection: keep-alive\r\n'
)


async def test_transparent() -> None:
    async with origin() as at, anonymizing(level="transparent") as proxy:
        answer = await get(proxy, at, TELLING.format(level="transparent"))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        name = proxy.server.hop.name
        assert at.lines() == [
            f"Host: 127.0.0.1:{at.port}",
            *("User-Agent: curl/8.0", "Accept: */*", "Cookie: id=1", "X-Request-Id: r1", "Accept-Language: de-CH"),
            *("Referer: http://search.example/?q=secret", "X-Api-Key: k", 'If-None-Match: "visitor-4711"'),
            f"Via: 1.0 office, 1.1 {name}",
            "X-Forwarded-For: 127.0.0.1",  # a stranger's own word is not passed on, but replaced
            *("X-Forwarded-Proto: http", f"X-Forwarded-Host: 127.0.0.1:{at.port}"),
            f'Forwarded: for=127.0.0.1;host="127.0.0.1:{at.port}";proto=http',
        ]


async def test_anonymous() -> None:
    async with origin() as at, anonymizing(level="anonymous") as proxy:
        for _ in range(2):
            await get(proxy, at, TELLING.format(level="anonymous"))
        first = pool()[0]
        for index in (0, 1):
            *lines, via = at.lines(index)
            assert lines == [
                *(f"Host: 127.0.0.1:{at.port}", f"User-Agent: {first.user_agent}", "Accept: */*"),
                *("Accept-Language: en-US,en;q=0.9", "X-Api-Key: k"),
            ]
            assert re.fullmatch("Via: 1.1 netlab-[0-9a-f]{16}", via)
        assert at.lines(0)[-1] != at.lines(1)[-1]  # nothing that two requests have in common


async def test_elite() -> None:
    async with origin() as at, anonymizing() as proxy:
        answer = await get(proxy, at, TELLING.format(level="elite"))
        assert b"netlab" not in answer  # scripts of a page could read it
        names = at.names()
        assert "Via" not in names
        assert names[:2] == ["Host", "Connection"]
        told = b"\r\n".join(at.heads)
        for secret in (b"203.0.113.7", b"curl", b"id=1", b"r1", b"de-CH", b"search.example", b"office", b"visitor"):
            assert secret not in told, secret
        (noted,) = proxy.notes("request.anonymized")
        assert noted["level"] == "elite"
        assert set(noted["removed"]) >= {"X-Forwarded-For", "Cookie", "Referer", "X-Request-Id", "If-None-Match"}
        assert "Sec-Fetch-Mode" in noted["added"]
        assert "secret" not in str(noted)


async def test_a_request_chooses_its_level() -> None:
    async with origin() as at, anonymizing(level="anonymous") as proxy:
        await curl("-x", f"http://{proxy.address}", "--proxy-header", "Anonymity-Level: Elite", at.url)
        assert "Via" not in at.names()
        assert "Anonymity-Level" not in at.names()
        answer = await get(proxy, at, "Anonymity-Level: invisible\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"there are transparent, anonymous, elite" in answer


CHROMIUM = (
    "Proxy-Connection: keep-alive\r\nContent-Length: 3\r\nCache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\nOrigin: http://127.0.0.1:{port}\r\nAccept: text/html,*/*\r\n"
    "Referer: http://127.0.0.1:{port}/page\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: de\r\nCookie: c=1\r\n"
)
FIREFOX = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n"
    "Accept-Language: de\r\nAccept-Encoding: gzip, deflate\r\nReferer: http://127.0.0.1:{port}/page\r\n"
    "Content-Type: text/x\r\nX-CSRF-Token: t\r\nContent-Length: 3\r\nOrigin: http://127.0.0.1:{port}\r\n"
    "Connection: keep-alive\r\nPriority: u=4\r\n"
)


@pytest.mark.parametrize("level", ["transparent", "anonymous", "elite"])
@pytest.mark.parametrize("browser", [CHROMIUM, FIREFOX], ids=["chromium", "firefox"])
async def test_a_browser_s_order_is_kept_with_framing_in_its_place(level: str, browser: str) -> None:
    async with origin() as at, anonymizing(level=level) as proxy:
        fields = browser.format(port=at.port)
        await get(proxy, at, fields, method="POST", body="a=b")
        sent = [line.partition(":")[0].replace("Proxy-", "") for line in fields.split("\r\n")[:-1]]
        if level != "elite":
            sent.remove("Connection")
        ours = {"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}
        assert [name for name in at.names() if name not in ours] == ["Host", *sent]


async def test_chunks_and_empty_posts_are_framed_where_browsers_do() -> None:
    async with origin() as at, anonymizing(browser=("chrome",)) as proxy:
        await get(proxy, at, "Transfer-Encoding: chunked\r\n", method="POST", body="3\r\na=b\r\n0\r\n\r\n")
        assert at.names()[:3] == ["Host", "Connection", "Transfer-Encoding"]
        await get(proxy, at, "", method="POST")
        assert at.names()[:3] == ["Host", "Connection", "Content-Length"]
        assert at.fields()["Content-Length"] == "0"


async def test_a_session_looks_the_same_until_it_is_over() -> None:
    async with origin() as at, anonymizing(session_time=60.0) as proxy:
        for seconds in (0, 59):
            proxy.clock.jump(seconds)
            await get(proxy, at)
        assert at.lines(0) == at.lines(1)
        seen = {at.fields(0)["User-Agent"]}
        for _ in range(12):
            proxy.clock.jump(60)
            await get(proxy, at)
            seen.add(at.fields()["User-Agent"])
        assert len(seen) > 2


@pytest.mark.parametrize("level", ["anonymous", "elite"])
async def test_a_client_that_repeats_itself_on_one_connection(level: str) -> None:
    async with (
        origin() as at,
        origin() as other,
        anonymizing(level=level, session_time=60.0) as proxy,
        connected(proxy.port) as client,
    ):

        async def again(target: Origin) -> None:
            await client.send(f"GET {target.url} HTTP/1.1\r\nHost: x\r\nAccept: a/b\r\n\r\n".encode())
            await client.response()

        for target in (at, at, other, at):
            await again(target)
        assert [at.fields(index)["Host"] for index in range(3)] == [f"127.0.0.1:{at.port}"] * 3
        assert other.fields()["Host"] == f"127.0.0.1:{other.port}"
        told = {at.fields(index).get("Via") for index in range(3)}
        assert len(told) == (3 if level == "anonymous" else 1)
        seen = set()
        for _ in range(8):
            proxy.clock.jump(60)
            await again(at)
            seen.add(at.fields().get("User-Agent"))
        assert len(seen) > 1 or level == "anonymous"  # where nothing is added


async def test_the_same_seed_makes_the_same_browsers() -> None:
    async def seen() -> list[list[str]]:
        async with origin() as at, anonymizing(session_time=1.0) as proxy:
            for _ in range(5):
                await get(proxy, at)
                proxy.clock.jump(1)
            return [at.lines(index)[1:] for index in range(5)]

    assert await seen() == await seen()


async def test_answers_are_sanitized() -> None:
    fields = b'Set-Cookie: a=1; Max-Age=600\r\nETag: "v"\r\nAlt-Svc: h3=":443"\r\nX-Kept: 1\r\n'
    async with origin(answering(fields)) as at, anonymizing() as proxy:
        answer = await get(proxy, at)
        assert b"\r\nSet-Cookie: a=1\r\n" in answer
        assert b"\r\nX-Kept: 1\r\n" in answer
        assert b"ETag" not in answer
        assert b"Alt-Svc" not in answer
        cross = await get(proxy, at, "Sec-Fetch-Site: cross-site\r\n")
        assert b"Set-Cookie" not in cross
        assert proxy.notes("response.anonymized")[0]["removed"].keys() == {"ETag", "Alt-Svc"}
        transparent = await get(proxy, at, "Anonymity-Level: transparent\r\n")
        assert b"Set-Cookie: a=1; Max-Age=600\r\n" in transparent  # on a connection that was used at another level


async def test_settings_go_before_the_level() -> None:
    fields = b'Set-Cookie: a=1; Max-Age=600\r\nETag: "v"\r\n'
    options = {"cookies": "none", "validators": "keep", "referer": "origin", "keep": ("dnt",), "drop": ("accept",)}
    async with origin(answering(fields)) as at, anonymizing(level="anonymous", **options) as proxy:
        answer = await get(proxy, at, "Cookie: a=1\r\nReferer: http://a.example/b\r\nDNT: 1\r\nAccept: */*\r\n")
        assert b"Set-Cookie" not in answer
        assert b'ETag: "v"' in answer
        assert at.lines()[1:-1] == ["Referer: http://a.example/", "DNT: 1"]


@pytest.mark.parametrize("pieces", [1, 3])
async def test_codings_the_client_did_not_ask_for_are_undone(pieces: int) -> None:
    coded = gzip.compress(b"hello " * 1000)
    head = b'Content-Encoding: gzip\r\nETag: "v"\r\nAccept-Ranges: bytes\r\n'

    async def answer(called: Called, _: bytes) -> bytes:
        await called.say(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (head, len(coded)))
        step = len(coded) // pieces
        for index in range(pieces - 1):
            await called.say(coded[index * step : (index + 1) * step])
        return coded[(pieces - 1) * step :]

    async with origin(answer) as at, anonymizing(validators="keep") as proxy:
        out = await curl("-i", "-x", f"http://{proxy.address}", at.url, at.url)
        assert at.fields()["Accept-Encoding"].startswith("gzip, deflate")
        assert out.count(b"hello ") == 2000
        assert b'ETag: W/"v"' in out
        assert b"Content-Encoding" not in out
        assert b"Accept-Ranges" not in out
        assert await curl("--compressed", "-x", f"http://{proxy.address}", at.url) == b"hello " * 1000


@pytest.mark.parametrize("whole", [True, False])
async def test_content_that_is_not_in_its_coding(whole: bool) -> None:
    async def answer(called: Called, _: bytes) -> bytes:
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
        if not whole:
            await called.say(head)
            head = b""
        return head + b"plain"

    async with origin(answer) as at, anonymizing() as proxy:
        answer_bytes = await get(proxy, at)
        again = await get(proxy, at)
        for found in (answer_bytes, again):
            assert found.startswith(b"HTTP/1.1 502 ") or (b"chunked" in found and not found.endswith(b"0\r\n\r\n"))
        await proxy.all_ended()


async def test_content_in_no_coding_under_a_head_that_is_known() -> None:
    """A server that repeats itself is read by a shorter way; what is wrong is found there too."""
    bodies = [gzip.compress(b"hello", mtime=0)] * 3
    bodies.append(b"x" * len(bodies[0]))

    async def answer(called: Called, _: bytes) -> bytes:
        body = bodies.pop(0)
        return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async with origin(answer) as at, anonymizing(record=Level.SUMMARY) as proxy, connected(proxy.port) as client:
        for expected in (b"200", b"200", b"200", b"502"):
            await client.send(f"GET {at.url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head, _ = await client.response()
            if b"chunked" in head:
                assert b"hello" in await client.until(b"0\r\n\r\n")
            assert head.split()[1] == expected


async def test_a_bomb_does_not_go_off_here() -> None:
    bomb = gzip.compress(bytes(8 << 20))
    async with origin(answering(b"Content-Encoding: gzip\r\n", bomb)) as at, anonymizing() as proxy:
        answer = await get(proxy, at)
        assert len(answer) < 3 << 20
        assert not answer.endswith(b"0\r\n\r\n")


async def test_trailers_do_not_tell_either() -> None:
    async def answer(called: Called, _: bytes) -> bytes:
        trailers.append(await called.until(b"\r\n\r\n"))
        return OK

    trailers: list[bytes] = []
    body = "3\r\na=b\r\n0\r\nX-Request-Id: 7\r\nX-Sum: 1\r\n\r\n"
    async with origin(answer) as at, anonymizing() as proxy:
        await get(proxy, at, "Transfer-Encoding: chunked\r\n", method="POST", body=body)
        assert trailers == [b"3\r\na=b\r\n0\r\nX-Sum: 1\r\n\r\n"]


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on() -> None:
    """Browsers do not ask, so that the origin is not asked."""
    async with origin() as at, anonymizing() as proxy, connected(proxy.port) as client:
        head = f"POST {at.url} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        await client.send(head.encode())
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"a=b")
        assert (await client.response())[1] == b"ok"
        assert "Expect" not in at.names()


async def test_workers_agree_on_who_a_client_is() -> None:
    config = Config(level="elite")
    drawn = [Server(config, Context(seed=7, random=random.Random(number))) for number in range(3)]
    looks = {server.sanitizer.sessions.of("127.0.0.1", None, 0.0).profile for server in drawn}
    assert len(looks) == 1


async def test_websockets_pass() -> None:
    async def answer(called: Called, _: bytes) -> bytes:
        return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhi"

    async with origin(answer) as at, anonymizing() as proxy:
        fields = "Connection: Upgrade\r\nUser-Agent: x\r\nUpgrade: websocket\r\nOrigin: http://a.example\r\n"
        answer_bytes = await get(proxy, at, fields)
        assert answer_bytes.startswith(b"HTTP/1.1 101 ")
        assert at.names() == ["Host", "Connection", "User-Agent", "Origin", "Upgrade"]
        assert "Mozilla" in at.fields()["User-Agent"]


async def test_hops() -> None:
    async with origin() as at, anonymizing(level="anonymous") as proxy:
        await get(proxy, at)
        via = at.fields()["Via"]
        assert (await get(proxy, at, f"Via: {via}\r\n")).startswith(b"HTTP/1.1 508 ")
        await get(proxy, at, "Max-Forwards: 3\r\n", method="OPTIONS")
        assert at.fields()["Max-Forwards"] == "2"


async def test_loops_of_a_transparent_one() -> None:
    async with origin() as at, anonymizing(level="transparent") as proxy:
        name = proxy.server.hop.name
        assert f"\r\nVia: 1.1 {name}\r\n".encode() in await get(proxy, at)
        assert (await get(proxy, at, f"Via: 1.1 {name}\r\n")).startswith(b"HTTP/1.1 508 ")


@pytest.mark.parametrize("level", ["anonymous", "elite"])
async def test_nothing_in_answers_tells_one_proxy_from_another(level: str) -> None:
    """A page's scripts can read them, and tell its origin."""
    async with origin(answering(b"Via: 1.1 parent\r\n")) as at, anonymizing(level=level) as proxy:
        answers = [await get(proxy, at), await get(proxy, at)]
        answers.append(await proxy.ask(b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n\r\n"))
        names = [set(re.findall(rb"netlab-[0-9a-f]+", answer)) for answer in answers]
        assert not names[0] & names[1]
        assert not names[2]
        assert proxy.server.hop.name.encode() not in b"".join(answers)
        if level == "elite":
            assert b"Via" not in answers[0]


async def test_proxy_credentials_and_the_hop_s_fields_stay_here() -> None:
    async with origin() as at, anonymizing(level="transparent") as proxy:
        await get(proxy, at, "Proxy-Authorization: Basic eA==\r\nConnection: x-gone\r\nX-Gone: 1\r\nTE: trailers\r\n")
        assert at.names()[1] == "Via"


async def test_its_own_page() -> None:
    async with anonymizing(exits=("127.0.7.0/29",)) as proxy:
        page = (await curl(f"http://{proxy.address}/")).decode()
        assert "<h1>netlab anonymizing proxy</h1>" in page
        for words in ("transparent", "anonymous", "elite", "Inside of a tunnel", "127.0.7.6", "score = 100 -"):
            assert words in page
        levels = (await curl(f"http://{proxy.address}/levels.json")).decode()
        assert '"again_in": 0.0' in levels
        assert b"PROXY 127.0.0.1:" in await curl(f"http://{proxy.address}/proxy.pac")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"browser": ()}, "need one value at least"),
        ({"listen": Address("0.0.0.0", 8118)}, "--expose"),
    ],
)
def test_what_cannot_be_meant(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Config(**options)  # type: ignore[arg-type]  # that is the point
