"""What our cores write is one message, whatever is put into it: nothing can be smuggled out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.http1 import ClientCore, Data, End, Informational, Response, ServerCore, encode_fields, phrase
from netlab.cores.http1_output import STATUS_LINES, encode_trailers, request_line, status_line
from netlab.errors import LocalProtocolError

evil = st.text(st.sampled_from('aB0-: \t\r\n\x00\x0b\x7f\xe9\u20ac,;="/'), max_size=12)
pairs = st.lists(st.tuples(evil, evil), max_size=4)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SETTINGS = settings(max_examples=300, deadline=None)


@SETTINGS
@given(pairs)
def test_a_block_is_exactly_its_pairs(pairs: list[tuple[str, str]]) -> None:
    try:
        block = encode_fields(pairs)
    except LocalProtocolError:
        return
    lines = block.decode("latin-1").split("\r\n")
    assert lines.pop() == ""
    assert lines == [f"{name}: {value}" for name, value in pairs]
    for name, value in pairs:
        assert re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name)
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nSet-Cookie: b"),
        ("X", "a\nb"),
        ("X", "a\rb"),
        ("X", "a\x00b"),
        ("X", "\r\n"),
        ("X\r\nY", "a"),
        ("X: a\r\nY", "b"),
        ("X: a", "b"),
        ("X ", "a"),
        (" X", "a"),
        ("", "a"),
        ("X:", "a"),
        ("X\x00", "a"),
        ("\xe9", "a"),
        ("X", "\u20ac"),
        ("X", "\u010a"),  # its low byte is LF
    ],
)
def test_splitting_is_refused(name: str, value: str) -> None:
    for encode in (encode_fields, encode_trailers):
        with pytest.raises(LocalProtocolError):
            encode([("A", "b"), (name, value)])


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "CONNECTION"])
def test_what_frames_a_message_is_written_by_the_core(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        encode_fields([(name, "x")])
    with pytest.raises(LocalProtocolError):
        encode_trailers([(name, "x")])


def test_connection_can_be_given_where_a_switch_wants_it() -> None:
    assert encode_fields([("Connection", "upgrade")], framing=True) == b"Connection: upgrade\r\n"
    for name in ("Content-Length", "Transfer-Encoding"):
        with pytest.raises(LocalProtocolError):
            encode_fields([(name, "5")], framing=True)


@pytest.mark.parametrize("name", ["Host", "Trailer", "Content-Length", "Transfer-Encoding", "Connection"])
def test_what_routes_or_frames_is_no_trailer(name: str) -> None:
    core = ServerCore()
    core.receive(GET)
    core.start(200)
    core.outgoing()
    with pytest.raises(LocalProtocolError):
        core.finish([(name, "x")])
    assert core.outgoing() == b""
    core.finish()
    assert core.outgoing() == b"0\r\n\r\n"


@SETTINGS
@given(st.integers(200, 999), pairs, st.binary(max_size=20), st.sampled_from(["GET", "HEAD", "POST"]))
def test_a_whole_answer_is_one_answer(status: int, fields: list[tuple[str, str]], body: bytes, method: str) -> None:
    core = ServerCore()
    core.receive(method.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        core.respond(status, fields, body)
    except LocalProtocolError:
        assert core.outgoing() == b""
        return
    response, content = understood(core.outgoing(), method)
    assert response.status == status
    assert content == (b"" if method == "HEAD" else body)
    assert [(name, value) for name, value in response.fields if name != "Content-Length"] == [
        (name, value.strip(" \t")) for name, value in fields
    ]


@SETTINGS
@given(evil, pairs, st.lists(st.binary(max_size=20), max_size=3), pairs, st.none() | st.integers(0, 20))
def test_a_streamed_answer_is_one_answer(
    reason: str, fields: list[tuple[str, str]], pieces: list[bytes], trailers: list[tuple[str, str]], length: int | None
) -> None:
    core = ServerCore()
    core.receive(GET)
    sent = b""
    try:
        core.inform(103, fields)
        core.start(200, fields, length=length, reason=reason)
        for piece in pieces:
            core.send(piece)
            sent += piece
        core.finish(trailers)
    except LocalProtocolError:
        return
    response, content = understood(core.outgoing(), "GET")
    assert (response.reason, content) == (reason, sent)


def understood(data: bytes, method: str) -> tuple[Response, bytes]:
    """One final answer, everything used; interim ones are left out."""
    client = ClientCore()
    client.request(method, "/", [("Host", "a")])
    events: list[Any] = [event for event in client.receive(data) if not isinstance(event, Informational)]
    response, *rest = events
    assert isinstance(response, Response), response
    assert all(isinstance(event, Data | End) for event in rest), rest
    assert client.idle
    return response, b"".join(event.data for event in rest if isinstance(event, Data))


@SETTINGS
@given(evil, evil, evil)
def test_a_request_line_is_three_words(method: str, target: str, version: str) -> None:
    try:
        line = request_line(method, target, version)
    except LocalProtocolError:
        return
    assert line.decode() == f"{method} {target} HTTP/{version}\r\n"
    assert len(line.split()) == 3


def test_status_lines() -> None:
    assert status_line(404) == b"HTTP/1.1 404 Not Found\r\n"
    assert status_line(299) == b"HTTP/1.1 299 \r\n"  # the space stays, RFC 9112 4
    assert status_line(200, "") == b"HTTP/1.1 200 \r\n"
    assert status_line(200, "T\xe9a") == b"HTTP/1.1 200 T\xe9a\r\n"
    assert (phrase(413), phrase(299)) == ("Content Too Large", "")
    assert all(line.startswith(b"HTTP/1.1 %d " % status) for status, line in STATUS_LINES.items())
    for reason in ("a\r\nb", "a\x00", "\x7f", "\u20ac"):
        with pytest.raises(LocalProtocolError):
            status_line(200, reason)
