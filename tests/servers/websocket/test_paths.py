"""The scripted paths and the rooms, spoken to by websockets' client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from netlab.cores.websocket import TEXT
from netlab.flow import Level
from tests.servers.websocket.serving import SECONDS, raw, serving


async def told(client: websockets.ClientConnection) -> Any:
    return json.loads(await soon(client.recv()))


async def soon(waiting: Awaitable[Any]) -> Any:
    async with asyncio.timeout(SECONDS):
        return await waiting


async def talk(client: websockets.ClientConnection) -> None:
    """Say something, and hear what comes, to the end."""
    await client.send("x")
    while True:
        await soon(client.recv())


async def test_a_room() -> None:
    async with serving() as served:
        async with websockets.connect(f"{served.url}/chat/tea?name=ann") as ann:
            assert await told(ann) == {"type": "welcome", "room": "tea", "name": "ann", "present": [], "count": 1}
            async with websockets.connect(f"{served.url}/chat/tea?name=ann", compression=None) as ben:
                assert (await told(ben))["present"] == ["ann"]
                assert await told(ann) == {"type": "joined", "name": "ann-2", "count": 2}
                text = "said to all, and long enough to be compressed " * 3
                await ann.send(text)
                for client in (ann, ben):
                    heard = await told(client)
                    assert (heard["name"], heard["text"]) == ("ann", text)
                    assert heard["time"].startswith("2026-")
                await ben.send(b"\x00\x01")
                assert await soon(ann.recv()) == await soon(ben.recv()) == b"\x00\x01"
            assert await told(ann) == {"type": "left", "name": "ann-2", "count": 1}
            async with websockets.connect(f"{served.url}/chat/coffee") as other:
                assert (await told(other))["count"] == 1
        while served.server.gate.connections:
            await asyncio.sleep(0)
        assert not served.server.paths.rooms


@pytest.mark.one_loop
async def test_a_message_for_all_between_messages_of_ones_own() -> None:
    """The compressed message everyone gets stands among those of a context of one's own."""
    async with serving() as served, websockets.connect(f"{served.url}/chat/tea") as client:
        await told(client)
        for number in range(5):
            await client.send(f"number {number} " * 20)
        assert [(await told(client))["text"][:8] for _ in range(5)] == [f"number {number}" for number in range(5)]


async def test_late_answers_keep_their_order() -> None:
    async with serving() as served, websockets.connect(f"{served.url}/delay/30") as client:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.send("1")
        await client.send("2")
        assert [await soon(client.recv()), await soon(client.recv())] == ["1", "2"]
        assert loop.time() - began >= 0.029


@pytest.mark.one_loop
async def test_time_ticker_ping_flood_and_drips() -> None:
    async with serving() as served:
        async with websockets.connect(f"{served.url}/time") as client:
            assert [message async for message in client] == ["2026-09-21T14:13:20.000+00:00"]
        async with websockets.connect(f"{served.url}/ticker?every=10") as client:
            assert [(await told(client))["tick"] for _ in range(3)] == [1, 2, 3]
        async with websockets.connect(f"{served.url}/ping?every=10") as client:
            assert [(await told(client))["ping"] for _ in range(2)] == [1, 2]
        async with websockets.connect(f"{served.url}/flood?count=300&size=2000") as client:
            assert [len(message) async for message in client] == [2000] * 300
        async with websockets.connect(f"{served.url}/slow") as client:
            await client.send("ab")
            assert await soon(client.recv()) == "ab"


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("path", "code"),
    [
        *[(f"/close/{code}", code) for code in (1000, 1001, 1005, 3000, 4999)],
        ("/close/1006", None),
        ("/drop", None),
    ],
)
async def test_endings(path: str, code: int | None) -> None:
    async with serving() as served, websockets.connect(served.url + path) as client:
        with pytest.raises(ConnectionClosed) as ended:
            await talk(client)
        assert (None if ended.value.rcvd is None else ended.value.rcvd.code) == code


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("path", "code"), [("/badutf8", 1007), ("/badmask", 1002), ("/garbage", 1002), ("/close/999", 1002)]
)
async def test_what_clients_have_to_notice(path: str, code: int) -> None:
    async with serving() as served, websockets.connect(served.url + path) as client:
        with pytest.raises(ConnectionClosed) as ended:
            await talk(client)
        assert ended.value.sent is not None
        assert ended.value.sent.code == code
        flow = await served.ended()
        assert flow.events is not None
        assert "rule.broken" in [event.name for event in flow.events]


async def test_what_all_are_told_and_what_one_is_told_stay_in_order() -> None:
    """Compressed with and without what was said before, answered pings between them; and all of it is counted."""
    async with (
        serving(Level.SUMMARY) as served,
        websockets.connect(f"{served.url}/chat/tea?name=first") as first,
        websockets.connect(f"{served.url}/chat/tea?name=second", compression=None) as second,
    ):
        room = served.server.paths.rooms["tea"]
        for client, count in ((first, 2), (second, 1)):
            for _ in range(count):
                await told(client)
        said = []
        for number in range(3):
            for text in ("to one " * 20, "not compressed", "to everyone " * 20, "to one " * 20, "to all " * 20):
                said.append(f"{number} {text}")
                if text.startswith("to one"):
                    for session in room.present:
                        session.say(said[-1])
                else:
                    room.audience.send(TEXT, said[-1].encode())
                    room.audience.flush()
            await soon(await first.ping())
        for client in (first, second):
            assert [await soon(client.recv()) for _ in said] == said
        await first.close()
        assert (await told(second))["type"] == "left"
        await second.close()
        await served.ended()
        assert [flow.details["messages_sent"] for flow in served.flows if flow.details] == [17, 17]


@pytest.mark.one_loop
async def test_a_slow_reader_of_a_room_misses_messages() -> None:
    async with (
        serving(Level.SUMMARY, queue=10_000) as served,
        websockets.connect(f"{served.url}/chat/tea", max_size=None) as quick,
        raw(served, "/chat/tea"),  # reads nothing
    ):
        await told(quick)
        await told(quick)
        slow = list(served.server.paths.rooms["tea"].audience.members)[1]
        for _ in range(200):
            await quick.send(b"x" * 200_000)
            await soon(quick.recv())
            if slow.flow.details and slow.flow.details.get("missed"):
                break
        assert slow.flow.details is not None
        assert slow.flow.details["missed"] > 0


@pytest.mark.one_loop
@pytest.mark.parametrize(
    ("policy", "level"), [("close", Level.SUMMARY), ("pause", Level.SUMMARY), ("pause", Level.FULL)]
)
async def test_a_slow_reader_of_a_room_goes_or_holds_the_others(policy: str, level: Level) -> None:
    async with (
        serving(level, queue=10_000, slow=policy) as served,
        websockets.connect(f"{served.url}/chat/tea", max_size=None) as quick,
        raw(served, "/chat/tea") as slow,
    ):
        await told(quick)
        await told(quick)
        first, second = list(served.server.paths.rooms["tea"].audience.members)
        for _ in range(200):
            await quick.send(b"x" * 200_000)
            await soon(quick.recv())
            if second.core.close_sent or first.connection.held:
                break
        if policy == "close":
            assert second.core.close_sent is not None
            assert second.core.close_sent.code == 1008
        else:
            assert first.connection.held
            await quick.send("held back")
            while first.connection.held:
                await slow.reader.read(1 << 20)
            assert (await told(quick))["text"] == "held back"
