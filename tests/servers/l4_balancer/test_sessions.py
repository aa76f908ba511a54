"""Connections through the balancer: who has which, what is told of it, and how each of them may end."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from netlab.errors import UsageError
from netlab.flow import Level, Outcome
from netlab.http import tunnel
from netlab.net import relay, splice
from servers.l4_balancer import Config
from servers.l4_balancer.route import RouteRule
from servers.l4_balancer.target import Target
from tests.http.serving import SECONDS, Client, connected
from tests.servers.l4_balancer.balanced import LINUX, balancing, is_reset, named, said, upstream, upstreams
from tests.servers.proxies import program, when

pytestmark = LINUX


def closed_port() -> int:
    """A port on which nothing listens, held so that nobody else gets it."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    HELD.append(held)
    port: int = held.getsockname()[1]
    return port


HELD: list[socket.socket] = []


@pytest.fixture(autouse=True)
def release() -> Any:
    yield
    while HELD:
        HELD.pop().close()


async def test_turns_and_why_each_was_picked() -> None:
    async with upstreams(named("a"), named("b")) as ports, balancing(*ports) as balanced:
        assert [await said(balanced.port, b"x") for _ in range(4)] == [b"a\nX", b"b\nX", b"a\nX", b"b\nX"]
        flow = await balanced.ended(4)
        first = balanced.sessions[0]
        assert first.label == f"127.0.0.1:{ports[0]}  (round_robin of 2)"
        assert (flow.outcome, flow.received, flow.sent) == (Outcome.OK, 1, 3)
        picked = balanced.notes("upstream.picked")
        assert [told["upstream"] for told in picked] == [f"127.0.0.1:{port}" for port in ports * 2]
        assert picked[0]["rule"] == "turns until it is this one's again; the least wins"
        assert set(picked[0]["scores"]) == set(balanced.members)
        assert [leg.parent for leg in balanced.legs] == balanced.sessions
        leg = balanced.legs[0]
        assert leg.wire is not None
        assert (leg.wire.read("client"), leg.wire.read("server")) == (b"x", b"a\nX")
        assert first.wire is not None
        assert (first.wire.read("client"), first.wire.read("server")) == (b"x", b"a\nX")
        assert [member.total for member in balanced.members.values()] == [2, 2]


async def test_weights() -> None:
    async with upstreams(named("a"), named("b")) as (a, b):
        options: dict[str, Any] = {"balance": "weighted_round_robin", "level": Level.SUMMARY}
        async with balancing(f":{a}*3", b, **options) as balanced:
            assert Counter([await said(balanced.port) for _ in range(8)]) == {b"a\n": 6, b"b\n": 2}
            await balanced.ended(8)
            assert balanced.sessions[0].label == f"127.0.0.1:{a}  (weighted_round_robin of 2)"


async def test_a_backup_is_there_for_when_no_other_can() -> None:
    async with upstreams(named("a"), named("b")) as (a, b):
        backup = (Target.parse(f":{b}"),)
        async with balancing(a, backup=backup) as balanced:
            assert {await said(balanced.port) for _ in range(4)} == {b"a\n"}
            balanced.members[f"127.0.0.1:{a}"].set_weight(0)
            assert await said(balanced.port) == b"b\n"
        async with balancing(closed_port(), backup=backup) as balanced:
            assert await said(balanced.port) == b"b\n"  # before anybody knows that the other is down
            flow = await balanced.ended()
            assert "(a backup, after 127.0.0.1" in flow.label


async def test_the_same_address_may_be_given_twice() -> None:
    async with upstreams(named("a")) as (port,), balancing(port, port) as balanced:
        for _ in range(2):
            assert await said(balanced.port) == b"a\n"
        await balanced.ended(2)
        assert list(balanced.members) == [f"127.0.0.1:{port}", f"127.0.0.1:{port} 2"]
        assert [member.total for member in balanced.members.values()] == [1, 1]


@pytest.mark.parametrize("balance", ["source_hash", "maglev"])
async def test_a_client_stays_with_its_upstream(balance: str) -> None:
    async with upstreams(*(named(f"{n}") for n in range(4))) as ports, balancing(*ports, balance=balance) as balanced:
        first = await said(balanced.port)
        assert {await said(balanced.port) for _ in range(5)} == {first}


async def test_least_connections_counts_those_that_are_open() -> None:
    async with (
        upstreams(named("a"), named("b")) as ports,
        balancing(*ports, balance="least_connections") as balanced,
        connected(balanced.port) as one,
    ):
        busy = await one.until(b"\n")
        assert {await said(balanced.port) for _ in range(3)} == {b"b\n" if busy == b"a\n" else b"a\n"}


async def test_the_server_may_speak_first_and_halves_close_one_by_one() -> None:
    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        writer.write(b"%d bytes" % len(await reader.read()))

    async with upstream(counts) as port, balancing(port, level=Level.SUMMARY) as balanced:
        assert await said(balanced.port, b"x" * 300_000) == b"220 ready\r\n300000 bytes"
        flow = await balanced.ended()
        assert (flow.received, flow.sent, flow.outcome) == (300_000, 23, Outcome.OK)


async def test_another_for_one_that_refuses() -> None:
    refuses = closed_port()
    async with upstream(named("b")) as port, balancing(refuses, port) as balanced:
        assert await said(balanced.port, b"x") == b"b\nX"
        flow = await balanced.ended()
        assert flow.label == f"127.0.0.1:{port}  (round_robin of 2, after 127.0.0.1:{refuses})"
        [failed] = balanced.notes("connect.failed")
        assert failed["error"] == f"nothing listens on 127.0.0.1 port {refuses} (connection refused)"
        assert [leg.outcome for leg in balanced.legs] == [Outcome.UNREACHABLE, Outcome.OK]
        for _ in range(20):
            assert await said(balanced.port, b"x") == b"b\nX"
        await balanced.ended(21)
        assert balanced.members[f"127.0.0.1:{refuses}"].errors == 5  # then its breaker is open
        balanced.clock.jump(10)
        assert await said(balanced.port) == b"b\n"


async def test_nobody_is_there() -> None:
    port = closed_port()
    async with balancing(port, retries=5) as balanced:
        assert await is_reset(balanced.port)
        flow = await balanced.ended()
        assert flow.outcome == Outcome.UNREACHABLE
        assert flow.result == (
            f"no upstream takes the connection: nothing listens on 127.0.0.1 port {port} (connection refused)"
        )


async def test_resets_are_passed_on() -> None:
    got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(1) == b"r":
            Client(reader, writer).reset()
            return
        try:
            got.set_result(await reader.readexactly(1))
        except ConnectionError as error:
            got.set_result(error)

    async with upstream(talk) as port, balancing(port) as balanced:
        async with connected(balanced.port) as client:
            await client.send(b"r")
            with pytest.raises(ConnectionResetError):
                await client.all()
        flow = await balanced.ended()
        assert (flow.outcome, flow.result) == (Outcome.CUT, "reset by the upstream")
        assert balanced.members[f"127.0.0.1:{port}"].errors == 1  # it took the connection and said nothing
        async with connected(balanced.port) as client:
            await client.send(b"x")
            await balanced.until(lambda: len(balanced.legs) == 2 and balanced.legs[1].client is not None)
            client.reset()
            assert isinstance(await got, ConnectionResetError)
        flow = await balanced.ended(2)
        assert (flow.outcome, flow.result) == (Outcome.CUT, "reset by the client")


async def test_an_upstream_that_takes_and_says_nothing_counts_as_failed() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        upstream(silent) as port,
        balancing(port, idle_timeout=0.1) as balanced,
        connected(balanced.port) as client,
    ):
        await client.send(b"hello?")
        assert await client.all() == b""
        flow = await balanced.ended()
        assert (flow.outcome, flow.result) == (Outcome.TIMEOUT, "no byte in time")
        assert balanced.members[f"127.0.0.1:{port}"].errors == 1


@pytest.mark.parametrize("tls", [False, True])
async def test_a_client_that_is_killed_frees_its_upstream(
    tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is passed on, as that of one that may still listen; an upstream may not heed it."""
    monkeypatch.setattr(tunnel, "LOOK", 0.01)
    freed_first, unheard = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
            await freed_first.wait()
            while True:
                writer.write(b"?")
                await writer.drain()
        except ConnectionError:
            unheard.set()

    async with upstream(silent) as port, balancing(port, tls=tls, state=tmp_path) as balanced:
        (member,) = balanced.members.values()
        url = f"https://127.0.0.1:{balanced.port}" if tls else f"http://127.0.0.1:{balanced.port}"
        curl = await asyncio.create_subprocess_exec(program("curl"), "-sk", url)
        await balanced.until(lambda: any(leg.client for leg in balanced.legs))
        await when(lambda: member.active == 1)
        curl.kill()
        await curl.wait()

        def freed() -> bool:
            balanced.server.look_for_clients()
            return member.active == 0

        await when(freed)
        flow = await balanced.ended()
        assert flow.outcome == Outcome.CUT
        assert flow.result == "the client is gone" or tls  # killed with a ticket unread, it sends a reset
        assert member.errors == 0
        freed_first.set()
        await asyncio.wait_for(unheard.wait(), SECONDS)


async def test_who_finds_all_full_waits_for_one_with_less_to_do() -> None:
    async with (
        upstream(named("a")) as port,
        balancing(port, upstream_limit=1) as balanced,
        connected(balanced.port) as first,
        connected(balanced.port) as second,
    ):
        assert await first.until(b"\n") == b"a\n"
        await second.send(b"waits")
        first.end()
        assert await first.all() == b""
        assert await second.exactly(7) == b"a\nWAITS"


@pytest.mark.parametrize(
    ("options", "outcome"), [({"queue_timeout": 0.05}, Outcome.TIMEOUT), ({"queue": 0}, Outcome.UNREACHABLE)]
)
async def test_but_not_for_ever(options: dict[str, Any], outcome: str) -> None:
    async with (
        upstream(named("a")) as port,
        balancing(port, upstream_limit=1, **options) as balanced,
        connected(balanced.port) as first,
    ):
        assert await first.until(b"\n") == b"a\n"
        assert await is_reset(balanced.port)
        assert balanced.sessions[1].outcome == outcome


async def test_a_waiting_client_may_leave() -> None:
    async with upstream(named("a")) as port, balancing(port, upstream_limit=1) as balanced:
        async with connected(balanced.port) as first, connected(balanced.port) as second:
            await first.until(b"\n")
            await balanced.until(lambda: len(balanced.sessions) == 2)
            second.reset()
            await balanced.until(lambda: bool(balanced.sessions[1].ended))
            assert (balanced.sessions[1].outcome, balanced.sessions[1].result) == (Outcome.CUT, "reset by the client")
            first.end()
            await first.all()
        assert await said(balanced.port) == b"a\n"


async def test_connections_are_bounded() -> None:
    async with upstream(named("a")) as port, balancing(port, max_connections=1) as balanced:
        async with connected(balanced.port) as first:
            await first.until(b"\n")
            assert await is_reset(balanced.port)
        assert balanced.server.gate.turned_away == 1
        assert balanced.sessions[1].outcome == Outcome.REFUSED


async def test_bulk_goes_past_us_unless_somebody_keeps_it() -> None:
    size = 8 << 20

    async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(size))

    for level in (Level.SUMMARY, Level.FULL):
        async with upstream(pours) as port, balancing(port, level=level) as balanced:
            assert len(await said(balanced.port)) == size
            flow = await balanced.ended()
            assert (flow.sent, flow.outcome) == (size, Outcome.OK)
            assert bool(len(balanced.server.pipes)) == (level is Level.SUMMARY)
    assert splice.AVAILABLE


async def test_draining_waits_for_who_still_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "QUIET", 0.2)
    async with upstream(named("a")) as port, balancing(port) as balanced:
        _, writer = await asyncio.open_connection("127.0.0.1", balanced.port)
        await balanced.until(lambda: bool(balanced.legs and balanced.legs[0].client))
    flow = balanced.sessions[0]
    assert flow.outcome == Outcome.TIMEOUT
    writer.close()


async def test_names_come_from_the_lab_and_an_unknown_one_is_said() -> None:
    async with upstream(named("a")) as port:
        async with balancing(f"one.shop.test:{port}", names={"one.shop.test": "127.0.0.1"}) as balanced:
            assert await said(balanced.port) == b"a\n"
        async with balancing(f"two.shop.test:{port}") as balanced:
            assert await is_reset(balanced.port)
            flow = await balanced.ended()
            assert "no host two.shop.test in this lab" in flow.result
        async with balancing(f"localhost:{port}") as balanced:
            assert await said(balanced.port) == b"a\n"


async def test_each_address_of_a_name_is_an_upstream() -> None:
    """And localhost is this machine, on whichever of its two addresses."""
    async with upstream(named("a")) as port:
        names = {"one.shop.test": "127.0.0.9"}
        async with balancing(f"one.shop.test:{port}", names=names) as balanced:
            balanced.server.context.addresses.add("one.shop.test", "127.0.0.1")
            await when(lambda: len(balanced.members) == 2)
            assert await said(balanced.port) == b"a\n"
            assert list(balanced.members) == [f"127.0.0.9:{port}", f"127.0.0.1:{port}"]
    async with upstream(named("six"), host="::1") as port, balancing(f"localhost:{port}") as balanced:
        assert await said(balanced.port) == b"six\n"
        await balanced.ended()
        assert [leg.outcome for leg in balanced.legs] == [Outcome.UNREACHABLE, Outcome.OK]
        assert balanced.members[f"localhost:{port}"].errors == 0


# -- settings --------------------------------------------------------------------------------------------------------


def test_settings_that_cannot_be_meant() -> None:
    to = (Target.parse(":9101"),)
    for options in (
        {},
        {"to": to, "tell": ("unique-id",)},
        {"to": to, "tell": ("unique-id",), "send_proxy_protocol": "v1"},
        {"to": to, "alpn": ("h2",)},
        {"to": to, "protocol": "both", "send_proxy_protocol": "v1"},
        {"route": (RouteRule.parse("sni=a to=:1"),), "protocol": "udp"},
    ):
        with pytest.raises(UsageError):
            Config(**options)  # type: ignore[arg-type]  # what tests may


@pytest.mark.parametrize("text", ["127.0.0.1:9101", "[::1]:9101", "a.test:1*2.5", "127.0.0.1:1*0"])
def test_targets_are_written_as_they_are_read(text: str) -> None:
    assert str(Target.parse(text)) == text


@pytest.mark.parametrize("text", ["", "x", "a:0", "a:1*", "a:1*x", "a:1*-1", "http://a:1"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the kind says in words what is allowed
        Target.parse(text)
