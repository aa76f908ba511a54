"""The short way of the WebSocket core: what it takes, and that nobody can tell it from the long one."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netlab.cores.websocket import BINARY, CONTINUATION, PING, TEXT, Event, Limits, Message, WebSocketCore, encode_frame
from netlab.cores.websocket_deflate import Deflate
from netlab.errors import RemoteProtocolError
from tests.cores.websocket_corpus import CASES, MASK, close, frame, part

HELLO = frame(TEXT, b"hello")


def twice(opcode: int, data: bytes) -> bytes:
    """An answer that may be longer than what is answered, and than a short message."""
    return (b"text:" if opcode == TEXT else b"") + data + data


class Server:
    """Answers each message; `short` tries the short way with every read."""

    def __init__(self, *, short: bool, limits: Limits, deflate: Deflate | None) -> None:
        self.short, self.core = short, WebSocketCore(limits=limits, deflate=deflate, offset=100)
        self.rests = False
        self.heard: list[object] = []
        self.out = b""

    def read(self, data: bytes) -> None:
        core = self.core
        self.rests = self.rests or (self.short and core.at_rest)
        if not (self.rests and (frame := core.reply(data, self.answer))):
            self.rests = False
            for event in core.receive(data):
                self.take(event)
            frame = core.outgoing()
        self.out += frame

    def answer(self, opcode: int, data: bytes) -> bytes:
        self.heard.append((opcode, data))
        return twice(opcode, data)

    def take(self, event: Event) -> None:
        if not isinstance(event, Message):
            self.heard.append(event.facts() if isinstance(event, RemoteProtocolError) else event)
            self.core.answer(event)
        elif self.core.close_sent is None:
            self.core.send(event.opcode, self.answer(event.opcode, event.data))

    @property
    def counts(self) -> tuple[object, ...]:
        core = self.core
        state = core.in_message, core.began, core.progress, core.over, core.closed, core.close_sent
        return core.received, core.sent, core.messages + core.replies, *state


class Said(NamedTuple):
    data: bytes
    step: int  # cut into pieces of so many bytes; 0: not at all
    alone: bool  # else what comes next is in the same read


BYTES = st.one_of(
    st.binary(max_size=130).map(lambda data: frame(BINARY, data)),
    st.text(max_size=70).map(lambda text: frame(TEXT, text.encode())),
    st.sampled_from([case.said for case in CASES if len(case.said) < 2000]),
    st.sampled_from([part(TEXT, b"a"), part(CONTINUATION, b"b"), frame(CONTINUATION, b"c"), frame(PING, b"?")]),
    st.sampled_from([encode_frame(TEXT, b"bare"), frame(TEXT, b"\xff"), frame(TEXT, b"x", rsv=4), close(1000)]),
)
SAID = st.lists(st.builds(Said, BYTES, st.sampled_from([0, 0, 0, 1, 2, 7]), st.sampled_from([True, True, False])))
LIMITS = st.sampled_from([Limits(), Limits(message=40), Limits(frame=3)])


@given(SAID, LIMITS, st.sampled_from([None, None, Deflate()]))
@example([Said(HELLO, 0, True), Said(close(1000), 0, True), Said(HELLO, 0, True)], Limits(), None)
@example([Said(part(TEXT), 0, True), Said(HELLO, 0, True), Said(HELLO, 0, True)], Limits(), None)
@example([Said(HELLO[:1], 0, True), Said(HELLO, 0, True)], Limits(), None)
def test_the_short_way_ends_where_the_long_one_does(said: list[Said], limits: Limits, deflate: Deflate | None) -> None:
    long, short = [Server(short=way, limits=limits, deflate=deflate) for way in (False, True)]
    read = b""
    for data, step, alone in said:
        pieces = [data[n : n + step] for n in range(0, len(data), step)] if step else [data]
        for number, piece in enumerate(pieces):
            read += piece
            if not alone and number == len(pieces) - 1:
                continue
            for server in (long, short):
                server.read(read)
            read = b""
            assert (long.heard, long.out, long.counts) == (short.heard, short.out, short.counts)


@pytest.mark.parametrize("data", [b"", b"hello", b"x" * 125])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_what_goes_the_short_way(opcode: int, data: bytes) -> None:
    core, answer = WebSocketCore(), encode_frame(opcode, twice(opcode, data))
    assert core.reply(frame(opcode, data), twice) == answer
    assert (core.replies, core.received, core.sent) == (1, len(data) + 6, len(answer))
    assert core.at_rest


@pytest.mark.parametrize(
    "read",
    [
        b"",
        HELLO[:1],
        HELLO[:-1],
        HELLO + b"\x81",
        HELLO + HELLO,
        frame(BINARY, bytes(126)),
        frame(TEXT, "ü".encode()),
        frame(TEXT, b"\xff"),
        frame(TEXT, b"x", rsv=4),
        frame(PING, b"x"),
        part(TEXT, b"x"),
        frame(CONTINUATION, b"x"),
        close(1000),
        encode_frame(TEXT, b"not masked"),
    ],
)
def test_what_goes_the_long_way(read: bytes) -> None:
    core = WebSocketCore()
    assert not core.reply(read, twice)
    assert (core.replies, core.received, core.at_rest) == (0, 0, True)


def in_message(core: WebSocketCore) -> None:
    core.receive(part(TEXT, b"x"))


def in_frame(core: WebSocketCore) -> None:
    core.receive(HELLO[:4])


def closing(core: WebSocketCore) -> None:
    core.close()
    core.outgoing()


def closed(core: WebSocketCore) -> None:
    core.receive(close(1000))


def speaking(core: WebSocketCore) -> None:
    core.send(TEXT, b"first")


def kept(core: WebSocketCore) -> None:
    core.frames = []


@pytest.mark.parametrize("before", [in_message, in_frame, closing, closed, speaking, kept])
def test_what_is_under_way_comes_first(before: object) -> None:
    core = WebSocketCore()
    assert callable(before)
    assert core.at_rest
    before(core)
    assert not core.at_rest


def test_who_has_no_short_way() -> None:
    """A client is sent no masks; what was agreed to be compressed is; and a limit may be shorter than short."""
    assert not WebSocketCore(mask=lambda: MASK).at_rest
    assert not WebSocketCore(deflate=Deflate()).at_rest
    assert not WebSocketCore(limits=Limits(message=4)).reply(HELLO, twice)
    assert WebSocketCore(limits=Limits(message=5)).reply(HELLO, twice)


def test_an_answer_that_fails_has_changed_nothing() -> None:
    def fails(opcode: int, data: bytes) -> bytes:
        raise ZeroDivisionError

    core = WebSocketCore()
    with pytest.raises(ZeroDivisionError):
        core.reply(HELLO, fails)
    assert (core.replies, core.received, core.outgoing()) == (0, 0, b"")
    assert [event.data for event in core.receive(HELLO) if isinstance(event, Message)] == [b"hello"]
