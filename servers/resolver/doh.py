"""DNS over HTTPS (RFC 8484): questions by GET and POST at /dns-query, on netlab's own HTTP server."""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from netlab.cores.dns_message import HEADER, parse
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange
from netlab.http.settings import HttpSettings
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.service import Context
from servers.resolver.answering import Way
from servers.resolver.config import Config

if TYPE_CHECKING:
    from servers.resolver.server import Server

MEDIA_TYPE = "application/dns-message"
LARGEST = 65_535
PATH = "/dns-query"
BASE64URL = str.maketrans("-_+/", "+/--")
"""To the alphabet that the standard library knows, where what is none of base64url's is no letter (RFC 4648 5)."""


class Doh:
    """One more way to the resolver."""

    def __init__(self, server: Server, config: Config, context: Context) -> None:
        self.server, self.config, self.context = server, config, context
        self.gate = Gate(GateLimits(connections=config.max_connections))
        self.http = HttpService("resolver", self.handle, HttpSettings(), context.flows, server.tasks)

    def listener(self) -> Listener:
        from netlab.net.certs import Authority
        from netlab.net.tls import TlsLayer
        from netlab.net.tls_context import ServerContexts

        contexts = ServerContexts(Authority.load(self.context.state))
        return Listener(
            name="resolver",
            scheme="https",
            host=self.config.https_listen.host,
            port=self.config.https_listen.port,
            path=PATH,
            factory=lambda: TlsLayer(self.http.connection(self.gate), contexts, server_side=True),
            gate=self.gate,
            reuse_port=self.context.reuse_port,
        )

    def handle(self, exchange: Exchange) -> None:
        """GET with ?dns=, POST with the message; everything else is told what would be right."""
        request = exchange.request
        path, _, query = request.path.partition("?")
        if path != PATH:
            exchange.refuse(404, f"questions are asked at {PATH}")
        elif request.method == "POST":
            if (request.fields.get("content-type") or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
                exchange.refuse(415, f"a question by POST has the type {MEDIA_TYPE}", [("Accept", MEDIA_TYPE)])
            else:
                exchange.collect(LARGEST, partial(self._ask, exchange))
        elif request.method in ("GET", "HEAD"):
            self._ask_by_get(exchange, query)
        else:
            exchange.refuse(405, "questions are asked by GET and POST", [("Allow", "GET, HEAD, POST")])

    def _ask_by_get(self, exchange: Exchange, query: str) -> None:
        given = [value for name, _, value in (part.partition("=") for part in query.split("&")) if name == "dns"]
        if len(given) != 1:
            exchange.refuse(400, "a question by GET is ?dns= and the message in base64url (RFC 8484 4.1)")
            return
        try:
            text = unquote(given[0]).rstrip("=").translate(BASE64URL)
            data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            exchange.refuse(400, "what stands behind ?dns= is not base64url")
            return
        self._ask(exchange, data)

    def _ask(self, exchange: Exchange, data: bytes) -> None:
        if len(data) < HEADER.size or data[2] & 0x80:
            exchange.refuse(400, "this is no query of DNS: a header of 12 bytes without QR, and a question")
            return
        server, connection = self.server, exchange.connection.flow
        client = connection.client if connection is not None else None
        if not server.admits(client[0] if isinstance(client, tuple) else ""):
            exchange.refuse(403, "this resolver is not for you: see --allow, --limit")
            return
        flow = self.context.flows.open("dns", "resolver", exchange.flow)
        flow.client, flow.server, flow.received = exchange.flow.client, exchange.flow.server, len(data)
        server.answering.statistics.https += 1
        waiting = Waiting(exchange)
        server.answering.respond(data, flow, waiting.answer, Way.HTTPS, drop=waiting.dropped)
        if not exchange.answered:
            exchange.relay(waiting, ready=False)


class Waiting:
    """The exchange of a question that is being looked for; its client may go before the answer comes."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.gone = False

    def answer(self, wire: bytes) -> None:
        if self.gone:
            return
        reply = parse(wire)
        least = min((record.ttl for record in (*reply.answer, *reply.authority)), default=0)
        # RFC 8484 5.1: an HTTP cache must not keep it for longer than DNS would
        self.exchange.respond(200, [("Content-Type", MEDIA_TYPE), ("Cache-Control", f"max-age={least}")], wire)

    def dropped(self) -> None:
        if not self.gone:
            self.exchange.refuse(503, "no answer to this now", [("Retry-After", "1")])

    def content(self, data: bytes) -> None:
        """The question was taken whole."""

    def content_complete(self, trailers: object) -> None:
        """Likewise."""

    def lost(self, error: Exception) -> None:
        self.gone = True
