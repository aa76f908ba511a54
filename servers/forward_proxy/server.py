"""The forward proxy: what it listens on, and in which order a request is looked at."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from netlab.errors import UsageError
from netlab.http.connect import Tunnels
from netlab.http.destination import Destination, Turn, bad_target, destination
from netlab.http.engine import HttpService
from netlab.http.entrance import Entrance
from netlab.http.exchange import Exchange
from netlab.http.gateway import Gateway, Way
from netlab.http.hops import answer_here, hops_left, loop
from netlab.http.proxy_connection import ProxyConnection, Within
from netlab.http.proxy_page import ProxyPage
from netlab.http.rules import Guard
from netlab.http.socks import SocksService
from netlab.net.dial import Check, Timeouts
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.secure import TlsOptions
from netlab.net.tasks import Tasks
from netlab.policy.forwarding import Hop
from netlab.policy.gateway_errors import Failure
from netlab.service import Context
from servers.forward_proxy.admission import Admission
from servers.forward_proxy.config import Config
from servers.forward_proxy.onward import Onward, Trust, dialer_for

if TYPE_CHECKING:
    from netlab.http.interception import Interception
    from netlab.http.rewriting import Rewriting

Work = Coroutine[Any, Any, None] | None


class Server:
    """Its own page; else who asks, how often, where to, and then on its way."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("forward-proxy")
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.hop = Hop(name=f"netlab-{secrets.token_hex(4)}", tells=config.tell)
        direct = context.dialer("forward-proxy", Timeouts(connect=config.connect_timeout))
        trust = Trust(config, context)
        dialer = dialer_for(config, direct, trust)
        self.gateway = Gateway(self.hop, dialer, context.flows, self.tasks, config.gateway_settings())
        self.tunnels = Tunnels(
            self.gateway,
            idle=config.tunnel_timeout,
            past_us=not config.bandwidth,
            interception=interception(config, context, self.gateway, trust) if config.intercept else None,
        )
        self.admission = Admission(config, context, dialer.addresses)
        self.guard = Guard("/", config.auth)
        self.onward = Onward(self.gateway, trust)
        self.rewriting = rewriting(config) if config.rewrite else None
        self.page = ProxyPage(
            ca=self.tunnels.interception.authority.certificate_pem if self.tunnels.interception is not None else ""
        )
        self.log = config.open_access_log()
        self.http = HttpService("forward-proxy", self.handle, config.http_settings(self.log), context.flows, self.tasks)
        self.socks = SocksService(self.tunnels, self.tasks, self.admission.permit, self.admission.recognise)

    # -- requests ------------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> Work:
        """The order of things: our own page, loops, the last hop; where to; whether and how often; the way."""
        request = exchange.request
        connection = exchange.connection
        within = connection.within if isinstance(connection, ProxyConnection) else None
        if within is None and request.form in ("origin", "asterisk"):
            self.page.answer(exchange)
            return None
        if request.method == "CONNECT" and connection.core.buffered:
            connection.core.will_close()  # sent ahead for the far end: without a tunnel it is no request
        if (looped := loop(request, self.hop)) is not None:
            return self.refuse(exchange, looped)
        if hops_left(request) == 0:
            answer_here(exchange)
            return None
        if within is not None:
            return self.handle_inside(exchange, within)
        try:
            to, target = destination(request)
        except UsageError as error:
            exchange.refuse(400, bad_target(error))
            return None
        if to.scheme not in ("http", ""):
            exchange.refuse(501, only_http(to))
            return None
        return self.admit(exchange, to, target)

    def handle_inside(self, exchange: Exchange, within: Within) -> Work:
        """Inside of intercepted TLS: as if we were the origin. Who the client is was asked at the door."""
        request, to = exchange.request, within.to
        if request.method == "CONNECT" or (request.form == "absolute" and request.target[:8].lower() != "https://"):
            exchange.connection.core.will_close()
            exchange.refuse(400, f"inside of TLS with {to.authority}, only its own resources can be asked for")
            return None
        exchange.flow.label = f"{request.method} https://{request.authority or to.authority}{request.path}"
        denied = self.admission.denied(client_of(exchange), to.host, to.port, request.method)
        if denied is not None:
            return self.refuse(exchange, denied)
        if not all(limits is None or limits.admit(exchange, to.host) for limits in self.admission.all_quotas):
            return None
        return self.pass_on(exchange, to, request.path, within.tls)

    def admit(self, exchange: Exchange, to: Destination, target: str) -> Work:
        """Rules, limits by client and host, the user, limits by user."""
        admission = self.admission
        denied = admission.denied(client_of(exchange), to.host, to.port, exchange.request.method)
        if denied is not None:
            return self.refuse(exchange, denied)
        if admission.quotas is not None and not admission.quotas.admit(exchange, to.host):
            return None
        if admission.authenticator is None:
            return self.pass_on(exchange, to, target)
        return admission.authenticator.admit(exchange, self.guard, lambda known: self.known(known, to, target))

    def known(self, exchange: Exchange, to: Destination, target: str) -> Work:
        quotas = self.admission.user_quotas
        if quotas is not None and not quotas.admit(exchange, to.host):
            return None
        return self.pass_on(exchange, to, target)

    def pass_on(self, exchange: Exchange, to: Destination, target: str, tls: TlsOptions | None = None) -> Work:
        """A tunnel, or the request itself as the rules for rewriting leave it."""
        if exchange.request.method == "CONNECT":
            return self.connect(exchange, to)
        if self.rewriting is None:
            return self.forward(exchange, Turn(to, target), tls)
        return self.rewriting.apply(exchange, to, target, lambda known, turn: self.forward(known, turn, tls))

    def connect(self, exchange: Exchange, to: Destination) -> Work:
        looked_into = self.tunnels.interception is not None and self.tunnels.interception.wants(to.host)
        if self.rewriting is not None and not looked_into and self.rewriting.blocks(exchange, to):
            return None
        return self.tunnels.connect(exchange, to, self.allow(exchange, to))

    def forward(self, exchange: Exchange, turn: Turn, tls: TlsOptions | None) -> Work:
        """To the origin, to where a rule sends it, or to a parent proxy."""
        allow = None if turn.moved else self.allow(exchange, turn.to)
        way = self.onward.way(exchange, turn, tls, allow)
        if isinstance(way, Way):
            self.gateway.forward(exchange, way)
            return None
        return self.refuse(exchange, Failure(403, "http_request_denied", way.reason))

    def allow(self, exchange: Exchange, to: Destination) -> Check:
        method = exchange.request.method
        return self.admission.permission.check(client_of(exchange), to.host, to.port, method)

    def refuse(self, exchange: Exchange, why: Failure) -> Work:
        if exchange.request.method == "CONNECT":
            self.tunnels.refuse(exchange, why)
        else:
            self.gateway.refuse(exchange, why)
        return None

    # -- connections ---------------------------------------------------------------------------------------------

    def listeners(self) -> Sequence[Listener]:
        return [
            Listener(
                name="forward-proxy",
                scheme="http",
                host=self.config.listen.host,
                port=self.config.listen.port,
                factory=self.connections(),
                gate=self.gate,
                reuse_port=self.context.reuse_port,
            )
        ]

    def connections(self) -> Callable[[], ProxyConnection]:
        """What is made of every client's connection."""
        contexts = None
        if self.config.tls:
            from netlab.net.certs import Authority
            from netlab.net.tls_context import ServerContexts

            contexts = ServerContexts(Authority.load(self.context.state))
        make: Callable[[Gate, HttpService], ProxyConnection] = ProxyConnection
        if self.config.bandwidth:
            from netlab.http.throttle import Paces, ThrottledConnection

            make = partial(ThrottledConnection, paces=Paces(self.config.bandwidth))

        def connection() -> ProxyConnection:
            entering = make(self.gate, self.http)
            Entrance(entering, self.socks.client, contexts)
            return entering

        return connection

    def closed(self) -> None:
        """All connections are gone."""
        self.gateway.close()
        self.tunnels.close()
        self.admission.close()
        if self.log is not None:
            self.log.close()


def rewriting(config: Config) -> Rewriting:
    from netlab.http.rewriting import Rewriting

    return Rewriting(config.rewrite)


def interception(config: Config, context: Context, gateway: Gateway, trust: Trust) -> Interception:
    """Set up where hosts to intercept were named; the authority is made if there is none yet."""
    from netlab.http.interception import Interception
    from netlab.net.certs import Authority

    authority = Authority.load(context.state)
    return Interception(config.intercept, config.pass_through, authority, trust.options, gateway)


def client_of(exchange: Exchange) -> str:
    client = exchange.flow.client
    return str(client[0]) if isinstance(client, tuple) else ""


def only_http(to: Destination) -> str:
    if to.scheme == "https":
        return f"this proxy makes no TLS for its clients: reach {to.authority} with CONNECT"
    return f"this proxy fetches only http, and tunnels everything else: {to.scheme} is not spoken here"
