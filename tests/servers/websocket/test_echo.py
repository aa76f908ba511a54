"""The WebSocket server, spoken to by websockets' client and by aiohttp: what is sent comes back."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import websockets

from netlab.flow import Level, Outcome
from tests.servers.websocket.serving import SECONDS, serving

MESSAGES = ["", "hello", "ü" * 3000, b"", b"x" * 125, b"x" * 126, b"y" * 65535, b"z" * 65536, "ab" * 100_000]


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_what_is_sent_comes_back(compression: str | None) -> None:
    async with serving(Level.SUMMARY) as served:
        async with websockets.connect(served.url, compression=compression, max_size=None) as client:
            for message in MESSAGES:
                await client.send(message)
                assert await client.recv() == message
            await client.send(["in", "three", "frames"])
            assert await client.recv() == "inthreeframes"
            assert await (await client.ping(b"there?")) >= 0
        assert client.close_code == 1000
        flow = await served.ended()
        assert (flow.result, flow.outcome, flow.label) == ("1000", Outcome.OK, "WebSocket /")
        assert flow.details is not None
        count = len(MESSAGES) + 1
        assert (flow.details["messages_received"], flow.details["messages_sent"]) == (count, count)
        assert flow.details["closed_by"] == "client"


async def test_messages_of_one_read_come_back_in_order() -> None:
    async with serving(Level.SUMMARY) as served, websockets.connect(served.url) as client:
        for number in range(100):
            await client.send(f"message {number}")
        async with asyncio.timeout(SECONDS):
            assert [await client.recv() for _ in range(100)] == [f"message {number}" for number in range(100)]


async def test_aiohttp() -> None:
    async with serving() as served, aiohttp.ClientSession() as session:
        async with session.ws_connect(served.url.replace("ws", "http"), compress=15) as client:
            for text in ("hello", "long " * 1000):
                await client.send_str(text)
                assert (await client.receive()).data == text
            await client.send_bytes(b"\x00\xff")
            assert (await client.receive()).data == b"\x00\xff"
        assert client.close_code == 1000


async def test_fragments() -> None:
    async with serving() as served, websockets.connect(f"{served.url}/fragment/3", compression=None) as client:
        await client.send("hello")
        assert [piece async for piece in client.recv_streaming()] == ["h", "el", "lo"]


@pytest.mark.parametrize(
    ("path", "said", "heard"),
    [
        ("/reverse", "Ünïcode", "edocïnÜ"),
        ("/reverse", b"\x01\x02", b"\x02\x01"),
        ("/upper", "straße", "STRASSE"),
        ("/upper", b"abc\xff", b"ABC\xff"),
    ],
)
async def test_answers(path: str, said: str | bytes, heard: str | bytes) -> None:
    async with serving() as served, websockets.connect(served.url + path) as client:
        await client.send(said)
        assert await client.recv() == heard
