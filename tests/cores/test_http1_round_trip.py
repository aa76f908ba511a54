"""Our client and our server understand each other: any message, any split, many on one connection."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.http1 import ClientCore, Data, End, Informational, Request, Response, ServerCore
from tests.cores.http1_conversations import cuts, joined

TOKENS = st.text(st.sampled_from("!#$%&'*+-.^_`|~0123456789abcXYZ"), min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12).map(
    str.strip
)
WRITTEN_BY_THE_CORE = ("host", "content-length", "transfer-encoding", "connection", "trailer", "expect", "upgrade")
FIELDS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in WRITTEN_BY_THE_CORE), VALUES), max_size=4)
PATHS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=12)


class Message(NamedTuple):
    fields: list[tuple[str, str]]
    pieces: list[bytes]
    chunked: bool
    trailers: list[tuple[str, str]]

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)


MESSAGES = st.builds(Message, FIELDS, st.lists(st.binary(max_size=30), max_size=3), st.booleans(), FIELDS)


class Exchange(NamedTuple):
    method: str
    path: str
    request: Message
    interim: list[int]
    status: int
    response: Message


EXCHANGES = st.builds(
    Exchange,
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PROPFIND", "get"]),
    PATHS.map("/{}".format),
    MESSAGES,
    st.lists(st.sampled_from([100, 102, 103]), max_size=2),
    st.sampled_from([200, 201, 204, 205, 206, 304, 404, 500, 599, 999]),
    MESSAGES,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(EXCHANGES, min_size=1, max_size=3), st.lists(st.integers(0, 300), max_size=6))
def test_round_trip(exchanges: list[Exchange], places: list[int]) -> None:
    client, server = ClientCore(), ServerCore()
    for exchange in exchanges:
        write_request(client, exchange)
        request, *content = carry(client.outgoing(), server, places)
        check_request(exchange, request, content)
        write_response(server, exchange)
        events = carry(server.outgoing(), client, places)
        assert [event.status for event in events if isinstance(event, Informational)] == exchange.interim
        check_response(exchange, [event for event in events if not isinstance(event, Informational)])
        assert client.idle
        assert server.idle
    assert client.received + server.received > 0


def carry(data: bytes, core: Any, places: list[int]) -> list[Any]:
    return joined(event for piece in cuts(data, places) for event in core.receive(piece))


def write_request(client: ClientCore, exchange: Exchange) -> None:
    message = exchange.request
    framing: dict[str, Any] = {"chunked": True} if message.chunked else {"length": len(message.content)}
    client.request(exchange.method, exchange.path, [("Host", "a"), *message.fields], **framing)
    if client.writing_content:
        for piece in message.pieces:
            client.send(piece)
        client.finish(message.trailers)


def check_request(exchange: Exchange, request: Request, content: list[Any]) -> None:
    message = exchange.request
    assert (request.method, request.target) == (exchange.method, exchange.path)
    assert list(request.fields)[: len(message.fields) + 1] == [("Host", "a"), *message.fields]
    check_content(message, content, framed=message.chunked or bool(message.content))


def write_response(server: ServerCore, exchange: Exchange) -> None:
    message = exchange.response
    for status in exchange.interim:
        server.inform(status)
    chunked = message.chunked and exchange.status != 205
    pieces = [] if exchange.status == 205 else message.pieces
    server.start(exchange.status, message.fields, length=None if chunked else len(b"".join(pieces)))
    if server.writing_content:
        for piece in pieces:
            server.send(piece)
        server.finish(message.trailers)


def check_response(exchange: Exchange, events: list[Any]) -> None:
    message, (response, *content) = exchange.response, events
    assert isinstance(response, Response)
    assert response.status == exchange.status
    assert list(response.fields)[: len(message.fields)] == message.fields
    if exchange.method == "HEAD" or exchange.status in (204, 205, 304):
        assert content == []
    else:
        check_content(message, content, framed=message.chunked or bool(message.content))


def check_content(message: Message, events: list[Any], *, framed: bool) -> None:
    if not framed:
        assert events == []
        return
    *content, end = events
    assert content == ([message.content] if message.content else [])
    assert isinstance(end, End)
    assert not any(isinstance(event, Data) for event in events)
    assert list(end.trailers) == (message.trailers if message.chunked else [])
