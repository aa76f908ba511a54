"""Clients that end their side of a connection: whoever still reads is answered, and nobody works for who has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from netlab.flow import Level, Outcome
from netlab.http import ending, tunnel
from netlab.net.presence import Presence, presence
from tests.http.serving import SECONDS, connected
from tests.http.upstreams import Called, Script, Scripted, scripted
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.l7_balancer.balanced import balanced, members
from tests.servers.proxies import Proxied, program, when
from tests.servers.reverse_proxy.proxied import proxied

KINDS = pytest.mark.parametrize("kind", ["reverse", "forward", "balancer"])


@pytest.fixture(autouse=True)
def looking_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "FIRST_LOOK", 0.01)
    monkeypatch.setattr(ending, "NEXT_LOOK", 0.01)
    monkeypatch.setattr(tunnel, "LOOK", 0.01)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Presence]:
    """What was seen of clients."""
    seen: list[Presence] = []

    def look(ours: object, peer: object) -> Presence:
        seen.append(presence(ours, peer))
        return seen[-1]

    monkeypatch.setattr(ending, "presence", look)
    monkeypatch.setattr(tunnel, "presence", look)
    return seen


async def silent(called: Called) -> None:
    """Takes a request and waits until it is left alone."""
    await called.head()
    assert not await called.reader.read(1)
    called.heard += b"<left>"


async def stubborn(called: Called) -> None:
    """Takes a request, and heeds no end."""
    await called.head()
    await asyncio.Event().wait()


def telling(now: asyncio.Event) -> Script:
    """Answers when it is told to."""

    async def script(called: Called) -> None:
        await called.head()
        await now.wait()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await called.reader.read(1)

    return script


@asynccontextmanager
async def before(kind: str, script: Script, level: Level = Level.FULL) -> AsyncIterator[tuple[Scripted, Proxied[Any]]]:
    """An upstream, and one of our servers before it."""
    async with scripted(script) as upstream:
        running: Any = {"reverse": proxied, "balancer": balanced}.get(kind)
        async with proxying(level=level) if running is None else running(upstream.port, level=level) as proxy:
            yield upstream, proxy


def url(upstream: Scripted) -> str:
    return f"http://127.0.0.1:{upstream.port}/"


def request(upstream: Scripted) -> bytes:
    """For a forward proxy, and as good for the others."""
    return b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % url(upstream).encode()


def client_of(proxy: Proxied[Any]) -> Any:
    """The one connection that clients have."""
    server = proxy.server
    (connection,) = server.proxy.gate.connections if hasattr(server, "proxy") else server.gate.connections
    return connection


def stage(proxy: Proxied[Any]) -> str:
    """What it waits for."""
    return str(client_of(proxy).stage)


async def held_back(upstream: Scripted, proxy: Proxied[Any], looks: list[Presence]) -> None:
    """The client's upload stands still, and not only until buffers have grown: it was looked for several times."""
    since = (-1, 0)

    def stands() -> bool:
        nonlocal since
        if not upstream.calls or (connection := client_of(proxy)).stage != ending.HELD_BACK:
            return False
        if connection.core.received != since[0]:
            since = (connection.core.received, len(looks))
        return len(looks) >= since[1] + 3

    await when(stands)


@KINDS
@pytest.mark.parametrize("level", [Level.FULL, Level.SUMMARY])
async def test_a_client_that_is_killed_takes_its_request_with_it(kind: str, level: Level) -> None:
    """curl ends with a FIN, like one that only has no more to say."""
    async with before(kind, silent, level) as (upstream, proxy):
        through = (
            ("-x", f"http://{proxy.address}", url(upstream)) if kind == "forward" else (f"http://{proxy.address}/",)
        )
        curl = await asyncio.create_subprocess_exec(program("curl"), "-s", "--noproxy", "", *through)
        await when(lambda: bool(upstream.calls) and bool(upstream.calls[0].heard))
        if kind == "balancer":
            assert [member.active for member in members(proxy)] == [1]
        curl.kill()
        await curl.wait()
        await when(lambda: upstream.calls[0].heard.endswith(b"<left>"))
        (asked, leg) = [flow for flow in await proxy.ended("http", 2) if flow.kind == "http"]
        assert (asked.outcome, asked.result) == (Outcome.CUT, "the client is gone")
        assert (leg.outcome, leg.result) == (Outcome.CANCELLED, "the client is gone")
        assert len(proxy.notes("client.departed")) == (level is Level.FULL)


@KINDS
async def test_a_client_that_only_ends_its_side_is_answered(kind: str) -> None:
    """socat shuts its writing side down at the end of its input, as `nc -N` does."""
    now = asyncio.Event()
    async with before(kind, telling(now)) as (upstream, proxy):
        command = (program("socat"), "-t20", "-", f"TCP:{proxy.address}")
        socat = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1)
        talking = socat.communicate(request(upstream))
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            answer = group.create_task(talking)
            await when(lambda: bool(upstream.calls) and stage(proxy) == ending.HALF_CLOSED)  # it was looked for
            now.set()
        assert answer.result()[0].startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.result()[0].endswith(b"\r\n\r\nhello")


@KINDS
async def test_a_client_that_is_killed_while_its_upload_is_held_back(kind: str, looks: list[Presence]) -> None:
    """It is not read, for its upstream does not; so its end is not read either."""
    async with before(kind, stubborn) as (upstream, proxy):
        there = url(upstream) if kind == "forward" else f"http://{proxy.address}/"
        through = ("-x", f"http://{proxy.address}", there) if kind == "forward" else (there,)
        command = (program("curl"), "-s", "--noproxy", "", "-H", "Expect:", "-T", "/dev/zero", *through)
        curl = await asyncio.create_subprocess_exec(*command)
        await held_back(upstream, proxy, looks)
        curl.kill()
        await curl.wait()
        (asked, leg) = [flow for flow in await proxy.ended("http", 2) if flow.kind == "http"]
        assert (asked.outcome, asked.result) == (Outcome.CUT, "the client is gone")
        assert (leg.outcome, leg.result) == (Outcome.CANCELLED, "the client is gone")
        assert len(proxy.notes("client.departed")) == 1


async def test_a_client_that_is_held_back_and_there_goes_on(looks: list[Presence]) -> None:
    now = asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        await now.wait()
        await called.exactly(32 << 20)
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with before("reverse", script) as (upstream, proxy), connected(proxy.port) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (32 << 20)
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            group.create_task(client.send(head + bytes(32 << 20)))
            await held_back(upstream, proxy, looks)
            now.set()
        assert (await client.until(b"hello")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_client_that_says_no_more_after_it_was_held_back_is_late(looks: list[Presence]) -> None:
    now = asyncio.Event()

    async def script(called: Called) -> None:
        await called.head()
        await now.wait()
        while await called.reader.read(1 << 20):
            pass

    async with before("reverse", script) as (upstream, proxy), connected(proxy.port) as client:
        patient = proxy.server.http
        patient.settings = replace(patient.settings, body_timeout=0.1, minimum_rate=0)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (64 << 20)
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            group.create_task(client.send(head + bytes(32 << 20)))
            await held_back(upstream, proxy, looks)
            now.set()
        assert (await client.all()).startswith(b"HTTP/1.1 408 ")


async def test_a_client_let_go_on_while_it_does_not_read_is_waited_for_again() -> None:
    """Held back, then slow to read, then let go on, then reading: each in the other's time."""

    async def early(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await called.reader.read()

    async with before("reverse", early) as (_, proxy), connected(proxy.port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        await client.until(b"ok")
        connection = client_of(proxy)
        await when(lambda: stage(proxy) == "body")
        connection.hold()
        connection.pause_writing()
        assert stage(proxy) == "write"
        connection.release()
        connection.resume_writing()
        assert stage(proxy) == "body"


async def test_a_client_that_ends_its_side_and_is_killed_later() -> None:
    async with before("reverse", silent) as (upstream, proxy):
        command = (program("socat"), "-t20", "-", f"TCP:{proxy.address}")
        socat = await asyncio.create_subprocess_exec(*command, stdin=-1)
        assert socat.stdin is not None
        socat.stdin.write(request(upstream))
        socat.stdin.close()
        await when(lambda: bool(upstream.calls) and stage(proxy) == ending.HALF_CLOSED)
        socat.kill()
        await socat.wait()
        await when(lambda: upstream.calls[0].heard.endswith(b"<left>"))


async def test_a_tunnel_ends_with_a_client_that_is_killed() -> None:
    """Its end is passed on at once; that nobody is left to listen is found out."""
    async with before("forward", stubborn) as (upstream, proxy):
        through = ("-p", "-x", f"http://{proxy.address}", url(upstream))
        curl = await asyncio.create_subprocess_exec(program("curl"), "-s", "--noproxy", "", *through)
        await when(lambda: bool(upstream.calls) and bool(upstream.calls[0].heard))
        curl.kill()
        await curl.wait()
        await proxy.all_ended()
        (carrier, leg) = proxy.of_kind("tcp")
        assert (carrier.outcome, carrier.result, leg.outcome) == (Outcome.CUT, "the client is gone", Outcome.CUT)
        upstream.calls[0].writer.transport.abort()


async def test_a_tunnel_of_a_client_that_only_ends_its_side_goes_on(looks: list[Presence]) -> None:
    now = asyncio.Event()
    async with before("forward", telling(now)) as (upstream, proxy), connected(proxy.port) as client:
        await client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n%b" % (upstream.port, request(upstream)))
        client.end()
        await client.until(b"\r\n\r\n")
        await when(lambda: len(looks) > 2 and set(looks) == {Presence.THERE})
        now.set()
        assert (await client.all()).endswith(b"hello")


async def test_who_cannot_be_seen_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of another machine: an interim response says nothing to it, and brings a reset if it is gone."""
    monkeypatch.setattr(ending, "presence", lambda ours, peer: Presence.UNKNOWN)
    now = asyncio.Event()
    async with before("reverse", telling(now)) as (upstream, proxy), connected(proxy.port) as client:
        await client.send(request(upstream))
        client.end()
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        now.set()
        assert (await client.all()).endswith(b"\r\n\r\nhello")
    async with before("reverse", silent) as (upstream, proxy), connected(proxy.port) as client:
        await client.send(request(upstream))
        await when(lambda: bool(upstream.calls))
        client.writer.close()
        await when(lambda: upstream.calls[0].heard.endswith(b"<left>"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_what_the_kernel_knows(host: str) -> None:
    there: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: there.put_nowait(writer), host, 0)
    _, client = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer = await there.get()
    ends = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
    assert presence(*ends) is Presence.THERE
    client.write_eof()
    assert presence(*ends) is Presence.THERE
    client.close()
    await when(lambda: presence(*ends) is Presence.GONE)
    writer.close()
    server.close()
