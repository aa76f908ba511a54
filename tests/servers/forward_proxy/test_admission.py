"""Who may use the proxy: rules, users, limits, bandwidth; for HTTP and SOCKS alike."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from netlab.config.sources import parse
from netlab.config.values import kind_of
from netlab.errors import UsageError
from netlab.flow import Level, Outcome
from netlab.http.proxy_settings import AccessRule, Ports, Quota, quota
from netlab.policy.access import parse_rule
from tests.http.served import user, users_file
from tests.http.serving import connected
from tests.http.upstreams import Called, always_ok, scripted
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_socks import page
from tests.servers.forward_proxy.test_tunnels import tunnel
from tests.servers.proxies import curl, echo, listening

ADA = ("--proxy-user", "ada:lovelace")


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return users_file(tmp_path, user("ada", "lovelace"), user("bob", "builder"))


# -- users -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["--proxy-basic", "--proxy-digest", "--proxy-anyauth"])
@pytest.mark.parametrize("how", [(), ("--proxytunnel",)])
async def test_curl_shows_who_it_is(users: Path, scheme: str, how: tuple[str, ...]) -> None:
    async with scripted(always_ok) as upstream, proxying(users=users) as proxy:
        url = f"http://127.0.0.1:{upstream.port}/"
        assert await curl("-x", f"http://{proxy.address}", *how, scheme, *ADA, url) == b"ok"
        assert b"roxy-" not in upstream.calls[0].heard
        (accepted,) = [event for flow in proxy.flows for event in flow.events or () if event.name.endswith("accepted")]
        assert accepted.fields["user"] == "ada"


async def test_nobody_and_wrong_passwords_are_407(users: Path) -> None:
    async with scripted(always_ok) as upstream, proxying(users=users) as proxy:
        target = f"http://127.0.0.1:{upstream.port}/"
        answer = await proxy.ask(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 407 ")
        assert b'\r\nProxy-Authenticate: Basic realm="netlab", charset="UTF-8"\r\n' in answer
        assert b"\r\nProxy-Authenticate: Digest " in answer
        wrong = ("-x", f"http://{proxy.address}", "--proxy-user", "ada:byron", "-o", "/dev/null", "-w", "%{http_code}")
        assert await curl(*wrong, target) == b"407"
        assert not upstream.calls


async def test_a_connection_stays_open_to_try_again_unless_bytes_were_sent_ahead(users: Path) -> None:
    async with listening(echo) as port, proxying(users=users) as proxy:
        request = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n" % port
        async with connected(proxy.port) as client:
            await client.send(request + b"\r\n")
            assert (await client.response())[0].startswith(b"HTTP/1.1 407 ")
            await client.send(request + b"Proxy-Authorization: Basic YWRhOmxvdmVsYWNl\r\n\r\n")
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        async with connected(proxy.port) as client:  # what follows is for the far end, and would be taken for a request
            await client.send(request + b"\r\nGET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % port)
            answer = await client.all()
            assert answer.startswith(b"HTTP/1.1 407 ")
            assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("given", ["ada:lovelace", "ada:byron", "eve:lovelace", ""])
async def test_socks_users(users: Path, given: str) -> None:
    async with listening(page) as port, proxying(users=users) as proxy:
        credentials = ("--proxy-user", given) if given else ()
        out = await curl("--socks5-hostname", proxy.address, *credentials, f"http://127.0.0.1:{port}/", check=False)
        assert out == (b"ok" if given == "ada:lovelace" else b"")
        (flow,) = await proxy.ended("socks")
        assert (flow.outcome == Outcome.OK) == (given == "ada:lovelace")


async def test_socks_4_has_no_passwords(users: Path) -> None:
    async with listening(page) as port, proxying(users=users) as proxy:
        assert await curl("--socks4a", proxy.address, f"http://127.0.0.1:{port}/", check=False) == b""


# -- rules -------------------------------------------------------------------------------------------------------


async def test_rules() -> None:
    tunnels = parse_rule("deny to 127.0.0.0/8,::1 port 9 method CONNECT,SOCKS")
    rules = (parse_rule("deny to localhost method GET"), tunnels)
    async with listening(page) as port, proxying(rule=rules) as proxy:
        proxied = ("-x", f"http://{proxy.address}", "-o", "/dev/null", "-w", "%{http_code}")
        assert await curl(*proxied, f"http://127.0.0.1:{port}/") == b"200"
        assert await curl(*proxied, f"http://localhost:{port}/") == b"403"
        answer = await proxy.ask(b"CONNECT localhost:9 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"error=destination_ip_prohibited" in answer  # what the name has for addresses is refused
        assert b"deny to 127.0.0.0/8,::1 port 9" in answer
        out = await curl("--socks5-hostname", proxy.address, "http://localhost:9/", check=False)
        assert out == b""


async def test_a_kept_connection_is_no_way_around_the_rules() -> None:
    """It was dialled for a method that may go there; another that may not does not get it."""
    async with (
        scripted(always_ok) as upstream,
        proxying(rule=(parse_rule("deny to 127.0.0.0/8 method DELETE"),)) as proxy,
    ):
        target = b"http://localhost:%d/" % upstream.port
        async with connected(proxy.port) as client:
            for method, status in ((b"GET", b"200"), (b"DELETE", b"403"), (b"GET", b"200")):
                await client.send(b"%b %b HTTP/1.1\r\nHost: x\r\n\r\n" % (method, target))
                assert (await client.response())[0].startswith(b"HTTP/1.1 %b " % status)
        assert len(upstream.calls) == 1


# -- limits ------------------------------------------------------------------------------------------------------


async def test_limits_by_client_host_and_all() -> None:
    limits = (quota("100/s"), quota("2/m:host"), quota("3/m:all"))
    async with scripted(always_ok) as upstream, proxying(limit=limits) as proxy:
        proxy.clock.freeze()

        async def get(host: bytes) -> bytes:
            return await proxy.ask(b"GET http://%b:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % (host, upstream.port))

        answers = [await get(host) for host in (b"127.0.0.1", b"localhost", b"127.0.0.1", b"127.0.0.1", b"localhost")]
        assert [answer[9:12] for answer in answers] == [b"200", b"200", b"200", b"429", b"429"]
        assert b'RateLimit: "host";r=1;t=' in answers[0]
        assert b"2 requests in 60 s for each host are allowed here" in answers[3]
        assert b"\r\nRetry-After: 30\r\n" in answers[3]
        assert b"3 requests in 60 s are allowed here" in answers[4]


async def test_tunnels_at_the_same_time() -> None:
    async with listening(echo) as port, proxying(limit=(quota("1:client:concurrency"),)) as proxy:
        async with connected(proxy.port) as first, connected(proxy.port) as second:
            assert (await tunnel(first, port)).startswith(b"HTTP/1.1 200 ")
            assert (await tunnel(second, port)).startswith(b"HTTP/1.1 429 ")
            assert await curl("--socks5", proxy.address, f"http://127.0.0.1:{port}/", check=False) == b""
            first.end()
            await first.all()
        await proxy.all_ended()
        async with connected(proxy.port) as third:
            assert (await tunnel(third, port)).startswith(b"HTTP/1.1 200 ")


async def test_limits_by_user(users: Path) -> None:
    async with scripted(always_ok) as upstream, proxying(users=users, limit=(quota("1/m:user"),)) as proxy:
        proxy.clock.freeze()
        url = f"http://127.0.0.1:{upstream.port}/"
        proxied = ("-x", f"http://{proxy.address}", "-o", "/dev/null", "-w", "%{http_code}")
        codes = [
            await curl(*proxied, "--proxy-user", who, url) for who in ("ada:lovelace", "bob:builder", "ada:lovelace")
        ]
        assert codes == [b"200", b"200", b"429"]


# -- bandwidth ---------------------------------------------------------------------------------------------------

RATE = 2_000_000


async def test_a_cap_on_downloads_and_uploads() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (RATE // 2) + b"x" * (RATE // 2))

    async with scripted(script) as upstream, listening(echo) as port, proxying(bandwidth=RATE) as proxy:
        began = time.monotonic()
        got = await curl("-x", f"http://{proxy.address}", f"http://127.0.0.1:{upstream.port}/")
        assert len(got) == RATE // 2
        assert time.monotonic() - began > 0.3
        async with connected(proxy.port) as client:
            await tunnel(client, port)
            began = time.monotonic()
            sending = asyncio.gather(client.send(b"x" * (RATE // 2)))
            await client.exactly(RATE // 2)
            await sending
            assert 0.3 < time.monotonic() - began < 5


async def test_a_capped_tunnel_never_goes_past_us() -> None:
    async with listening(echo) as port, proxying(bandwidth=1 << 30, level=Level.SUMMARY) as proxy:
        async with connected(proxy.port) as client:
            await tunnel(client, port)
            sending = asyncio.gather(client.send(b"x" * (8 << 20)))
            await client.exactly(8 << 20)
            await sending
        assert proxy.server.proxy.tunnels.pipes is None


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (AccessRule, "permit all", "has a mistake: a rule begins with allow or deny"),
        (AccessRule, "deny colour blue", "has a mistake: 'colour' is none of from, to, port, method"),
        (Ports, "none", "is not ports such as 443,8000-8999"),
        (Quota, "/path=3/s", "has a path or key that a tunnel has not"),
        (Quota, "3/s:api-key", "has a path or key that a tunnel has not"),
        (Quota, "many", "is not COUNT/TIME such as 100/s"),
    ],
)
def test_what_cannot_be_meant(kind: object, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(kind_of(kind), text, "--flag")
    assert words in str(caught.value)


def test_limits_for_each_host() -> None:
    assert (quota("5/m:host").key, quota("5/m:host").count) == ("host", 5)
    assert quota("5:host:concurrency").algorithm == "concurrency"
