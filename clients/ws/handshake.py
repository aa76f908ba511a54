"""From a URL to an open WebSocket: dial, tunnel, TLS, the opening handshake."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Callable, Sequence

from clients.get import tunnel
from clients.ws.connection import OnFrame, WebSocket
from netlab import __version__
from netlab.cores.http1 import Response
from netlab.cores.websocket import Limits
from netlab.cores.websocket_handshake import Accepted, Compression, check_answer, request_fields
from netlab.errors import ConnectionLost, NetlabError, RemoteProtocolError, UsageError
from netlab.flow import FlowLog, Outcome
from netlab.http.client import ClientConnection, ClientExchange, ClientSettings, Pair
from netlab.http.url import Url
from netlab.http.websocket.recording import open_flow
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from netlab.net.tls_context import client_context

SHOWN = 300
"""Characters of a refusal's content that are told."""


class HandshakeRefused(NetlabError):
    """The server did not switch: its answer, and the beginning of what it said."""

    def __init__(self, response: Response, said: str) -> None:
        told = f": {said}" if said else ""
        super().__init__(f"the server answered {response.status} {response.reason}".rstrip() + told)
        self.response, self.said = response, said


def parse(text: str) -> Url:
    """A ws:// or wss:// URL as what it is over HTTP (RFC 6455 3)."""
    scheme, colon, rest = text.partition("://")
    known = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
    if not colon:
        return Url.parse(text)
    if scheme.lower() not in known:
        raise UsageError(f"{text!r} is not a URL that begins with ws:// or wss://")
    return Url.parse(f"{known[scheme.lower()]}://{rest}")


async def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = (),
    fields: Sequence[Pair] = (),
    compression: Compression | None = Compression(server_bits=None, client_bits=None),  # noqa: B008  # frozen
    proxy: str | None = None,
    dialer: Dialer | None = None,
    tls: Callable[[], ssl.SSLContext] = client_context,
    max_message: int = 16 << 20,
    seconds: float = 10.0,
    on_frame: OnFrame | None = None,
    on_handshake: Callable[[ClientExchange], None] | None = None,
) -> WebSocket:
    """An open WebSocket, or the reason why not: UsageError, PeerUnreachable, HandshakeRefused, RemoteProtocolError …

    Use it as a context: `async with await connect(url) as socket`. `seconds` is the longest wait for each step.
    """
    target = parse(url)
    through = Url.parse(proxy) if proxy else None
    connection = await _dial(target, through, dialer or Dialer(FlowLog()), tls, seconds)
    key = base64.b64encode(os.urandom(16)).decode()
    asked = request_fields(key, subprotocols=subprotocols, compression=compression)
    exchange = connection.begin("GET", target.target, _fields(target, asked, fields), upgrade=True, url=str(target))
    try:
        response = await exchange.answer()
        if on_handshake is not None:
            on_handshake(exchange)
        if response.status != 101:
            raise HandshakeRefused(response, await _said(exchange))
        accepted = check_answer(
            response.status, response.fields, key, subprotocols=subprotocols, compression=compression
        )
    except BaseException:
        connection.abort()
        exchange.close()
        raise
    limits = Limits(message=max_message, frame=max_message)
    return _switch(connection, exchange, accepted, target, limits, seconds, on_frame)


def _fields(target: Url, asked: Sequence[Pair], more: Sequence[Pair]) -> list[Pair]:
    """The handshake's fields; those that are given stand for ours of the same name."""
    asked = [pair for pair in asked if pair[0] != "Connection"]  # which is the core's to write
    own = [("Host", target.authority), *asked, ("User-Agent", f"netlab/{__version__}")]
    if target.basic is not None:
        own.append(("Authorization", target.basic))
    given = {name.lower() for name, _ in more}
    return [*(pair for pair in own if pair[0].lower() not in given), *more]


async def _dial(
    target: Url, proxy: Url | None, dialer: Dialer, tls: Callable[[], ssl.SSLContext], seconds: float
) -> ClientConnection:
    """A connection to the server, perhaps through a tunnel (RFC 6455 4.1: CONNECT, for ws:// too)."""
    settings = ClientSettings(patience=seconds)
    first = proxy or target
    options = TlsOptions(context=tls()) if first.scheme == "https" else None
    _, connection, _ = await dialer.dial(
        first.host, first.port, lambda flow: ClientConnection(flow, settings), tls=options
    )
    if proxy is None:
        return connection
    early = await tunnel.ask(connection, proxy, target)
    if target.scheme == "https":
        return await tunnel.enter(connection, early, target, tls(), settings, seconds)
    inside = ClientConnection(connection.flow, settings)
    connection.transport.set_protocol(inside)
    inside.connection_made(connection.transport)
    if early:
        inside.data_received(early)
    return inside


async def _said(exchange: ClientExchange) -> str:
    """The beginning of a refusal's content, in one line."""
    said = b""
    try:
        while len(said) < SHOWN and (piece := await exchange.read()):
            said += piece
    except (ConnectionLost, RemoteProtocolError):
        pass  # the status is what counts
    return " ".join(said[:SHOWN].decode("utf-8", "replace").split())


def _switch(
    connection: ClientConnection,
    exchange: ClientExchange,
    accepted: Accepted,
    target: Url,
    limits: Limits,
    seconds: float,
    on_frame: OnFrame | None,
) -> WebSocket:
    """From here on frames: another protocol object on the same transport."""
    asked = exchange.flow
    talk = open_flow(asked, target.target)
    asked.end(Outcome.OK, "101")
    connection.exchange = None
    socket = WebSocket(connection.flow, talk, accepted, limits=limits, seconds=seconds, on_frame=on_frame)
    wire = socket.wire
    connection.transport.set_protocol(wire)
    wire.connection_made(connection.transport)
    wire.peer_ended, wire.written = connection.peer_ended, connection.written
    if early := connection.core.rest():
        socket.feed(early)
    if wire.peer_ended:
        socket.feed(b"")
    return socket
