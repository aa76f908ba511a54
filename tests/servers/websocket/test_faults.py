"""Peers that vanish, stall, drip, stay silent or never say goodbye: each ends by its deadline, and nothing is left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import websockets

from netlab.cores.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, encode_frame
from netlab.cores.websocket_deflate import Deflate, Deflater
from netlab.flow import Flow, Outcome
from tests.cores.websocket_corpus import close, frame, part
from tests.servers.websocket.serving import SECONDS, Served, raw, serving

QUICK: dict[str, Any] = {"ping_interval": 0.0, "close_timeout": 0.05, "message_timeout": 0.0}


def code_of(said: bytes) -> int:
    """The code of the close frame that ends what a server has said."""
    at = said.rindex(b"\x88")
    return int.from_bytes(said[at + 2 : at + 4], "big")


async def gone(served: Served) -> Flow:
    """The conversation's flow, once nobody is connected any more."""
    async with asyncio.timeout(SECONDS):
        while served.server.gate.connections:
            await asyncio.sleep(0)
    return await served.ended()


@pytest.mark.parametrize("said", [b"", frame(TEXT, b"x")[:5], part(TEXT, b"half")])
async def test_the_peer_vanishes(said: bytes) -> None:
    async with serving(**QUICK) as served, raw(served) as client:
        client.say(said)
        client.writer.write_eof()
        assert await client.rest() == b""
        client.writer.close()
        flow = await gone(served)
        assert (flow.outcome, flow.result) == (Outcome.CUT, "1006")


async def test_the_peer_resets() -> None:
    async with serving(**QUICK) as served, raw(served, "/flood") as client:
        await client.hear(1000)
        client.writer.transport.abort()
        flow = await gone(served)
        assert (flow.outcome, flow.result) == (Outcome.CUT, "1006")


@pytest.mark.one_loop
@pytest.mark.parametrize("said", [frame(BINARY, bytes(100))[:50], part(BINARY, b"x"), b"\x82", frame(PING, b"abc")[:4]])
async def test_the_peer_stalls_in_a_message(said: bytes) -> None:
    async with serving(**QUICK | {"message_timeout": 0.1}) as served, raw(served) as client:
        client.say(said)
        assert code_of(await client.rest()) == 1008
        client.writer.close()
        flow = await gone(served)
        assert (flow.outcome, flow.result) == (Outcome.TIMEOUT, "1006")


@pytest.mark.one_loop
async def test_the_peer_drips_fragments_for_ever() -> None:
    answered = b""
    async with serving(**QUICK | {"message_timeout": 0.1}) as served, raw(served) as client:
        client.say(part(BINARY, b"x"))
        while not answered:
            client.say(part(CONTINUATION, b"x"))
            try:
                async with asyncio.timeout(0.005):
                    answered = await client.hear(4)
            except TimeoutError:
                pass  # not yet: another fragment
        assert code_of(answered) == 1008
        client.writer.close()
        assert (await gone(served)).outcome == Outcome.TIMEOUT


@pytest.mark.one_loop
async def test_fast_fragments_for_ever_come_to_the_limit() -> None:
    async with serving(**QUICK | {"max_message": 20_000}) as served, raw(served) as client:
        client.say(part(BINARY, b"x") + part(CONTINUATION, b"x") * 20_000)
        assert code_of(await client.rest()) == 1009


@pytest.mark.one_loop
async def test_the_peer_answers_no_ping() -> None:
    async with serving(**QUICK | {"ping_interval": 0.1, "ping_timeout": 0.1}) as served, raw(served) as client:
        said = await client.rest()
        assert said[:2] == encode_frame(PING, b"1234")[:2]
        assert code_of(said) == 1011
        client.writer.close()
        flow = await gone(served)
        assert (flow.outcome, flow.result) == (Outcome.TIMEOUT, "1006")


@pytest.mark.one_loop
async def test_pings_that_a_path_sends_are_waited_for_too() -> None:
    settings = QUICK | {"ping_interval": 0.1, "ping_timeout": 0.2}
    async with serving(**settings) as served, raw(served, "/ping?every=20") as client:
        assert code_of(await client.rest()) == 1011


@pytest.mark.one_loop
async def test_who_is_not_read_is_not_late() -> None:
    """So much waits to be answered that nothing is read, not even pongs."""
    settings = QUICK | {"ping_interval": 0.1, "ping_timeout": 0.1, "message_timeout": 0.1}
    async with serving(**settings) as served, websockets.connect(f"{served.url}/delay/800") as client:
        for _ in range(3):
            await client.send(bytes(700_000))
        async with asyncio.timeout(SECONDS):
            assert [len(await client.recv()) for _ in range(3)] == [700_000] * 3


@pytest.mark.one_loop
async def test_a_peer_that_says_anything_is_there() -> None:
    """A ping that is not answered is no failure while other bytes come."""
    async with serving(**QUICK | {"ping_interval": 0.1, "ping_timeout": 0.1}) as served, raw(served) as client:
        pings = 0
        while pings < 3:
            header = await client.hear(2)
            data = await client.hear(header[1])
            if header[0] & 15 == PING:
                pings += 1
                client.frame(TEXT, b"no pong, but here")
            else:
                assert (header[0] & 15, data) == (TEXT, b"no pong, but here")
        assert served.flows[0].outcome == ""


@pytest.mark.one_loop
@pytest.mark.parametrize("path", ["/close/1000", "/time"])
async def test_the_peer_never_answers_the_close(path: str) -> None:
    async with serving(**QUICK) as served, raw(served, path) as client:
        try:
            said = await client.rest()
        except ConnectionResetError:
            said = b""
        assert not said or code_of(said) == 1000
        flow = await gone(served)
        assert (flow.outcome, flow.result) == (Outcome.TIMEOUT, "1006")


@pytest.mark.one_loop
async def test_the_peer_stays_after_the_closing_handshake() -> None:
    async with serving(**QUICK) as served, raw(served) as client:
        client.frame(CLOSE, (1000).to_bytes(2, "big"))
        assert code_of(await client.rest()) == 1000
        flow = await gone(served)  # though the client has not closed
        assert flow.result == "1000"


@pytest.mark.one_loop
async def test_a_slow_reader_gets_everything_before_the_close() -> None:
    """The deadline of the closing handshake is none for what was written before it."""
    said = frame(BINARY, Deflater(Deflate()).message(bytes(16 << 20)), rsv=4) + close(1000)
    async with (
        serving(**QUICK) as served,
        raw(served, "/fragment/1", Sec_WebSocket_Extensions="permessage-deflate") as client,
    ):
        (connection,) = served.server.gate.connections
        client.say(said)
        while not connection.delegate.core.closed:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        assert connection.stage == "write"
        heard = await client.rest()
        assert len(heard) == 10 + (16 << 20) + 4
        assert code_of(heard[-4:]) == 1000
        client.writer.close()
        assert (await gone(served)).result == "1000"


@pytest.mark.one_loop
async def test_the_peer_never_reads() -> None:
    async with serving(**QUICK | {"write_timeout": 0.2}) as served, raw(served, "/flood?size=100000") as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well
        flow = await gone(served)
        assert (flow.outcome, flow.result) == (Outcome.TIMEOUT, "1006")


async def test_an_echo_holds_a_client_that_does_not_read() -> None:
    """Nothing is gathered without a bound: who does not read is not read from."""
    async with serving(**QUICK) as served, raw(served) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = served.server.gate.connections
        said = frame(BINARY, bytes(100_000))
        while not connection.held:  # type: ignore[attr-defined]
            client.say(said)
            await asyncio.sleep(0)
        assert connection.transport.get_write_buffer_size() < 4_000_000  # type: ignore[attr-defined]


@pytest.mark.one_loop
async def test_stopping_says_goodbye() -> None:
    async with serving(**QUICK) as served, raw(served) as client:
        client.frame(TEXT, b"x")
        assert await client.hear(3) == encode_frame(TEXT, b"x")
        served.server.gate.drain()
        assert code_of(await client.rest()) == 1001
