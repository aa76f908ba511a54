"""The forward proxy: what it listens on, and in which order a request is looked at."""

from __future__ import annotations

import secrets
from collections.abc import Coroutine, Sequence
from typing import Any

from netlab.errors import UsageError
from netlab.http.connect import Tunnels
from netlab.http.destination import Destination, bad_target, destination
from netlab.http.engine import HttpConnection, HttpService
from netlab.http.entrance import Entrance
from netlab.http.exchange import Exchange
from netlab.http.gateway import Gateway, Way
from netlab.http.hops import answer_here, hops_left, loop, one_less
from netlab.http.permission import SOCKS, Permission
from netlab.http.proxy_page import ProxyPage
from netlab.http.socks import SocksService
from netlab.net.dial import Check, Dialer, Timeouts
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.policy.forwarding import Hop
from netlab.policy.gateway_errors import Failure
from netlab.service import Context
from servers.forward_proxy.config import Config

Work = Coroutine[Any, Any, None] | None


class Server:
    """Its own page; else who asks, how often, where to, and then on its way."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("forward-proxy")
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.hop = Hop(name=f"netlab-{secrets.token_hex(4)}", tells=config.tell)
        dialer = context.dialer or Dialer(
            context.flows, timeouts=Timeouts(connect=config.connect_timeout), service="forward-proxy"
        )
        self.gateway = Gateway(self.hop, dialer, context.flows, self.tasks, config.gateway_settings())
        self.tunnels = Tunnels(self.gateway, idle=config.tunnel_timeout)
        self.permission = Permission(
            config.rule, connect_ports=config.connect_ports, lab=dialer.addresses, exposed=config.expose
        )
        self.page = ProxyPage()
        self.http = HttpService("forward-proxy", self.handle, config.http_settings(), context.flows, self.tasks)
        self.socks = SocksService(self.tunnels, self.tasks, self.permit_socks)

    # -- connections ---------------------------------------------------------------------------------------------

    def listeners(self) -> Sequence[Listener]:
        contexts = None
        if self.config.tls:
            from netlab.net.certs import Authority
            from netlab.net.tls_context import ServerContexts

            contexts = ServerContexts(Authority.load(self.context.state))

        def connection() -> HttpConnection:
            entering = self.http.connection(self.gate)
            Entrance(entering, self.socks.client, contexts)
            return entering

        return [
            Listener(
                name="forward-proxy",
                scheme="http",
                host=self.config.listen.host,
                port=self.config.listen.port,
                factory=connection,
                gate=self.gate,
                reuse_port=self.context.reuse_port,
            )
        ]

    # -- requests ------------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> Work:
        """The order of things: our own page, loops, the last hop, where to, whether that may be, the way."""
        request = exchange.request
        if request.form in ("origin", "asterisk"):
            self.page.answer(exchange)
            return None
        if (looped := loop(request, self.hop)) is not None:
            self.gateway.refuse(exchange, looped)
            return None
        left = hops_left(request)
        if left == 0:
            answer_here(exchange)
            return None
        try:
            to, target = destination(request)
        except UsageError as error:
            exchange.refuse(400, bad_target(error))
            return None
        if to.scheme not in ("http", ""):
            exchange.refuse(501, only_http(to))
            return None
        client = client_address(exchange)
        refusal = self.permission.refusal(client, to.host, to.port, request.method)
        if refusal is not None:
            self.gateway.refuse(exchange, Failure(403, "http_request_denied", refusal.reason))
            return None
        allow = self.permission.check(client, to.host, to.port, request.method)
        if request.method == "CONNECT":
            return self.tunnels.connect(exchange, to, allow)
        change = None if left is None else one_less(left)
        self.gateway.forward(
            exchange,
            Way(
                origin=to.origin,
                target=target,
                fields=self.gateway.onward(exchange, to.authority, scheme="http", change=change),
                allow=allow,
            ),
        )
        return None

    def permit_socks(self, client: str, host: str, port: int) -> Failure | Check:
        refusal = self.permission.refusal(client, host, port, SOCKS)
        if refusal is not None:
            return Failure(403, "http_request_denied", refusal.reason)
        return self.permission.check(client, host, port, SOCKS)

    def closed(self) -> None:
        """All connections are gone."""
        self.gateway.close()
        self.tunnels.close()


def only_http(to: Destination) -> str:
    if to.scheme == "https":
        return f"this proxy makes no TLS for its clients: reach {to.authority} with CONNECT"
    return f"this proxy fetches only http, and tunnels everything else: {to.scheme} is not spoken here"


def client_address(exchange: Exchange) -> str:
    client = exchange.flow.client
    return str(client[0]) if isinstance(client, tuple) else ""
