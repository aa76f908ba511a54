"""What HTTP exchanges leave on their flows at level full; nothing of this runs at summary.

Fields are kept as they were read: clients and servers repeat themselves, and equal ones are mostly one object.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from netlab.cores.fields import EMPTY, Fields
from netlab.cores.http1 import End, Frame, Request, Response
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow
from netlab.tape import Side
from netlab.text import in_json

if TYPE_CHECKING:
    from netlab.http.connection import HttpConnection
    from netlab.http.exchange import Exchange
    from netlab.http.upstream import Upstream

UNREAD = Request("", "", "1.1", EMPTY, Frame(False, 0, False, False))
"""Stands for a request whose head could not be read."""


def request_received(flow: Flow, request: Request, connection: HttpConnection) -> None:
    scheme = "https" if connection.secure else "http"
    url = (
        request.target if request.form in ("absolute", "authority") else f"{scheme}://{request.authority}{request.path}"
    )
    flow.note(
        "request.received",
        "client",
        start=request.start,
        end=request.end,
        method=request.method,
        target=request.target,
        version=request.version,
        fields=request.fields,
        url=url,
    )


def keep_content(exchange: Exchange, side: Side, data: bytes) -> None:
    """Keep a piece of content for the end event, up to the bound."""
    kept, room = exchange.kept, exchange.connection.http.settings.kept_body
    if kept is None:
        kept = exchange.kept = {}
    body = kept.get(side)
    if body is None:
        kept[side] = data[:room]
        return
    if isinstance(body, bytes):
        body = kept[side] = bytearray(body)
    body += data[: max(room - len(body), 0)]


def request_ended(exchange: Exchange, event: End) -> None:
    exchange.flow.note(
        "request.ended",
        "client",
        start=event.start,
        end=event.end,
        **_body(exchange, "client", exchange.received),
        trailers=[list(pair) for pair in event.trailers],
        size=exchange.received,
    )


def response_sent(exchange: Exchange, connection: HttpConnection) -> None:
    """Note the head that the core has just written, as it is on the wire."""
    piece = connection.core.last_written()
    size = piece.find(b"\r\n\r\n")
    line, fields = read_head(piece[:size])
    version, _, rest = line.partition(" ")
    start = written(connection) - len(piece)
    exchange.flow.note(
        "response.sent",
        "server",
        start=start,
        end=start + size + len("\r\n\r\n"),
        status=exchange.status,
        reason=rest.partition(" ")[2],
        version=version.removeprefix("HTTP/"),
        fields=fields,
    )


@lru_cache(maxsize=512)
def read_head(head: bytes) -> tuple[str, Fields]:
    """The first line and the fields of a head that one of our cores has written, without the empty line behind it."""
    line, *lines = head.decode("latin-1").split("\r\n")
    return line, Fields([(name, value) for name, _, value in (field.partition(": ") for field in lines)])


def written(connection: HttpConnection) -> int:
    """The offset in the server's bytes up to which this connection has written, or is about to."""
    return (connection.tape.offsets["server"] if connection.tape is not None else 0) + connection.core.pending


def response_ended(exchange: Exchange) -> None:
    end = written(exchange.connection)
    body = _body(exchange, "server", exchange.sent)
    exchange.flow.note("response.ended", "server", start=end, end=end, **body, size=exchange.sent)


def request_forwarded(leg: Flow, upstream: Upstream) -> None:
    """Note the head that the upstream's core has just written, as it is on the wire."""
    head = upstream.core.last_written()
    line, fields = read_head(head[: head.find(b"\r\n\r\n")])
    method, target, version = line.split(" ")
    leg.note(
        "request.sent",
        "client",
        method=method,
        target=target,
        version=version.removeprefix("HTTP/"),
        fields=fields,
        connection=upstream.flow.id,
    )


def response_received(leg: Flow, response: Response, start: int) -> None:
    leg.note(
        "response.received",
        "server",
        start=start,
        end=start + response.end - response.start,
        status=response.status,
        reason=response.reason,
        version=response.version,
        fields=response.fields,
    )


def label_of(error: RemoteProtocolError) -> str:
    """What a flow without a readable request is about."""
    return f"unreadable: {error.reason}"


def too_slow(stage: str, offset: int) -> RemoteProtocolError:
    what = "the request's head" if stage == "header" else "the request's content"
    return RemoteProtocolError(
        f"{what} did not arrive in time", offset=offset, rule=f"{stage}.timeout", section="RFC 9110 15.5.9", status=408
    )


def _body(exchange: Exchange, side: Side, size: int) -> dict[str, Any]:
    kept = exchange.kept.get(side) if exchange.kept is not None else None
    if not kept:
        return {}
    body: dict[str, Any] = dict(in_json(kept))
    if len(kept) < size:
        body["truncated"] = True
    return {"body": body}
