"""The short ways of a client that repeats itself, and of its server: same bytes, same meaning, same state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.http1 import Asked, ClientCore, Data, End, Response, encode_fields
from netlab.errors import LocalProtocolError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BLOCK = encode_fields([("Host", "a"), ("X-Same", "1")])
OTHER = encode_fields([("Host", "b"), ("TE", "trailers")])

asked = st.tuples(
    st.sampled_from(["GET", "HEAD", "POST", "DELETE"]), st.sampled_from(["/", "/a?b"]), st.sampled_from([BLOCK, OTHER])
)
said = st.sampled_from(
    [
        OK,
        OK.replace(b"ok", b"ab"),
        OK + b"x",
        OK[:-1],
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ]
)


def whole_of(events: list[object]) -> tuple[Response, bytes]:
    head, content, end = events
    assert isinstance(head, Response)
    assert isinstance(content, Data)
    assert isinstance(end, End)
    return head, content.data


def meaning(response: Response, content: bytes) -> tuple[object, ...]:
    """All but the span, which is that of the first response with this head."""
    return response.status, response.reason, response.version, response.fields, response.frame, content


@given(st.lists(st.tuples(asked, said), max_size=6))
def test_the_short_way_is_the_long_one(conversation: list[tuple[tuple[str, str, bytes], bytes]]) -> None:
    short, long = ClientCore(), ClientCore()
    for (method, target, block), answer in conversation:
        if not long.idle:
            assert not short.idle
            with pytest.raises(LocalProtocolError):
                short.ask(method, target, block)
            return
        short.ask(method, target, block)
        long.request(method, target, block)
        assert short.outgoing() == long.outgoing()
        events = long.receive(answer)
        known = short.repeated(answer)
        if known is None:
            assert short.receive(answer) == events
        else:
            assert meaning(*known) == meaning(*whole_of(list(events)))
        for name in ("idle", "closed", "closing", "received", "buffered", "writing_content", "reading_body", "began"):
            assert getattr(short, name) == getattr(long, name), name


def test_what_was_asked_once_is_asked_again_on_any_connection() -> None:
    asked = Asked.made("DELETE", "/a", OTHER)
    other = ClientCore()
    other.request("DELETE", "/a", OTHER)
    head = other.outgoing()
    for _ in range(2):
        core = ClientCore()
        for _ in range(3):
            core.ask_again(asked)
            assert core.outgoing() == head
            with pytest.raises(LocalProtocolError):
                core.ask_again(asked)
            core.repeated(OK) or core.receive(OK)
    with pytest.raises(LocalProtocolError):
        Asked.made("GET", "/a b", BLOCK)


def test_an_answer_to_the_last_request_of_a_connection_goes_the_long_way() -> None:
    core = ClientCore()
    core.ask("GET", "/", BLOCK)
    core.receive(OK)
    core.request("GET", "/", BLOCK, close=True)
    assert core.repeated(OK) is None
    core.receive(OK)
    assert core.closed


def test_only_usual_answers_go_the_short_way() -> None:
    for first in (OK.replace(b"200 OK", b"200 Fine"), OK.replace(b"200 OK", b"205 Reset Content")):
        core = ClientCore()
        for _ in range(2):
            core.ask("GET", "/", BLOCK)
            assert core.repeated(first) is None
            core.receive(first)


def test_what_is_repeated_is_known() -> None:
    core = ClientCore()
    for turn in range(3):
        core.ask("GET", "/", BLOCK)
        core.outgoing()
        known = core.repeated(OK)
        assert (known is not None) == (turn > 0)
        if known is None:
            core.receive(OK)
    assert core.repeated(OK) is None  # nobody asked
    core.ask("GET", "/", BLOCK)
    core.receive(b"")
    assert core.repeated(OK) is None  # its peer has ended


def test_a_target_that_cannot_be_is_refused_on_the_short_way_too() -> None:
    core = ClientCore()
    core.ask("GET", "/", BLOCK)
    core.receive(OK)
    with pytest.raises(LocalProtocolError):
        core.ask("GET", "/a b", BLOCK)
