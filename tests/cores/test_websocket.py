"""The WebSocket core: the corpus as it is and in single bytes, limits, both roles, and what it says itself."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netlab.cores.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Close,
    Event,
    Limits,
    Message,
    Ping,
    WebSocketCore,
    encode_frame,
)
from netlab.cores.websocket_close import LONGEST_REASON, close_payload, may_be_sent
from netlab.cores.websocket_deflate import Deflate, Deflater
from netlab.cores.websocket_events import OPCODES
from netlab.errors import LocalProtocolError, RemoteProtocolError
from tests.cores.websocket_corpus import BAD_CODES, CASES, GOOD_CODES, MASK, Case, close, frame, part

KINDS = {TEXT: "text", BINARY: "binary"}


def told(events: list[Event]) -> list[tuple[str, object]]:
    """Events as the corpus spells them; a violation is left out."""
    found: list[tuple[str, object]] = []
    for event in events:
        if isinstance(event, Message):
            found.append((KINDS[event.opcode], event.data))
        elif isinstance(event, Close):
            found.append(("close", (event.code, event.reason)))
        elif not isinstance(event, RemoteProtocolError):
            found.append(("ping" if isinstance(event, Ping) else "pong", event.data))
    return found


def heard(core: WebSocketCore, data: bytes, step: int = 0) -> list[Event]:
    pieces = [data[n : n + step] for n in range(0, len(data), step)] if step else [data]
    events = [event for piece in pieces for event in core.receive(piece)]
    for event in events:
        core.answer(event)
    return events


def written(data: bytes) -> list[Event]:
    """A server's bytes, read by a client's core."""
    return WebSocketCore(mask=lambda: MASK, deflate=Deflate()).receive(data)


def core_for(case: Case) -> WebSocketCore:
    return WebSocketCore(deflate=Deflate() if case.deflate else None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_corpus(case: Case) -> None:
    whole, dripped = core_for(case), core_for(case)
    events = heard(whole, case.said)
    check(case, whole, events)
    if len(case.said) < 1000:
        assert heard(dripped, case.said, 1) == events
        check(case, dripped, events)


def check(case: Case, core: WebSocketCore, events: list[Event]) -> None:
    assert told(events) == list(case.heard)
    broken = [event for event in events if isinstance(event, RemoteProtocolError)]
    assert [error.rule for error in broken] == ([case.rule] if case.rule else [])
    if broken:
        assert broken[0].status == case.code
    answer = written(core.outgoing())
    assert [event.data for event in answer if not isinstance(event, Close | RemoteProtocolError | Message)] == [
        data for kind, data in case.heard if kind == "ping"
    ]
    closes = [event for event in answer if isinstance(event, Close)]
    assert [event.code for event in closes] == ([] if case.code is None else [case.code])
    assert core.closed is (case.code is not None)


def test_bad_text_fails_at_its_first_bad_byte() -> None:
    """Not at the frame's end, nor at the message's (RFC 6455 8.1)."""
    whole = frame(TEXT, "κόσμε".encode() + b"\xf4\x90" + bytes(1000))
    core = WebSocketCore()
    at = whole.index(frame(TEXT, b"")[2:6]) + 4 + len("κόσμε".encode())
    assert heard(core, whole[: at + 1]) == []
    (error,) = core.receive(whole[at + 1 : at + 2])
    assert isinstance(error, RemoteProtocolError)
    assert error.status == 1007


@given(st.binary(min_size=1, max_size=6))
@example(b"\xed\xa0")
@example(b"\xf4\x90")
@example(b"\xe0\x80")
def test_bad_text_fails_no_later_than_any_decoder_could(tail: bytes) -> None:
    """One byte at a time: it fails with the byte behind which no text can go on."""
    core, failed_at = WebSocketCore(), None
    core.receive(part(TEXT, b"")[:-4] + MASK)
    for number in range(len(tail)):
        if any(isinstance(e, RemoteProtocolError) for e in core.receive(part(CONTINUATION, tail[number : number + 1]))):
            failed_at = number
            break
    assert failed_at == next((n for n in range(len(tail)) if not can_go_on(tail[: n + 1])), None)


def can_go_on(data: bytes) -> bool:
    """Whether some text begins with these bytes, by trying every kind of end."""
    ends = [b"", b"\x80", b"\x90", b"\xa0", b"\xbf"]
    return any(is_text(data + a + b + c) for a in ends for b in (b"", b"\x80") for c in (b"", b"\x80"))


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "said", "rule"),
    [
        (Limits(message=1000), frame(BINARY, bytes(1001)), "frame.long"),
        (Limits(message=1000), part(BINARY, bytes(600)) + frame(CONTINUATION, bytes(401)), "message.long"),
        (Limits(message=1000, frame=100), frame(BINARY, bytes(101)), "frame.long"),
        (Limits(message=1000), b"\x82\xff" + (1 << 62).to_bytes(8, "big") + MASK, "frame.long"),
    ],
)
def test_what_is_too_long(limits: Limits, said: bytes, rule: str) -> None:
    core = WebSocketCore(limits=limits)
    (error,) = heard(core, said)
    assert isinstance(error, RemoteProtocolError)
    assert (error.rule, error.status) == (rule, 1009)
    (closed,) = written(core.outgoing())
    assert isinstance(closed, Close)
    assert closed.code == 1009


def test_what_is_just_not_too_long() -> None:
    core = WebSocketCore(limits=Limits(message=1000))
    assert told(heard(core, part(BINARY, bytes(600)) + frame(CONTINUATION, bytes(400)))) == [("binary", bytes(1000))]


def bomb(size: int) -> bytes:
    return Deflater(Deflate()).message(bytes(size))


def test_inflation_is_bounded() -> None:
    core = WebSocketCore(limits=Limits(message=100_000), deflate=Deflate())
    said = frame(BINARY, bomb(50_000_000), rsv=4)
    tracemalloc.start()
    (error,) = core.receive(said)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(error, RemoteProtocolError)
    assert error.status == 1009
    assert peak < 2_000_000
    core = WebSocketCore(limits=Limits(message=100_000), deflate=Deflate())
    assert len(told(core.receive(frame(BINARY, bomb(100_000), rsv=4)))) == 1


def test_one_call_inflates_no_more_than_it_has_to() -> None:
    """What is left keeps its place: a ping behind it is not answered before, and nothing is lost at the end."""
    message = frame(BINARY, Deflater(Deflate(we_forget=True)).message(bytes(5 << 20)), rsv=4)
    said = message * 3 + frame(PING, b"behind") + close(1000)
    core = WebSocketCore(deflate=Deflate())
    assert [kind for kind, _ in told(core.receive(said))] == ["binary"]
    assert core.more
    assert core.received == len(said)
    events = core.receive(core.rest())
    assert [kind for kind, _ in told(events)] == ["binary"]
    assert (events[0].start, events[0].end) == (len(message), 2 * len(message))  # type: ignore[union-attr]  # a message
    assert [kind for kind, _ in told(core.receive(b""))] == ["binary", "ping", "close"]


def test_a_ping_behind_our_close_frame_is_answered() -> None:
    """RFC 6455 5.5.2: unless the peer's close frame has come."""
    core = WebSocketCore()
    core.close()
    heard(core, frame(PING, b"there?") + close(1000) + frame(PING, b"late"))
    assert told(written(core.outgoing())) == [("close", (1000, ""))]
    assert core.sent == len(encode_frame(CLOSE, b"\x03\xe8") + encode_frame(PONG, b"there?"))


def test_progress_is_what_came() -> None:
    core = WebSocketCore(deflate=Deflate())
    core.receive(part(BINARY, bomb(1_000_000)[:-10], rsv=4))
    assert core.in_message
    assert 0 < core.progress < 2_000


def test_small_pieces_cost_what_they_hold() -> None:
    """One byte at a time: memory goes with the bytes, not with their number."""
    core = WebSocketCore()
    tracemalloc.start()
    for _ in range(8_000):
        core.receive(part(BINARY if not core.in_message else CONTINUATION, b"x"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_blocks_that_say_they_are_the_last_are_counted() -> None:
    core = WebSocketCore(deflate=Deflate())
    (error,) = core.receive(frame(BINARY, b"\x03\x00" * 10_000, rsv=4))
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == "deflate.broken"


def test_answers_stand_in_the_order_of_what_they_answer() -> None:
    core = WebSocketCore()
    for event in core.receive(frame(PING, b"1") + frame(TEXT, b"2") + frame(PING, b"3") + close(1000)):
        if isinstance(event, Message):
            core.send(event.opcode, event.data)
        else:
            core.answer(event)
    assert told(written(core.outgoing())) == [("pong", b"1"), ("text", b"2"), ("pong", b"3"), ("close", (1000, ""))]


# -- the other side, and what we say -----------------------------------------------------------------------------------


def test_a_server_must_not_mask() -> None:
    core = WebSocketCore(mask=lambda: MASK)
    (error,) = core.receive(frame(TEXT, b"x"))
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == "mask"


def test_examples_of_the_rfc_are_written_so() -> None:
    core = WebSocketCore()
    core.send(TEXT, b"Hello")
    assert core.outgoing() == bytes.fromhex("810548656c6c6f")
    core.send_fragmented(TEXT, [b"Hel", b"lo"])
    assert core.outgoing() == bytes.fromhex("010348656c80026c6f")
    client = WebSocketCore(mask=lambda: MASK)
    client.send(TEXT, b"Hello")
    assert client.outgoing() == bytes.fromhex("818537fa213d7f9f4d5158")
    core.send(BINARY, bytes(256))
    assert core.outgoing()[:4] == bytes.fromhex("827e0100")
    core.send(BINARY, bytes(65536))
    assert core.outgoing()[:10] == bytes.fromhex("827f0000000000010000")


def test_close_is_the_last_that_is_said() -> None:
    core = WebSocketCore()
    core.close(1001, "bye")
    core.close(1000)
    core.ping()
    heard(core, frame(PING, b"x"))
    assert written(core.outgoing()) == [Close(1001, "bye", 0, 7)]
    with pytest.raises(LocalProtocolError, match="behind a close frame"):
        core.send(TEXT, b"x")
    assert not core.closed
    assert not core.peer_began
    heard(core, close(1001))
    assert core.closed
    assert core.outgoing() == b""


def test_messages_are_heard_until_the_peer_closes() -> None:
    core = WebSocketCore()
    core.close()
    assert told(core.receive(frame(TEXT, b"still here"))) == [("text", b"still here")]


@pytest.mark.parametrize("code", [*BAD_CODES])
def test_codes_that_are_never_sent(code: int) -> None:
    assert not may_be_sent(code)
    if code != 1005:
        with pytest.raises(LocalProtocolError, match="cannot stand in a close frame"):
            close_payload(code)


@pytest.mark.parametrize("code", GOOD_CODES)
def test_codes_that_are(code: int) -> None:
    assert close_payload(code, "ü") == code.to_bytes(2, "big") + "ü".encode()


def test_a_reason_is_cut_between_characters() -> None:
    payload = close_payload(1000, "x" + "ü" * 100)
    assert len(payload) <= 2 + LONGEST_REASON
    assert payload[2:].decode() == "x" + "ü" * 61


def test_the_end_without_a_close_frame() -> None:
    for said in (b"", frame(TEXT, b"x")[:5], part(TEXT, b"x")):
        core = WebSocketCore()
        core.receive(said or frame(PONG))
        (error,) = core.receive(b"")
        assert isinstance(error, RemoteProtocolError)
        assert (error.rule, error.status) == ("close.missing", 1006)


def test_frames_are_kept_where_someone_looks() -> None:
    core = WebSocketCore(offset=100)
    core.frames = []
    heard(core, part(TEXT, b"ab") + frame(PING, b"p") + frame(CONTINUATION, b"c"))
    core.send(TEXT, b"x" * 200)
    seen = [(f.sent, f.name, f.final, f.length, f.start, f.end) for f in core.frames]
    assert seen == [
        (False, "text", False, 2, 100, 108),
        (False, "ping", True, 1, 108, 115),
        (False, "continuation", True, 1, 115, 122),
        (True, "pong", True, 1, 0, 3),
        (True, "text", True, 200, 3, 207),
    ]
    assert core.frames[0].mask == MASK


# -- compression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("forgets", [False, True])
def test_windows_and_takeover(bits: int, forgets: bool) -> None:
    server = WebSocketCore(deflate=Deflate(our_bits=bits, we_forget=forgets))
    client = WebSocketCore(mask=lambda: MASK, deflate=Deflate(their_bits=bits, they_forget=forgets))
    data = bytes(range(128)) * 600
    sizes = []
    for _ in range(3):
        server.send(BINARY, data)
        out = server.outgoing()
        sizes.append(len(out))
        (message,) = client.receive(out)
        assert isinstance(message, Message)
        assert message.data == data
        assert message.payload < len(data) // 10
    assert (sizes[1] == sizes[0]) is forgets


def test_a_context_is_made_at_first_use() -> None:
    before = WebSocketCore(deflate=Deflate())
    assert before._deflater is not None
    assert before._deflater._context is None
    assert before._inflater is not None
    assert before._inflater._context is None


def test_a_message_compressed_for_many_may_stand_between_others() -> None:
    from netlab.cores.websocket_deflate import deflate_alone

    agreed = Deflate(our_bits=12)
    server = WebSocketCore(deflate=agreed)
    client = WebSocketCore(mask=lambda: MASK, deflate=Deflate(their_bits=12))
    own, shared = b"own words " * 20, b"everyone's words " * 20
    server.send(TEXT, own)
    out = server.outgoing()
    server.forget()
    out += server.outgoing_with(encode_frame(TEXT, deflate_alone(shared, agreed), rsv=4), 1)
    server.send(TEXT, own)
    out += server.outgoing()
    assert told(client.receive(out)) == [("text", own), ("text", shared), ("text", own)]


# -- any bytes, any split ----------------------------------------------------------------------------------------------

MESSAGES = st.lists(
    st.one_of(
        st.tuples(st.just(TEXT), st.text(max_size=300).map(str.encode)),
        st.tuples(st.just(BINARY), st.binary(max_size=300)),
        st.tuples(st.just(PING), st.binary(max_size=125)),
    ),
    max_size=6,
)


@given(MESSAGES, st.lists(st.integers(1, 50), min_size=1, max_size=5), st.booleans(), st.integers(1, 4))
def test_any_messages_in_any_frames_and_any_split(
    messages: list[tuple[int, bytes]], steps: list[int], compressed: bool, cuts: int
) -> None:
    agreed = Deflate() if compressed else None
    client = WebSocketCore(mask=lambda: MASK, deflate=agreed)
    for opcode, data in messages:
        if opcode == PING:
            client.ping(data)
        elif cuts > 1:
            size = len(data)
            client.send_fragmented(opcode, [data[size * n // cuts : size * (n + 1) // cuts] for n in range(cuts)])
        else:
            client.send(opcode, data)
    said = client.outgoing()
    server, events, position, turn = WebSocketCore(deflate=agreed), [], 0, 0
    while position < len(said):
        step = steps[turn % len(steps)]
        events += server.receive(said[position : position + step])
        position, turn = position + step, turn + 1
    assert told(events) == [(OPCODES[opcode], data) for opcode, data in messages]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_raise_nothing(data: bytes, compressed: bool) -> None:
    for step in (0, 1):
        core = WebSocketCore(deflate=Deflate() if compressed else None, limits=Limits(message=1000))
        events = heard(core, data, step)
        assert all(not isinstance(event, RemoteProtocolError) for event in events[:-1])
        assert len(core._held) <= 139
        written(core.outgoing())


@given(st.binary(min_size=1, max_size=100))
def test_any_bytes_that_say_they_are_compressed(data: bytes) -> None:
    core = WebSocketCore(deflate=Deflate())
    for event in heard(core, frame(BINARY, data, rsv=4)):
        assert isinstance(event, Message | RemoteProtocolError)
    try:
        whole = zlib.decompressobj(-15).decompress(data + b"\x00\x00\xff\xff")
    except zlib.error:
        assert core.failed is not None
    else:
        assert core.failed is not None or whole is not None
