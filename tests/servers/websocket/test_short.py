"""Short messages that are answered in the call that brings them: what is counted, who does not read, who fails."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from netlab.cores.websocket import BINARY, PING, TEXT, encode_frame
from netlab.flow import Level, Outcome
from netlab.http.websocket import at_once
from netlab.http.websocket.answering import Echo
from netlab.http.websocket.session import Session
from netlab.net.reset import will_reset
from tests.cores.websocket_corpus import close, frame, part
from tests.servers.websocket.serving import SECONDS, Served, handshake, raw, serving

TALK = [
    (frame(TEXT, b"hello"), encode_frame(TEXT, b"HELLO")),
    (frame(BINARY, b"\xffa" * 60), encode_frame(BINARY, b"\xffA" * 60)),
    (frame(TEXT, "ß".encode()), encode_frame(TEXT, b"SS")),
    (frame(PING, b"there?"), encode_frame(10, b"there?")),
    (part(TEXT, b"in ") + frame(0, b"two"), encode_frame(TEXT, b"IN TWO")),
    (frame(TEXT, b"x" * 300), encode_frame(TEXT, b"X" * 300)),
    (frame(TEXT, b"last"), encode_frame(TEXT, b"LAST")),
    (close(1000), encode_frame(8, b"\x03\xe8")),
]


def session_of(served: Served) -> Session:
    (connection,) = served.server.gate.connections
    delegate: Any = connection
    assert isinstance(delegate.delegate, Session)
    return delegate.delegate


async def test_both_ways_count_the_same() -> None:
    said, answered = (b"".join(talk[side] for talk in TALK) for side in (0, 1))
    async with serving(Level.SUMMARY) as served:
        async with raw(served, "/upper") as client:
            session = session_of(served)
            for frames, answer in TALK:
                client.say(frames)
                assert await client.hear(len(answer)) == answer
            assert session.core.replies == 3
            client.writer.write_eof()
            assert await client.rest() == b""
        flow = await served.ended()
        assert (flow.outcome, flow.result, flow.received, flow.sent) == (Outcome.OK, "1000", len(said), len(answered))
        assert flow.details is not None
        assert (flow.details["messages_received"], flow.details["messages_sent"]) == (6, 6)
        carrier = flow.parent
        assert carrier is not None
        async with asyncio.timeout(SECONDS):
            while not carrier.ended:
                await asyncio.sleep(0)
        assert carrier.received == len(handshake("/upper")) + len(said)
        assert carrier.sent > len(answered)


async def test_who_does_not_read_is_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the socket does not take waits in the transport, and what is said meanwhile waits behind it."""
    monkeypatch.setattr(Echo, "answer", lambda self, opcode, data: data * (1 << 20))
    async with serving(Level.SUMMARY) as served, raw(served) as client:
        session, count = session_of(served), 0
        async with asyncio.timeout(SECONDS):
            while not session.connection.held:
                if session.core.replies + session.messages == count:
                    client.say(frame(BINARY, bytes((count,))))
                    count += 1
                await asyncio.sleep(0)
        assert session.core.replies + session.messages == count
        client.say(frame(BINARY, bytes((count,))))
        for number in range(count + 1):
            answer = encode_frame(BINARY, bytes((number,)) * (1 << 20))
            assert await client.hear(len(answer)) == answer
        assert not session.connection.held


@pytest.mark.parametrize("taken", [0, 1, 100])
async def test_a_socket_that_takes_little(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    def write(descriptor: int, data: bytes) -> int:
        if not taken:
            raise BlockingIOError
        return os.write(descriptor, data[:taken])

    monkeypatch.setattr(at_once, "_write", write)
    async with serving(Level.SUMMARY) as served, raw(served, "/upper") as client:
        for frames, answer in TALK:
            client.say(frames)
            assert await client.hear(len(answer)) == answer


async def test_a_client_that_is_reset_in_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(self: Echo, opcode: int, data: bytes) -> bytes:
        will_reset(client.writer.transport)
        client.writer.transport.abort()
        return data

    monkeypatch.setattr(Echo, "answer", answer)
    async with serving(Level.SUMMARY) as served, raw(served) as client:
        client.say(frame(TEXT, b"hello"))
        flow = await served.ended()
        assert (flow.outcome, flow.result) == (Outcome.CUT, "1006")


async def test_an_answer_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: the session says so, and closes with 1011."""

    def answer(self: Echo, opcode: int, data: bytes) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(Echo, "answer", answer)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    async with serving(Level.SUMMARY) as served, raw(served) as client:
        client.say(frame(TEXT, b"hello"))
        assert (await client.hear(4))[2:] == (1011).to_bytes(2, "big")
        client.writer.close()
        flow = await served.ended()
        assert (flow.outcome, flow.details and flow.details["messages_received"]) == (Outcome.ERROR, 1)
    assert [type(error) for error in told] == [ZeroDivisionError]
