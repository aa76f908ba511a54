"""The upgrade of an HTTP request to a WebSocket, or the reason why not."""

from __future__ import annotations

from netlab.cores.websocket_handshake import Accepted, Refused, accept
from netlab.http.exchange import Exchange
from netlab.http.websocket.paths import Paths
from netlab.http.websocket.recording import open_flow
from netlab.http.websocket.session import Session
from netlab.http.websocket.settings import WebSocketSettings
from netlab.http.websocket.speaker import MakeSpeaker


def upgrade(exchange: Exchange, settings: WebSocketSettings, make: MakeSpeaker) -> None:
    """Answer the handshake: 101 and whoever `make` makes speaks from then on, or a refusal that says why."""
    request = exchange.request
    verdict = accept(request.method, request.version, request.fields, settings.terms)
    if request.frame.has_body and isinstance(verdict, Accepted):
        verdict = Refused(400, "a handshake has no content", "RFC 9110 9.3.1")  # frames could not be told from it
    if isinstance(verdict, Refused):
        exchange.flow.note("handshake.refused", reason=verdict.reason, section=verdict.section)
        refuse(exchange, verdict)
        return
    path, _, query = request.path.partition("?")
    flow = open_flow(exchange.flow, request.path)
    if verdict.subprotocol is not None:
        flow.detail(subprotocol=verdict.subprotocol)
    if verdict.deflate is not None:
        flow.detail(compression=dict(verdict.fields)["Sec-WebSocket-Extensions"])
    exchange.upgrade(101, verdict.fields, Session(flow, verdict, settings, make(), path, query))


def speak(exchange: Exchange, settings: WebSocketSettings, paths: Paths) -> None:
    """Hand a request to who speaks on its path, if anyone does."""
    path = exchange.request.path.partition("?")[0]
    make = paths.find(path)
    if make is None:
        exchange.refuse(404, f"no WebSocket is at {path[:200]}", see="/")
    else:
        upgrade(exchange, settings, make)


def refuse(exchange: Exchange, verdict: Refused) -> None:
    exchange.refuse(verdict.status, f"{verdict.reason} ({verdict.section})", verdict.fields)
