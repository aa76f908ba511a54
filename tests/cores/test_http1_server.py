"""The server core's acts: answers in their order, how connections end, and what each answer looks like on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from netlab.cores.http1 import ClientCore, Closed, Data, End, Limits, Request, ServerCore
from netlab.cores.http1_h11 import H11ServerCore
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
CONNECT = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo, other\r\nConnection: keep-alive, Upgrade\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

both = pytest.mark.parametrize("make", [ServerCore, H11ServerCore])


def asked(data: bytes, make: Any = ServerCore) -> Any:
    core = make()
    core.receive(data)
    return core


def read(data: bytes, method: str = "GET", *, end: bool = False) -> list[Any]:
    """What a client makes of an answer."""
    client = ClientCore()
    client.request(method, "a:1" if method == "CONNECT" else "/", [("Host", "a")])
    return client.receive(data) + (client.receive(b"") if end else [])


# -- the order of things -----------------------------------------------------------------------------------------


@both
def test_pipelined_requests_wait_for_the_answer_before(make: Any) -> None:
    core = make()
    (first,) = core.receive(GET + POST + b"hello" + GET)
    assert core.resume() == []  # not before the answer
    core.respond(200)
    second, data, end = core.resume()
    assert (first.start, second.start, second.end) == (0, len(GET), len(GET + POST))
    assert isinstance(data, Data)
    assert isinstance(end, End)
    core.respond(201)
    (third,) = core.resume()
    assert third.start == len(GET + POST) + 5
    core.respond(202)
    assert core.resume() == []
    assert [line[9:12] for line in core.outgoing().split(b"\r\n") if line.startswith(b"HTTP/")] == [
        b"200",
        b"201",
        b"202",
    ]
    assert core.idle


@both
def test_a_bad_request_behind_a_good_one_does_not_disturb_it(make: Any) -> None:
    core = make()
    assert len(core.receive(GET + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")) == 1
    core.respond(200, [], b"fine")
    assert b"Connection" not in core.outgoing()
    (error,) = core.resume()
    assert isinstance(error, RemoteProtocolError)
    assert core.answerable
    assert not core.closed
    core.respond(400)
    assert b"Connection: close\r\n" in core.outgoing()
    assert core.closed


@both
def test_bytes_behind_a_last_request_are_not_looked_at(make: Any) -> None:
    core = asked(LAST + b"\x00\x00", make)
    assert core.receive(b"\x00") == []
    core.respond(200)
    assert core.closed
    assert core.resume() == []
    assert core.receive(GET) == []


@both
def test_the_answer_may_be_complete_before_the_request(make: Any) -> None:
    core = asked(POST + b"he", make)
    core.respond(200)
    assert not core.idle
    assert not core.closed
    assert core.reading_body
    assert [type(event) for event in core.receive(b"llo" + GET)] == [Data, End, Request]
    core.respond(200)
    assert core.idle


def test_offsets_go_on_through_a_connection() -> None:
    core = asked(b"\r\n" + GET + CHUNKED + b"2\r\nhi\r\n0\r\nX: y\r\n\r\n")
    core.respond(200)
    request, data, end = core.resume()
    at = 2 + len(GET)
    assert (request.start, request.end) == (at, at + len(CHUNKED))
    assert (data.start, data.end) == (request.end + 3, request.end + 5)
    assert (end.start, end.end) == (data.end + 2 + 3, core.received)
    assert list(end.trailers) == [("X", "y")]


# -- the end of a connection -------------------------------------------------------------------------------------


@both
def test_closing_between_exchanges(make: Any) -> None:
    core = make()
    assert core.receive(b"") == [Closed()]
    assert core.closed
    core = asked(GET, make)
    core.respond(200)
    assert core.receive(b"") == [Closed()]
    assert core.closed


@both
def test_half_close_still_gets_its_answers(make: Any) -> None:
    core = asked(GET + GET, make)
    assert core.receive(b"") == []
    assert not core.closed
    core.respond(200)
    assert not core.closed  # the second one is still due
    assert len(core.resume()) == 1
    core.respond(201)
    assert core.closed
    assert core.outgoing().count(b"HTTP/1.1 20") == 2


@both
@pytest.mark.parametrize("beginning", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r"])
def test_the_end_inside_a_head(make: Any, beginning: bytes) -> None:
    core = asked(beginning, make)
    (error,) = core.receive(b"")
    assert isinstance(error, Truncated)
    assert core.answerable  # whoever only closed one direction can still be told
    core.respond(400)
    assert core.closed


@both
@pytest.mark.parametrize("head", [POST, CHUNKED + b"7\r\n"])
def test_the_end_inside_content(make: Any, head: bytes) -> None:
    core = asked(head + b"hel", make)
    (error,) = core.receive(b"")
    assert isinstance(error, Truncated)
    core.respond(400)
    assert core.closed


@both
def test_the_end_inside_content_while_the_answer_is_on_its_way(make: Any) -> None:
    core = asked(POST + b"hel", make)
    core.start(200, length=4)
    assert isinstance(core.receive(b"")[0], Truncated)
    core.send(b"fine")
    assert not core.closed
    core.finish()
    assert core.closed
    assert core.outgoing().endswith(b"\r\n\r\nfine")


@both
def test_a_violation_in_content_behind_a_complete_answer(make: Any) -> None:
    core = asked(CHUNKED, make)
    core.respond(200)
    assert not core.closed
    assert isinstance(core.receive(b"x\r\n")[0], RemoteProtocolError)
    assert core.closed
    with pytest.raises(LocalProtocolError):
        core.respond(400)


def test_a_last_answer_that_comes_before_its_request_is_complete_ends_our_side() -> None:
    """The rest of the content is for whoever lingers: `closed` says that nothing more will be sent."""
    core = asked(POST)
    core.will_close()
    assert not core.closed
    core.respond(413)
    assert core.closed
    assert core.reading_body
    assert [type(event) for event in core.receive(b"hello" + GET)] == [Data, End]
    core = asked(POST)
    core.respond(200)
    assert not core.closed
    core.will_close()  # decided later: not worth waiting for
    assert core.closed


@both
def test_closed_only_when_the_last_byte_was_written(make: Any) -> None:
    core = asked(LAST, make)
    assert not core.closed
    core.start(200, length=5)
    core.send(b"hell")
    assert not core.closed
    core.send(b"o")
    assert not core.closed
    core.finish()
    assert core.closed


@both
def test_an_abandoned_read_leaves_one_answer(make: Any) -> None:
    core = asked(b"GET / HT", make)
    core.abandon()
    assert core.receive(b"TP/1.1\r\n") == []
    core.respond(408)
    assert core.closed
    assert b"Connection: close" in core.outgoing()


# -- persistence -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_bytes", "field", "stays"),
    [
        (GET, b"", True),
        (LAST, b"Connection: close\r\n", False),
        (OLD, b"Connection: close\r\n", False),
        (OLD_KEPT, b"Connection: keep-alive\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", b"", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: Close\r\n\r\n", b"Connection: close\r\n", False),
    ],
)
def test_persistence(request_bytes: bytes, field: bytes, stays: bool) -> None:
    core = asked(request_bytes)
    core.respond(200)
    head = core.outgoing()
    assert head == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + field + b"\r\n"
    assert core.closed != stays
    assert core.idle == stays


@both
def test_will_close_tells_the_client(make: Any) -> None:
    core = asked(GET + GET, make)
    core.will_close()
    core.respond(200)
    assert b"Connection: close\r\n" in core.outgoing()
    assert core.closed
    assert core.resume() == []


def test_content_of_unknown_length_for_an_old_client_ends_with_the_connection() -> None:
    core = asked(OLD_KEPT)
    core.start(200)
    core.send(b"hello")
    core.finish([("X", "y")])
    answer = core.outgoing()
    assert core.closed
    assert answer == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


# -- content and its frame ---------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304, 404])
@pytest.mark.parametrize("length", [None, 5])
def test_framing_of_streamed_answers(make: Any, method: str, status: int, length: int | None) -> None:
    core = asked(method.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n", make)
    core.start(status, length=length)
    has_content = method == "GET" and status not in (204, 304)
    assert core.writing_content == has_content
    if has_content:
        core.send(b"he")
        core.send(b"")
        core.send(b"llo")
        core.finish()
    response, *rest = read(core.outgoing(), method)
    assert core.idle
    assert response.frame.has_body == has_content
    assert b"".join(event.data for event in rest if isinstance(event, Data)) == (b"hello" if has_content else b"")
    assert response.fields.get("content-length") == (None if status == 204 or length is None else "5")
    if status in (204, 304):
        assert "transfer-encoding" not in response.fields


@both
@pytest.mark.parametrize("status", [200, 204, 304, 404, 599])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_framing_of_whole_answers(make: Any, method: str, status: int) -> None:
    core = asked(method.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n", make)
    core.respond(status, [("X", "y")], b"" if status in (204, 304) else b"hello")
    written = core.outgoing()
    response, *_ = read(written, method)
    assert (response.status, response.fields.get("x")) == (status, "y")
    assert written.endswith(b"hello") == (method == "GET" and status not in (204, 304))
    assert response.fields.get("content-length") == (None if status in (204, 304) else "5")
    assert core.idle


@both
def test_a_205_has_no_content_and_says_so(make: Any) -> None:
    core = asked(GET, make)
    for misuse in (lambda: core.respond(205, [], b"x"), lambda: core.start(205, length=1)):
        with pytest.raises(LocalProtocolError):
            misuse()
        assert core.outgoing() == b""
    core.start(205)
    core.finish()
    assert b"Content-Length: 0\r\n" in core.outgoing()
    assert core.idle


@both
def test_chunks_and_trailers(make: Any) -> None:
    core = asked(GET, make)
    core.start(200)
    core.send(b"hello")
    core.finish([("X", "y")])
    answer = core.outgoing()
    assert answer.endswith(b"\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in answer
    assert core.idle


@both
def test_content_sent_by_another_way(make: Any) -> None:
    core = asked(GET, make)
    core.start(200, length=10)
    core.send(b"hello")
    core.sent_elsewhere(4)
    with pytest.raises(LocalProtocolError):
        core.sent_elsewhere(2)
    with pytest.raises(LocalProtocolError):
        core.finish()
    core.sent_elsewhere(1)
    core.finish()
    assert core.outgoing().endswith(b"\r\n\r\nhello")
    assert core.idle


# -- interim answers, expectations -------------------------------------------------------------------------------


@both
def test_interim_responses_come_before_the_answer(make: Any) -> None:
    core = asked(POST, make)
    core.inform(100)
    core.inform(103, [("Link", "</a>")])
    written = core.outgoing()
    assert written == b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    core.respond(200)
    with pytest.raises(LocalProtocolError):
        core.inform(102)


@both
def test_an_old_client_gets_no_interim_response(make: Any) -> None:
    core = asked(OLD, make)
    core.inform(100)
    assert core.outgoing() == b""


@both
@pytest.mark.parametrize(
    ("head", "expects", "expectation"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", True, None),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n", True, None),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", True, None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", False, None),  # nothing to wait for
        (b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", False, None),
        (b"POST / HTTP/1.0\r\nExpect: teapot\r\nContent-Length: 5\r\n\r\n", False, None),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: teapot\r\nContent-Length: 5\r\n\r\n", False, "teapot"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue=1\r\n\r\n", False, "100-continue=1"),
    ],
)
def test_expectations(make: Any, head: bytes, expects: bool, expectation: str | None) -> None:
    request, *_ = make().receive(head)
    assert (request.frame.expects_continue, request.frame.expectation) == (expects, expectation)


# -- another protocol --------------------------------------------------------------------------------------------


@both
def test_upgrade(make: Any) -> None:
    core = make()
    (request,) = core.receive(UPGRADE + b"first bytes")
    assert request.frame.upgrade == ("echo", "other")
    core.start(101, [("Upgrade", "echo")])
    assert sorted(core.outgoing().lower().split(b"\r\n")) == [
        b"", b"", b"connection: upgrade", b"http/1.1 101 switching protocols", b"upgrade: echo",
    ]  # fmt: skip
    assert core.switched
    assert not core.closed
    assert not core.closing
    assert not core.idle
    assert core.resume() == []
    assert core.rest() == b"first bytes"


@both
@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n",  # without the connection option it is not for us
        b"GET / HTTP/1.0\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_upgrade_not_offered(make: Any, head: bytes) -> None:
    (request,) = make().receive(head)
    assert request.frame.upgrade == ()


@pytest.mark.parametrize(
    "head", [GET, OLD, POST + b"hello", UPGRADE.replace(b"GET", b"POST")[:-2] + b"Content-Length: 5\r\n\r\nh"]
)
def test_no_switch_that_was_not_offered_or_before_the_request_is_complete(head: bytes) -> None:
    core = asked(head)
    with pytest.raises(LocalProtocolError):
        core.start(101, [("Upgrade", "echo")])
    assert core.outgoing() == b""
    core.respond(200)


@both
def test_a_101_names_its_protocol(make: Any) -> None:
    core = asked(UPGRADE, make)
    with pytest.raises(LocalProtocolError):
        core.start(101, [("Connection", "upgrade")])
    assert core.outgoing() == b""
    core.start(101, [("upgrade", "echo"), ("connection", "upgrade")])
    assert core.outgoing().lower().count(b"connection:") == 1


@both
def test_an_upgrade_may_be_declined(make: Any) -> None:
    core = asked(UPGRADE + GET, make)
    core.respond(200)
    assert not core.switched
    assert len(core.resume()) == 1


@both
def test_connect(make: Any) -> None:
    core = asked(CONNECT + b"\x16\x03", make)
    core.start(200, [("Via", "x")])
    assert core.outgoing() == b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"
    assert core.switched
    assert not core.closed
    assert core.rest() == b"\x16\x03"


@both
def test_connect_refused_is_an_ordinary_answer(make: Any) -> None:
    core = asked(CONNECT, make)
    with pytest.raises(LocalProtocolError):
        core.respond(200, [], b"hello")  # a tunnel has no content
    assert core.outgoing() == b""
    core.respond(403, [], b"no")
    assert core.outgoing().endswith(b"\r\n\r\nno")
    assert core.idle


# -- misuse ------------------------------------------------------------------------------------------------------


@both
def test_nothing_is_due(make: Any) -> None:
    core = make()
    for act in (
        lambda: core.respond(200),
        lambda: core.start(200),
        lambda: core.send(b"x"),
        core.finish,
        lambda: core.inform(100),
        lambda: core.sent_elsewhere(1),
    ):
        with pytest.raises(LocalProtocolError):
            act()
    assert core.outgoing() == b""
    assert len(core.receive(GET)) == 1


@both
def test_misuse_leaves_nothing_behind(make: Any) -> None:
    core = asked(GET, make)
    for act in (
        lambda: core.respond(99),
        lambda: core.respond(1000),
        lambda: core.respond(100),
        lambda: core.respond(204, [], b"x"),
        lambda: core.respond(304, [], b"x"),
        lambda: core.respond(200, [("Content-Length", "5")]),
        lambda: core.respond(200, [("transfer-encoding", "chunked")]),
        lambda: core.respond(200, [("Connection", "close")]),
        lambda: core.respond(200, [("X", "a\r\nb")]),
        lambda: core.start(103),
        lambda: core.start(200, length=-1),
        lambda: core.start(200, reason="a\r\nb"),
        lambda: core.start(200, reason="\u20ac"),
        lambda: core.inform(200),
        lambda: core.inform(101),
        lambda: core.inform(103, [("X", "\n")]),
    ):
        with pytest.raises(LocalProtocolError):
            act()
        assert core.outgoing() == b""
    core.respond(200, [], b"hello")
    assert core.outgoing().endswith(b"hello")


@both
def test_no_more_content_than_was_declared(make: Any) -> None:
    core = asked(GET, make)
    core.start(200, length=5)
    core.outgoing()
    with pytest.raises(LocalProtocolError):
        core.send(b"hello!")
    core.send(b"hell")
    with pytest.raises(LocalProtocolError):
        core.finish()
    with pytest.raises(LocalProtocolError):
        core.send(b"o!")
    core.send(b"o")
    core.finish()
    assert core.outgoing() == b"hello"


# -- heads -------------------------------------------------------------------------------------------------------


def test_empty_lines_before_a_request_are_ignored() -> None:
    core = asked(b"\r\n\r\n" + GET + b"\r\n" + GET)
    core.respond(200)
    (request,) = core.resume()
    assert request.start == 4 + len(GET) + 2
    core.respond(200)
    assert core.receive(b"\r\n") == []
    assert core.idle  # an empty line alone is not the beginning of a request
    assert core.receive(b"") == [Closed()]


def test_no_request_before_its_head_is_complete() -> None:
    """RFC 9110 5.3: the whole header section first."""
    core = ServerCore()
    assert [core.receive(GET[at : at + 1]) for at in range(len(GET) - 1)] == [[]] * (len(GET) - 1)
    assert len(core.receive(b"\n")) == 1


def test_usual_bounds_leave_room() -> None:
    """RFC 9112 3 recommends 8000 octets for a request line."""
    (request,) = ServerCore().receive(
        b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 8000 + b"\r\n\r\n"
    )
    assert isinstance(request, Request)


def test_values_are_octets() -> None:
    """RFC 9110 5.5: what is not ASCII is kept as it is; blanks around a value are not part of it."""
    (request,) = ServerCore().receive(b"GET / HTTP/1.1\r\nHost: a\r\nX: \t \xc3\xa9\xff \t\r\nX:\r\n\r\n")
    assert isinstance(request, Request)
    assert list(request.fields) == [("Host", "a"), ("X", "\xc3\xa9\xff"), ("X", "")]
    assert request.fields.all("x")[0].encode("latin-1") == b"\xc3\xa9\xff"


# -- limits ------------------------------------------------------------------------------------------------------


def test_the_longest_request_line() -> None:
    line = b"GET /" + b"a" * 30 + b" HTTP/1.1\r\n"
    limits = Limits(request_line=len(line))
    assert isinstance(ServerCore(limits).receive(line + b"Host: a\r\n\r\n")[0], Request)
    (error,) = ServerCore(limits).receive(line.replace(b"/", b"/b", 1) + b"Host: a\r\n\r\n")
    assert isinstance(error, RemoteProtocolError)
    assert (error.status, error.rule, error.offset) == (414, "request_line.too_long", len(line))


def test_the_largest_head() -> None:
    limits = Limits(head=len(GET))
    assert isinstance(ServerCore(limits).receive(GET + GET)[0], Request)
    for data in (GET.replace(b"a", b"aa"), GET[:-4] + b"b" * 20):
        (error,) = ServerCore(limits).receive(data)
        assert isinstance(error, RemoteProtocolError)
        assert (error.status, error.rule, error.offset) == (431, "fields.too_large", len(GET))


def test_the_most_field_lines() -> None:
    limits = Limits(fields=3)
    assert isinstance(ServerCore(limits).receive(GET[:-2] + b"X: y\r\n" * 2 + b"\r\n")[0], Request)
    (error,) = ServerCore(limits).receive(GET[:-2] + b"X: y\r\n" * 3 + b"\r\n")
    assert isinstance(error, RemoteProtocolError)
    assert (error.status, error.rule, error.offset) == (431, "fields.too_many", len(GET) - 2 + 12)


@both
def test_the_longest_content(make: Any) -> None:
    core = make(Limits(body=5))
    assert [type(event) for event in core.receive(POST + b"hello")] == [Request, Data, End]
    (error,) = make(Limits(body=4)).receive(POST)
    assert (error.status, error.rule) == (413, "body.too_large")
    core = make(Limits(body=5))
    events = core.receive(CHUNKED + b"3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n")
    assert (events[-1].status, events[-1].rule) == (413, "body.too_large")
    core.respond(413)
    assert core.closed


def test_chunk_extensions_are_bounded_in_all() -> None:
    core = ServerCore(Limits(chunk_extensions=8))
    events = core.receive(CHUNKED + b"1;abc\r\nx\r\n" * 2 + b"1;a\r\n")
    assert isinstance(events[-1], RemoteProtocolError)
    assert (events[-1].rule, events[-1].offset) == ("chunk.extensions_too_large", len(CHUNKED) + 21)


def test_the_largest_trailer_section() -> None:
    trailers = b"X: y\r\n\r\n"
    assert isinstance(ServerCore(Limits(trailers=8)).receive(CHUNKED + b"0\r\n" + trailers)[-1], End)
    error = ServerCore(Limits(trailers=7)).receive(CHUNKED + b"0\r\n" + trailers)[-1]
    assert isinstance(error, RemoteProtocolError)
    assert (error.rule, error.status, error.offset) == ("fields.too_large", 431, len(CHUNKED) + 3 + 7)


# -- targets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "form", "authority", "path"),
    [
        (b"GET /a?b", "origin", "host.test:1", "/a?b"),
        (b"GET //a/b", "origin", "host.test:1", "//a/b"),
        (b"GET http://other.test:80/a?b", "absolute", "other.test:80", "/a?b"),
        (b"GET http://other.test", "absolute", "other.test", "/"),
        (b"GET http://other.test?b", "absolute", "other.test", "/?b"),
        (b"GET http://[::1]:80/", "absolute", "[::1]:80", "/"),
        (b"OPTIONS *", "asterisk", "host.test:1", "*"),
        (b"CONNECT [::1]:443", "authority", "[::1]:443", "[::1]:443"),
    ],
)
def test_target_forms(line: bytes, form: str, authority: str, path: str) -> None:
    """The authority of an absolute-form counts, whatever Host says (RFC 9112 3.2.2)."""
    (request,) = ServerCore().receive(line + b" HTTP/1.1\r\nHost: host.test:1\r\n\r\n")
    assert isinstance(request, Request)
    assert (request.form, request.authority, request.path) == (form, authority, path)


def test_an_empty_host_is_an_empty_authority() -> None:
    (request,) = ServerCore().receive(b"GET / HTTP/1.1\r\nHost:\r\n\r\n")
    assert isinstance(request, Request)
    assert request.authority == ""


# -- the memo ----------------------------------------------------------------------------------------------------


def test_fields_that_repeat_are_read_once_and_never_mixed_up() -> None:
    core = ServerCore()
    seen = []
    for target, host in ((b"/1", b"a"), (b"/2", b"a"), (b"/3", b"b"), (b"/4", b"a")):
        (request,) = core.receive(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert isinstance(request, Request)
        seen.append((request.target, request.fields.get("host")))
        core.respond(200)
    assert seen == [("/1", "a"), ("/2", "a"), ("/3", "b"), ("/4", "a")]


def test_the_same_bytes_again_are_another_request() -> None:
    core = ServerCore()
    for turn in range(3):
        (request,) = core.receive(GET)
        assert isinstance(request, Request)
        assert (request.start, request.end, core.received) == (turn * len(GET), (turn + 1) * len(GET), request.end)
        core.respond(200)
    core.receive(GET)
    assert core.receive(GET) == []  # pipelined: it waits
    core.respond(200)
    assert len(core.resume()) == 1
    core.respond(200)
    core.will_close()
    assert len(core.receive(GET)) == 1
    core.respond(200)
    assert core.closed
    assert core.receive(GET) == []


def test_what_hangs_on_the_method_is_checked_with_known_fields_too() -> None:
    core = ServerCore()
    core.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    core.respond(200)
    (error,) = core.receive(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    assert isinstance(error, RemoteProtocolError)
    assert error.rule == "connect.content"


def test_a_large_field_block_is_not_kept() -> None:
    core = ServerCore(Limits(memo=10))
    core.receive(GET)
    core.respond(200)
    (request,) = core.receive(GET)
    assert isinstance(request, Request)
