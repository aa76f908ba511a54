"""Exits: origins see them, they rotate, they fail over, they are left out and come back; parents of each kind."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from netlab.clock import LabClock
from netlab.config.sources import parse
from netlab.errors import UsageError
from netlab.flow import FlowLog
from netlab.http.exits import Exit, Exits, ExitSetting
from netlab.net.addresses import AddressMap
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from netlab.policy.access import parse_rule
from netlab.policy.gateway_errors import Failure
from servers.anonymizing_proxy import Config
from tests.http.served import user, users_file
from tests.http.serving import connected
from tests.http.upstreams import Called, scripted
from tests.servers.anonymizing_proxy.anonymizing import OK, anonymizing, get, origin
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin
from tests.servers.proxies import curl, listening

loopback = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
DEAD = "203.0.113.9"
"""An address of nobody's machine (RFC 5737)."""


@loopback
async def test_origins_see_each_exit_in_turn() -> None:
    async with origin() as at, anonymizing(exits=("127.0.9.0/30", "127.0.8.8"), rotate="round_robin") as proxy:
        for _ in range(6):
            await get(proxy, at)
        assert at.peers == ["127.0.9.1", "127.0.9.2", "127.0.8.8"] * 2
        for _ in range(3):
            await curl("-x", f"http://{proxy.address}", "-p", at.url)
        await curl("--socks5-hostname", proxy.address, at.url)
        assert at.peers[6:] == ["127.0.9.1", "127.0.9.2", "127.0.8.8", "127.0.9.1"]
        assert [note["exit"] for note in proxy.notes("exit.picked")] == at.peers


@loopback
async def test_a_host_keeps_its_exit() -> None:
    lab = AddressMap()
    for number in range(12):
        lab.add(f"w{number}.test", "127.0.0.1")
    async with origin() as at, anonymizing(exits=("127.0.9.0/28",), lab=lab) as proxy:
        for number in [*range(12), *range(12)]:
            request = f"GET http://w{number}.test:{at.port}/ HTTP/1.1\r\nHost: x\r\n\r\n"
            assert (await proxy.ask(request.encode())).endswith(b"ok")
        assert at.peers[:12] == at.peers[12:]
        assert len(set(at.peers)) > 4


@loopback
async def test_the_next_exit_where_one_fails_and_the_first_when_it_is_back() -> None:
    async with (
        origin() as at,
        anonymizing(exits=("http://127.0.0.1:1", "127.0.9.1", "direct"), rotate="failover") as proxy,
    ):
        for _ in range(4):
            assert (await get(proxy, at)).endswith(b"ok")
        assert at.peers == ["127.0.9.1"] * 4
        first = proxy.server.exits.all[0]
        assert len(proxy.notes("exit.failed")) == 3  # by then it is left out
        state = json.loads(await curl(f"http://{proxy.address}/levels.json"))["exits"]
        assert [found["healthy"] for found in state] == [False, True, True]
        assert b"left out, tried again in" in await curl(f"http://{proxy.address}/")
        proxy.clock.jump(state[0]["again_in"])
        await get(proxy, at)
        assert len(proxy.notes("exit.failed")) == 4  # one trial
        await curl("-x", f"http://{proxy.address}", "-p", at.url)
        assert at.peers[-1] == "127.0.9.1"
        assert first.breaker.retry_after(proxy.clock.now()) > 5


async def test_tunnels_go_to_the_next_exit_too() -> None:
    async with (
        origin() as at,
        anonymizing(exits=("socks5://127.0.0.1:1", "direct"), rotate="failover") as proxy,
    ):
        assert await curl("-x", f"http://{proxy.address}", "-p", at.url) == b"ok"
        assert await curl("--socks5-hostname", proxy.address, at.url) == b"ok"
        assert [note["exit"] for note in proxy.notes("exit.failed")] == ["socks5://127.0.0.1:1"] * 2


async def test_an_exit_that_is_no_address_of_this_machine() -> None:
    async with origin() as at, anonymizing(exits=(DEAD,), rule=(parse_rule("allow"),)) as proxy:
        answer = await get(proxy, at)
        assert answer.startswith(b"HTTP/1.1 200 ") is False
        assert b"502" in answer[:20]
        for _ in range(5):  # nobody is left, and it is tried all the same
            assert b"502" in (await get(proxy, at))[:20]


async def test_a_dead_origin_says_nothing_of_exits() -> None:
    async with anonymizing(exits=("127.0.0.1", "direct"), rotate="round_robin") as proxy:
        for _ in range(10):
            answer = await proxy.ask(b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"error=connection_refused" in answer
        assert all(found["healthy"] for found in proxy.server.exits.state())


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_parents(tmp_path: Path, scheme: str) -> None:
    """TLS to the parent, credentials, requests whole or in tunnels; what it cannot reach is not its fault."""
    users = users_file(tmp_path, user("ada", "love:lace"))
    async with (
        origin() as at,
        secure_origin(lab_context(tmp_path)) as (secure_port, _),
        proxying(tls=True, state=tmp_path, users=users) as parent,
        anonymizing(
            state=tmp_path,
            exits=(f"{scheme}://ada:love%3Alace@localhost:{parent.port}",),
            rule=(parse_rule("allow to localhost"),),
        ) as proxy,
    ):
        through = ("-x", f"http://{proxy.address}", "--cacert", str(tmp_path / "ca" / "ca.pem"))
        url = f"http://localhost:{at.port}/"
        assert await curl(*through, url) == b"ok"
        assert await curl(*through, "-p", url) == b"ok"
        await curl(*through, f"https://localhost:{secure_port}/")
        assert "Proxy-Authorization" not in at.names(0)
        asked = [flow.label for flow in parent.flows if flow.kind in ("http", "socks")]
        assert any("localhost" in label for label in asked)
        answer = await proxy.ask(b"CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 502 ")
        for _ in range(4):
            await proxy.ask(b"CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert proxy.server.exits.state()[0]["healthy"]


async def test_a_parent_gets_http_in_a_tunnel_where_that_is_wanted() -> None:
    async with (
        origin() as at,
        proxying() as parent,
        anonymizing(
            exits=(f"http://127.0.0.1:{parent.port}",), tunnel_parents=True, rule=(parse_rule("allow"),)
        ) as proxy,
    ):
        assert (await get(proxy, at)).endswith(b"ok")
        assert "Via" not in at.names()  # the parent had nothing to write it into
        assert any(flow.label.startswith("CONNECT") for flow in parent.of_kind("http"))


async def test_what_a_parent_says_to_us_stays_here_and_rules_hold_for_names() -> None:
    async def script(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nProxy-Authentication-Info: x\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n")

    async with (
        scripted(script) as parent,
        anonymizing(exits=(f"http://127.0.0.1:{parent.port}",), rule=(parse_rule("deny to 10.0.0.0/8"),)) as proxy,
    ):
        answer = await proxy.ask(b"GET http://a.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"X-Kept" in answer
        assert b"Proxy-Auth" not in answer
        answer = await proxy.ask(b"GET http://10.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403 ")


async def test_a_parent_that_wants_other_credentials_is_left_out() -> None:
    async def script(called: Called) -> None:
        while True:
            await called.head()
            await called.say(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")

    async with scripted(script) as parent, origin() as at:
        exits = (f"http://127.0.0.1:{parent.port}", "direct")
        async with anonymizing(exits=exits, rotate="failover") as proxy:
            for _ in range(3):
                assert b"407" in (await get(proxy, at))[:20]
            assert b"200" in (await get(proxy, at))[:20]


@loopback
async def test_clients_share_no_connection() -> None:
    """Two of them on one would be known as a proxy's."""
    async with origin() as at, anonymizing() as proxy:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            await curl("--interface", source, "-x", f"http://{proxy.address}", at.url)
        assert len({flow.client for flow in proxy.of_kind("tcp") if flow.server == ("127.0.0.1", at.port)}) == 2


@pytest.mark.parametrize("turns", range(0, 20, 4))
async def test_a_client_that_leaves_while_exits_are_tried(turns: int) -> None:
    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        listening(waits) as port,
        anonymizing(exits=("http://127.0.0.1:1", f"socks5://127.0.0.1:{port}"), rotate="failover") as proxy,
    ):
        async with connected(proxy.port) as client:
            await client.send(b"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(turns):
                await asyncio.sleep(0)
            client.reset()
        await proxy.until(lambda: not proxy.server.proxy.gate.connections and all(flow.ended for flow in proxy.flows))


async def test_content_that_has_left_is_not_sent_again() -> None:
    """The parent takes a POST and leaves: who knows whether it was passed on."""

    async def leaves(called: Called) -> None:
        await called.head()
        await called.exactly(3)

    async with scripted(leaves) as parent, origin() as at:
        exits = (f"http://127.0.0.1:{parent.port}", "direct")
        async with anonymizing(exits=exits, rotate="failover") as proxy:
            answer = await get(proxy, at, method="POST", body="a=b")
            assert answer.startswith(b"HTTP/1.1 502 ")
            assert not at.heads


# -- settings, and the policy alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("127.0.0.0/8", "1024 are the most"),
        ("nowhere", "is not a local address"),
        ("ftp://127.0.0.1:1", "has no scheme"),
        ("http://127.0.0.1", "has no port"),
    ],
)
def test_what_is_no_exit(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(ExitSetting.kind, text, "--exit")
    assert words in str(caught.value)


def test_an_exit_is_shown_without_its_password() -> None:
    assert ExitSetting.parse("https://ada:secret@proxy.example:443").text == "https://proxy.example:443"


def test_a_proxy_is_not_its_own_exit() -> None:
    with pytest.raises(UsageError, match="round for ever"):
        Config(exit=(ExitSetting.parse("http://127.0.0.1:8118"),))


def exits(*texts: str, rotation: str = "sticky") -> Exits:
    direct = Dialer(FlowLog())
    return Exits(list(map(ExitSetting.parse, texts)), rotation, direct, lambda: TlsOptions(context=None), CLOCK)  # type: ignore[arg-type]  # nothing is dialled


CLOCK = LabClock()
CLOCK.freeze()


def test_one_exit_less_moves_only_what_went_through_it() -> None:
    found = exits("127.0.9.0/28")
    keys = [f"127.0.0.1 host{number}" for number in range(200)]
    before = {key: found.pick(key) for key in keys}
    gone = found.all[3]
    for _ in range(3):
        found.report(gone, True)
    for key in keys:
        after = found.pick(key)
        assert after is before[key] or before[key] is gone
        assert after is not gone


@pytest.mark.parametrize(
    ("text", "stage", "error", "blamed"),
    [
        ("127.0.9.1", "connect", "connection_timeout", True),
        ("127.0.9.1", "connect", "destination_unavailable", True),
        ("127.0.9.1", "connect", "connection_refused", False),
        ("127.0.9.1", "tls", "tls_certificate_error", False),
        ("127.0.9.1", "resolve", "dns_error", None),
        ("127.0.9.1", "", "http_response_timeout", None),
        ("http://127.0.0.1:1", "proxy", "connection_refused", True),
        ("http://127.0.0.1:1", "beyond", "destination_unavailable", False),
        ("http://127.0.0.1:1", "tls", "tls_certificate_error", False),
        ("http://127.0.0.1:1", "policy", "destination_ip_prohibited", None),
    ],
)
def test_whose_fault_it_is(text: str, stage: str, error: str, blamed: bool | None) -> None:
    (one,) = exits(text).all
    assert isinstance(one, Exit)
    assert one.failed(Failure(502, error, "", stage=stage)) is blamed


def test_no_more_than_four_are_tried() -> None:
    found = exits("127.0.9.0/28")
    tried: list[Exit] = []
    while (one := found.pick("x", tried)) is not None:
        tried.append(one)
    assert len(set(tried)) == 4


async def test_answers_still_arrive_while_all_exits_are_out() -> None:
    async with origin() as at, anonymizing(exits=("direct",)) as proxy:
        one = proxy.server.exits.all[0]
        for _ in range(3):
            proxy.server.exits.report(one, True)
        assert (await get(proxy, at)).endswith(OK[-2:])
