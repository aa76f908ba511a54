"""Tunnels that carry bulk: the kernel relays, and however they end, no descriptor, pipe or flow is left."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netlab.flow import Flow, Level, Outcome
from netlab.net import splice
from tests.http.serving import SECONDS, Client, connected
from tests.servers.forward_proxy.proxying import Forward, proxying
from tests.servers.forward_proxy.test_tunnels import tunnel
from tests.servers.proxies import Talk, descriptors, listening

pytestmark = pytest.mark.skipif(not splice.AVAILABLE, reason="os.splice is Linux's")

PIECE = bytes(range(256)) * 1024  # 256 KiB
SIZE = 24 << 20


async def pour(writer: asyncio.StreamWriter, size: int = SIZE) -> None:
    for _ in range(size // len(PIECE)):
        writer.write(PIECE)
        await writer.drain()


async def drink(reader: asyncio.StreamReader, size: int) -> str:
    """The digest of so many bytes."""
    digest = hashlib.sha256()
    async with asyncio.timeout(3 * SECONDS):
        while size:
            data = await reader.read(min(size, 1 << 18))
            assert data
            digest.update(data)
            size -= len(data)
    return digest.hexdigest()


EXPECTED = hashlib.sha256(PIECE * (SIZE // len(PIECE))).hexdigest()


async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A download, then whatever the client says."""
    await pour(writer)
    writer.write(await reader.readexactly(3))
    writer.write_eof()
    await reader.read()


async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def bulk(talk: Talk, **options: float) -> AsyncIterator[tuple[Forward, Client]]:
    """A tunnel to a server, before its first byte; afterwards as many descriptors as before."""
    before = descriptors()
    async with (
        listening(talk) as port,
        proxying(level=Level.SUMMARY, **options) as proxy,
        connected(proxy.port) as client,
    ):
        await tunnel(client, port)
        yield proxy, client
    async with asyncio.timeout(SECONDS):
        while descriptors() > before + 2:  # uvloop keeps one or two once it has served
            await asyncio.sleep(0)


def leg(proxy: Forward) -> Flow:
    return next(flow for flow in proxy.of_kind("tcp") if flow.label)


def spliced(proxy: Forward) -> bool:
    return any(isinstance(connection.transport, splice.Handle) for connection in proxy.server.proxy.gate.connections)


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set as soon as the kernel relays."""
    happened = asyncio.Event()

    class Watched(splice.Splice):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            happened.set()

    monkeypatch.setattr(splice, "Splice", Watched)
    return happened


async def test_a_download_and_half_closes() -> None:
    async with bulk(pours) as (proxy, client):
        assert await drink(client.reader, SIZE) == EXPECTED
        assert spliced(proxy)
        await client.send(b"yes")
        assert await client.all() == b"yes"
        await client.send(b"still")
        client.end()
        await proxy.all_ended()
        assert (leg(proxy).received, leg(proxy).sent, leg(proxy).outcome) == (8, SIZE + 3, Outcome.OK)


async def test_both_ways_at_once() -> None:
    async with bulk(echoes) as (proxy, client):
        sending = asyncio.gather(pour(client.writer))
        assert await drink(client.reader, SIZE) == EXPECTED
        await sending
        assert spliced(proxy)
        client.end()
        assert await client.all() == b""
        await proxy.all_ended()
        assert (leg(proxy).received, leg(proxy).sent, leg(proxy).outcome) == (SIZE, SIZE, Outcome.OK)


async def test_an_upload_that_began_before_it_was_heard() -> None:
    """The client sends bulk ahead of the answer, and ends; nothing of it is lost."""
    got: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def takes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await drink(reader, SIZE))
        assert await reader.read() == b""

    before = descriptors()
    async with listening(takes) as port, proxying(level=Level.SUMMARY) as proxy, connected(proxy.port) as client:
        client.writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port)
        await pour(client.writer)
        client.end()
        assert await got == EXPECTED
        await client.all()
        await proxy.all_ended()
        assert leg(proxy).received == SIZE
    assert descriptors() <= before + 2


async def test_a_reader_that_stops_stops_the_sender(joined: asyncio.Event) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(PIECE)
            await writer.drain()
            sent += len(PIECE)

    async with bulk(endless) as (proxy, client):
        await drink(client.reader, 8 << 20)
        await asyncio.wait_for(joined.wait(), SECONDS)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the stream API has no word for it
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.1)
        assert sent < 48 << 20
        assert proxy.server.proxy.tunnels.pipes.leased == 1
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]  # likewise
        await drink(client.reader, 64 << 20)
        client.reset()
        await proxy.all_ended()
        assert leg(proxy).outcome == Outcome.CUT


@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_reset_is_a_reset_on_the_other_side(who: str, joined: asyncio.Event) -> None:
    other: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await pour(writer, 4 << 20)
        try:
            await reader.readexactly(1)
            Client(reader, writer).reset()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            other.set_result(error)

    async with bulk(talk) as (proxy, client):
        await drink(client.reader, 4 << 20)
        await asyncio.wait_for(joined.wait(), SECONDS)
        if who == "client":
            client.reset()
            assert isinstance(await asyncio.wait_for(other, SECONDS), ConnectionResetError)
        else:
            await client.send(b"x")
            with pytest.raises(ConnectionResetError):
                await client.all()
        await proxy.all_ended()
        assert leg(proxy).outcome == Outcome.CUT


async def test_idle_after_bulk() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await pour(writer, 4 << 20)
        await reader.read()

    async with bulk(talk, tunnel_timeout=0.2) as (proxy, client):
        await drink(client.reader, 4 << 20)
        assert await client.all() == b""
        await proxy.all_ended()
        assert (leg(proxy).outcome, leg(proxy).sent) == (Outcome.TIMEOUT, 4 << 20)


async def test_the_server_ends_in_the_middle(joined: asyncio.Event) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await pour(writer)

    async with bulk(endless) as (proxy, client):
        await drink(client.reader, 4 << 20)
        await asyncio.wait_for(joined.wait(), SECONDS)
    assert leg(proxy).outcome == Outcome.CANCELLED


async def test_without_descriptors_for_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits a moment and asks again; nothing is lost."""
    failures = 3

    def make() -> tuple[int, int]:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return original()

    original = splice.Pipes._make
    monkeypatch.setattr(splice.Pipes, "_make", staticmethod(make))
    async with bulk(pours) as (proxy, client):
        assert await drink(client.reader, SIZE) == EXPECTED
        assert failures == 0
        assert spliced(proxy)
        await client.send(b"yes")
        assert await client.all() == b"yes"


async def test_without_splice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice, "AVAILABLE", False)
    async with bulk(echoes) as (proxy, client):
        sending = asyncio.gather(pour(client.writer))
        assert await drink(client.reader, SIZE) == EXPECTED
        await sending
        assert not spliced(proxy)
        client.end()
        assert await client.all() == b""


async def test_recorded_in_full_nothing_goes_past_us() -> None:
    async with listening(pours) as port, proxying() as proxy, connected(proxy.port) as client:
        await tunnel(client, port)
        assert await drink(client.reader, SIZE) == EXPECTED
        assert not spliced(proxy)
        tape = leg(proxy).wire
        assert tape is not None
        assert tape.offsets["server"] == SIZE


@pytest.mark.parametrize("size", [70_000, 200_000, 600_000])
async def test_an_end_right_behind_the_first_bulk(size: int) -> None:
    """The far end is told of it, whoever has the socket at that moment."""

    async def takes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()
        writer.write(b"%d" % len(data))

    async with listening(takes) as port, proxying(level=Level.SUMMARY) as proxy:
        for _ in range(20):
            async with connected(proxy.port) as client:
                await tunnel(client, port)
                client.writer.write(b"x" * size)
                client.end()
                assert await client.all() == b"%d" % size
