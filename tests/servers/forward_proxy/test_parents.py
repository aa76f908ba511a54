"""Chains: through HTTP, HTTPS and SOCKS 5 parents by host, with credentials, and when a parent will not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from netlab.config.sources import parse
from netlab.errors import UsageError
from netlab.flow import Level, Outcome
from netlab.http.parents import Parent
from netlab.policy.access import parse_rule
from tests.http.served import user, users_file
from tests.http.serving import connected
from tests.http.upstreams import Called, always_ok, scripted
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_bulk import SIZE, drink, pour
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin
from tests.servers.forward_proxy.test_tunnels import tunnel
from tests.servers.proxies import curl, echo, listening

SCHEMES = ["http", "https", "socks5"]
LOCALHOST = (parse_rule("allow to localhost"),)
"""What a name means is the parent's to find out: that it is loopback there, and so open on all ports, is not known."""


def via(*texts: str) -> tuple[Parent, ...]:
    return tuple(map(Parent.parse, texts))


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_requests_and_tunnels_go_through_the_parent(tmp_path: Path, scheme: str) -> None:
    users = users_file(tmp_path, user("ada", "love:lace"))
    async with (
        scripted(always_ok) as upstream,
        secure_origin(lab_context(tmp_path)) as (secure_port, _),
        proxying(tls=True, state=tmp_path, users=users) as parent,
        proxying(
            state=tmp_path, rule=LOCALHOST, parent=via(f"local*={scheme}://ada:love%3Alace@localhost:{parent.port}")
        ) as proxy,
    ):
        ca = str(tmp_path / "ca" / "ca.pem")
        through = ("-x", f"http://{proxy.address}", "--cacert", ca)
        assert await curl(*through, f"http://localhost:{upstream.port}/") == b"ok"
        assert await curl(*through, "--proxytunnel", f"http://localhost:{upstream.port}/") == b"ok"
        assert await curl("--socks5-hostname", proxy.address, f"http://localhost:{upstream.port}/") == b"ok"
        await curl(*through, f"https://localhost:{secure_port}/")
        asked = [flow.label for flow in parent.flows if flow.kind in ("http", "socks") and flow.parent is not None]
        assert len([label for label in asked if "localhost:" in label and "CONNECT" not in label]) >= 1
        assert all("127.0.0.1" not in label for label in asked)  # the name travels: the parent looks it up
        assert b"roxy-Auth" not in upstream.calls[0].heard
        before = len(asked)
        assert await curl(*through, f"http://127.0.0.1:{upstream.port}/") == b"ok"  # another host: directly
        assert len([flow for flow in parent.flows if flow.kind in ("http", "socks") and flow.parent]) == before


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_interception_in_front_of_a_parent(tmp_path: Path, scheme: str) -> None:
    async with (
        secure_origin(lab_context(tmp_path)) as (port, heads),
        proxying(tls=True, state=tmp_path) as parent,
        proxying(
            state=tmp_path, intercept=("*",), rule=LOCALHOST, parent=via(f"*={scheme}://localhost:{parent.port}")
        ) as proxy,
    ):
        ca = str(tmp_path / "ca" / "ca.pem")
        url = f"https://localhost:{port}/"
        await curl("-x", f"http://{proxy.address}", "--cacert", ca, url, url)
        assert [head.count(b"Via:") for head in heads] == [1, 1]


async def test_what_the_parent_is_asked() -> None:
    async def script(called: Called) -> None:
        head = await called.head()
        assert head.startswith(b"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n")
        assert b"\r\nProxy-Authorization: Basic YWRhOnB3\r\n" in head
        await called.say(
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=up\r\nContent-Length: 0\r\nX-Kept: 1\r\n\r\n"
        )
        head = await called.head()
        assert head.startswith(b"OPTIONS http://a.example HTTP/1.1\r\n")
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with scripted(script) as parent, proxying(parent=via(f"*=http://ada:pw@127.0.0.1:{parent.port}")) as proxy:
        answer = await proxy.ask(b"GET http://a.example/x?y HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"\r\nX-Kept: 1\r\n" in answer
        assert b"Proxy-Authenticate" not in answer  # our credentials are no business of the client's
        answer = await proxy.ask(b"OPTIONS http://a.example HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")


async def test_the_first_that_fits() -> None:
    async with scripted(always_ok) as upstream:
        parents = via("localhost=direct", f"*=http://127.0.0.1:{1}")
        async with proxying(parent=parents) as proxy:
            assert await curl("-x", f"http://{proxy.address}", f"http://localhost:{upstream.port}/") == b"ok"
            answer = await proxy.ask(b"GET http://a.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"error=connection_refused" in answer


async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")


async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-x\r\n")
    await reader.read()


async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await asyncio.sleep(0)
    await reader.read()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize(
    ("talk", "status", "words"),
    [
        (refuses, b"502", b"answered 407 Who: it wants other credentials"),
        (babbles, b"502", b"broke its protocol"),
        (leaves, b"502", b"ended the connection"),
        (waits, b"504", b"did not answer within"),
    ],
)
async def test_a_parent_that_will_not(
    scheme: str, talk: Callable[..., Awaitable[None]], status: bytes, words: bytes
) -> None:
    if scheme == "socks5" and talk is refuses:
        pytest.skip("that is HTTP")
    async with (
        listening(talk) as port,
        proxying(parent=via(f"*={scheme}://127.0.0.1:{port}"), connect_timeout=0.2) as proxy,
    ):
        answer = await proxy.ask(b"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 %b " % status)
        assert words in answer or (talk is leaves and b"broke its protocol" in answer)
        await proxy.all_ended()
        (leg,) = [flow for flow in proxy.of_kind("tcp") if flow.label]
        assert leg.outcome == Outcome.UNREACHABLE


async def test_a_far_end_that_speaks_and_ends_with_the_grant() -> None:
    async def grants(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n220 hello")
        writer.write_eof()
        assert await reader.read() == b"bye"

    async with (
        listening(grants) as port,
        proxying(parent=via(f"*=http://127.0.0.1:{port}")) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, 443, host="a.example")
        assert await client.all() == b"220 hello"
        await client.send(b"bye")
        client.end()
        await proxy.all_ended()


async def test_rules_hold_for_names_that_parents_look_up() -> None:
    denied = (parse_rule("deny to *.ads.example"), parse_rule("deny to 10.0.0.0/8"))
    async with proxying(parent=via("*=http://127.0.0.1:1"), rule=denied) as proxy:
        for target in (b"x.ads.example:443", b"10.0.0.1:443", b"192.168.0.1:443", b"a.example:25"):
            answer = await proxy.ask(b"CONNECT %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
            assert answer.startswith(b"HTTP/1.1 403 "), target
        answer = await proxy.ask(b"GET http://x.ads.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403 ")


async def test_bulk_through_a_chain() -> None:
    async with (
        listening(echo) as port,
        proxying(level=Level.SUMMARY) as parent,
        proxying(level=Level.SUMMARY, parent=via(f"*=socks5://127.0.0.1:{parent.port}")) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port)
        sending = asyncio.gather(pour(client.writer))
        await drink(client.reader, SIZE)
        await sending
        client.end()
        assert await client.all() == b"bye"


@pytest.mark.parametrize("turns", range(0, 20, 4))
async def test_a_client_that_leaves_while_the_parent_is_asked(turns: int) -> None:
    async with listening(waits) as port, proxying(parent=via(f"*=http://127.0.0.1:{port}")) as proxy:
        async with connected(proxy.port) as client:
            await client.send(b"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(turns):
                await asyncio.sleep(0)
            client.reset()
        await proxy.until(lambda: not proxy.server.proxy.gate.connections and all(flow.ended for flow in proxy.flows))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://127.0.0.1:3128", "is not HOST=URL"),
        ("*=127.0.0.1:3128", "has no scheme that a parent can have"),
        ("*=socks4://127.0.0.1:1080", "has no scheme that a parent can have"),
        ("*=http://127.0.0.1", "has no port"),
        ("*=http://127.0.0.1:3128/x", "has no port, or a path"),
        ("*=http://:3128", "has no address"),
    ],
)
def test_what_is_no_parent(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(Parent.kind, text, "--parent")
    assert words in str(caught.value)


def test_a_parent_is_shown_without_its_password() -> None:
    parent = Parent.parse("*=http://ada:secret@[::1]:3128")
    assert str(parent) == "http://[::1]:3128"
    assert parent.fits("a.test")
