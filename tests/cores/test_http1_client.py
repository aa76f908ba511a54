"""The client core's acts: what requests look like on the wire, and which answers end how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from netlab.cores.http1 import ClientCore, Closed, Data, End, Informational, Limits, Response
from netlab.cores.http1_h11 import H11ClientCore
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated

HOST = [("Host", "a")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"

both = pytest.mark.parametrize("make", [ClientCore, H11ClientCore])


def asking(make: Any = ClientCore, method: str = "GET", target: str = "/", **options: Any) -> Any:
    core = make()
    core.request(method, target, HOST, **options)
    return core


# -- requests ----------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("method", "options", "fields"),
    [
        ("GET", {}, b""),
        ("GET", {"body": b""}, b""),
        ("POST", {}, b"Content-Length: 0\r\n"),  # RFC 9110 8.6
        ("PUT", {"body": b""}, b"Content-Length: 0\r\n"),
        ("POST", {"body": b"hello"}, b"Content-Length: 5\r\n"),
        ("GET", {"body": b"hello"}, b"Content-Length: 5\r\n"),
        ("GET", {"close": True}, b"Connection: close\r\n"),
        ("GET", {"upgrade": True}, b"Connection: upgrade\r\n"),
    ],
)
def test_whole_requests(make: Any, method: str, options: dict[str, Any], fields: bytes) -> None:
    core = asking(make, method, **options)
    body = options.get("body", b"")
    assert core.outgoing() == method.encode() + b" / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n" + body
    assert not core.idle
    assert not core.writing_content


@both
def test_content_in_pieces(make: Any) -> None:
    core = asking(make, "PUT", length=5)
    assert core.writing_content
    core.send(b"he")
    core.send(b"llo")
    core.finish()
    assert core.outgoing() == b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    core = asking(make, "PUT", chunked=True)
    core.send(b"hello")
    core.finish([("X", "y")])
    assert core.outgoing().endswith(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n")
    core = asking(make, "PUT", chunked=True, length=2)  # a length that is known is said
    core.send(b"hi")
    core.finish()
    assert core.outgoing().endswith(b"Content-Length: 2\r\n\r\nhi")


def test_te_is_named_in_connection() -> None:
    """RFC 9110 10.1.4: it is for the next recipient only."""
    core = ClientCore()
    core.request("GET", "/", [*HOST, ("TE", "trailers")], close=True)
    assert b"\r\nConnection: close, TE\r\n" in core.outgoing()


def test_a_request_in_http_1_0() -> None:
    core = asking(version="1.0")
    assert core.outgoing() == b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
    core.receive(OK)
    assert core.closed
    core = ClientCore()
    core.request("GET", "/", [], version="1.0")  # no Host: it is of 1.1
    assert core.outgoing() == b"GET / HTTP/1.0\r\n\r\n"


@both
@pytest.mark.parametrize(
    "act",
    [
        lambda core: core.request("GE T", "/", HOST),
        lambda core: core.request("", "/", HOST),
        lambda core: core.request("G\u20acT", "/", HOST),
        lambda core: core.request("GET", "/a b", HOST),
        lambda core: core.request("GET", "/\r\n", HOST),
        lambda core: core.request("GET", "", HOST),
        lambda core: core.request("GET", "/#a", HOST),
        lambda core: core.request("GET", "/\xe9", HOST),
        lambda core: core.request("GET", "/", []),
        lambda core: core.request("GET", "/", [*HOST, ("host", "b")]),
        lambda core: core.request("GET", "/", [*HOST, ("Content-Length", "5")]),
        lambda core: core.request("GET", "/", [*HOST, ("Transfer-Encoding", "chunked")]),
        lambda core: core.request("GET", "/", [*HOST, ("X", "a\nb")]),
        lambda core: core.request("GET", "/", HOST, version="2"),
        lambda core: core.request("GET", "/", HOST, version="1.1\r\nX: y"),
        lambda core: core.send(b"x"),
        lambda core: core.finish(),
    ],
)
def test_misuse(make: Any, act: Callable[[Any], None]) -> None:
    core = make()
    with pytest.raises(LocalProtocolError):
        act(core)
    assert core.outgoing() == b""
    core.request("GET", "/", HOST)
    assert core.outgoing()


@pytest.mark.parametrize(
    "options",
    [
        {"method": "CONNECT", "body": b"x"},
        {"method": "TRACE", "length": 1},
        {"method": "PUT", "length": -1},
        {"method": "PUT", "chunked": True, "version": "1.0"},
    ],
)
def test_requests_that_cannot_have_that_content(options: dict[str, Any]) -> None:
    core = ClientCore()
    with pytest.raises(LocalProtocolError):
        core.request(target="/", fields=HOST, **options)
    assert core.outgoing() == b""
    assert core.idle


@both
def test_one_request_at_a_time(make: Any) -> None:
    core = asking(make)
    core.outgoing()
    for data in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"):
        if data:
            core.receive(data)
        with pytest.raises(LocalProtocolError):
            core.request("GET", "/", HOST)
    core.receive(b"x")
    core.request("GET", "/", HOST)


# -- answers -----------------------------------------------------------------------------------------------------


@both
def test_the_connection_is_used_again(make: Any) -> None:
    core = make()
    for _ in range(3):
        assert core.idle
        core.request("GET", "/", HOST)
        assert [type(event) for event in core.receive(OK)] == [Response, Data, End]
    assert core.receive(b"") == [Closed()]
    assert core.closed


@both
@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (OK, False),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), True),
        (OK.replace(b"HTTP/1.1", b"HTTP/1.0"), True),
        (EMPTY, False),
    ],
)
def test_persistence(make: Any, answer: bytes, closes: bool) -> None:
    core = asking(make)
    core.receive(answer)
    assert (core.closed, core.idle) == (closes, not closes)


@both
def test_asking_to_close(make: Any) -> None:
    core = asking(make, close=True)
    assert not core.closed
    core.receive(OK)
    assert core.closed


@both
def test_content_until_the_end_of_the_connection(make: Any) -> None:
    core = asking(make)
    response, data = core.receive(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert response.frame == (True, None, False, False, False, None, ())
    assert data.data == b"hello"
    assert not core.closed
    assert [type(event) for event in core.receive(b"")] == [End]
    assert core.closed


def test_the_longest_content_holds_for_every_frame() -> None:
    for head, rest in (
        (b"Content-Length: 6\r\n\r\n", b"hello!"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"6\r\nhello!\r\n0\r\n\r\n"),
        (b"\r\n", b"hello!"),
    ):
        core = ClientCore(Limits(body=5))
        core.request("GET", "/", HOST)
        error = core.receive(b"HTTP/1.1 200 OK\r\n" + head + rest)[-1]
        assert isinstance(error, RemoteProtocolError)
        assert (error.rule, error.status) == ("body.too_large", 502)
        assert core.closed


@both
@pytest.mark.parametrize("fields", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304)])
def test_the_frame_of_an_answer_without_content(make: Any, method: str, status: int, fields: bytes) -> None:
    core = asking(make, method)
    (response,) = core.receive(b"HTTP/1.1 %d x\r\n%b\r\n" % (status, fields))
    assert not response.frame.has_body
    assert response.frame.length == (5 if b"Length" in fields else None)
    assert core.idle


def test_a_fold_in_a_response_is_a_space() -> None:
    core = asking()
    (response, _) = core.receive(b"HTTP/1.1 200 OK\r\nX: a\r\n \t b\r\n\tc\r\nContent-Length: 1\r\n\r\nx")[:2]
    assert isinstance(response, Response)
    assert list(response.fields) == [("X", "a b c"), ("Content-Length", "1")]


@both
def test_interim_answers(make: Any) -> None:
    core = asking(make, "PUT", length=5)
    (interim,) = core.receive(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n")
    assert isinstance(interim, Informational)
    assert (interim.status, interim.fields.get("x")) == (100, "y")
    assert core.writing_content
    core.send(b"hello")
    core.finish()
    assert len(core.receive(OK)) == 3
    assert core.idle


@both
def test_an_early_answer(make: Any) -> None:
    """The server may answer before it has read everything; the request is still to be finished, or given up."""
    core = asking(make, "PUT", length=5)
    assert len(core.receive(OK)) == 3
    assert not core.idle
    core.send(b"hello")
    core.finish()
    assert core.idle


@both
def test_the_end_before_an_answer(make: Any) -> None:
    for data in (b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", OK[:-1]):
        core = asking(make)
        if data:
            core.receive(data)
        (error,) = core.receive(b"")
        assert isinstance(error, Truncated)
        assert error.status == 502
        assert core.closed


@both
def test_a_switch(make: Any) -> None:
    core = make()
    core.request("GET", "/", [*HOST, ("Upgrade", "echo")], upgrade=True)
    (response,) = core.receive(b"HTTP/1.1 101 x\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nfirst bytes")
    assert response.status == 101
    assert core.switched
    assert not core.closed
    assert not core.idle
    assert core.rest() == b"first bytes"


@both
def test_a_tunnel(make: Any) -> None:
    core = asking(make, "CONNECT", "a:443")
    (response,) = core.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x16\x03")
    assert not response.frame.has_body
    assert core.switched
    assert core.rest() == b"\x16\x03"


@both
def test_an_upgrade_declined(make: Any) -> None:
    core = make()
    core.request("GET", "/", [*HOST, ("Upgrade", "echo")], upgrade=True)
    core.receive(OK)
    assert not core.switched
    assert core.idle


def test_a_switch_before_the_request_is_complete() -> None:
    core = ClientCore()
    core.request("POST", "/", [*HOST, ("Upgrade", "echo")], upgrade=True, length=5)
    (error,) = core.receive(b"HTTP/1.1 101 x\r\nUpgrade: echo\r\n\r\n")
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == "upgrade.early"


def test_every_violation_has_the_status_of_a_bad_gateway() -> None:
    for data in (b"\x00", b"HTTP/2.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"):
        core = asking()
        (error,) = core.receive(data)
        assert isinstance(error, RemoteProtocolError)
        assert error.status == 502
        assert core.closed
        with pytest.raises(LocalProtocolError):
            core.send(b"x")


def test_bytes_that_nobody_asked_for() -> None:
    core = ClientCore()
    (error,) = core.receive(OK)
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == "response.unsolicited"
    core = asking()
    core.receive(OK)
    core.receive(b"\r\n")
    assert not core.idle
    assert core.closed
