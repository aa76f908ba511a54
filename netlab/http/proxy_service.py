"""What every proxy for clients does before it goes anywhere for one of them: one port, one order of questions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from netlab.errors import UsageError
from netlab.http.connect import Tunnels
from netlab.http.destination import Destination, bad_target, destination
from netlab.http.engine import HttpService
from netlab.http.entrance import Entrance
from netlab.http.exchange import Exchange, Work
from netlab.http.gateway import Gateway
from netlab.http.hops import ALLOW_TUNNELS, ends_here, loop
from netlab.http.listening import contexts_of
from netlab.http.proxy_admission import Admission
from netlab.http.proxy_connection import ProxyConnection, Within
from netlab.http.proxy_onward import Trust
from netlab.http.proxy_page import ProxyPage
from netlab.http.proxy_settings import ProxySettings
from netlab.http.rules import Guard
from netlab.http.socks import SocksService
from netlab.net.dial import Check
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.secure import TlsOptions
from netlab.policy.gateway_errors import Failure
from netlab.service import Context

if TYPE_CHECKING:
    from netlab.http.interception import Interception


PassOn = Callable[[Exchange, Destination, str, TlsOptions | None], Work]
"""What the proxy is there for: a request (or CONNECT) that may go to this destination, as this target. The last is the
TLS of an intercepted connection.
"""


class ProxyService:
    """Its own page; else who asks, how often, where to; then `pass_on` has it. `page` is made with the certificate of
    the authority by which TLS is opened, or nothing.
    """

    def __init__(
        self,
        name: str,
        config: ProxySettings,
        context: Context,
        gateway: Gateway,
        trust: Trust,
        pass_on: PassOn,
        page: Callable[[str], ProxyPage] = ProxyPage,
    ) -> None:
        self.name, self.config, self.context, self.gateway, self.pass_on = name, config, context, gateway, pass_on
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.tunnels = Tunnels(
            gateway,
            idle=config.tunnel_timeout,
            past_us=not config.bandwidth,
            interception=interception(config, context, gateway, trust) if config.intercept else None,
        )
        self.admission = Admission(config, context, gateway.dialer.addresses)
        self.guard = Guard("/", config.auth)
        ca = self.tunnels.interception.authority.certificate_pem if self.tunnels.interception is not None else ""
        self.page = page(ca)
        self.log = config.open_access_log()
        self.http = HttpService(
            name, self.handle, config.http_settings(self.log), context.flows, gateway.tasks, gateway.faults
        )
        self.http.gathering = gateway.gathering
        self.socks = SocksService(self.tunnels, gateway.tasks, self.admission.permit, self.admission.recognise)

    @property
    def admits_everyone(self) -> bool:
        """Whether nothing looks at who asks, or has to see each request."""
        config = self.config
        looked_at = config.rule or config.limit or config.users or config.bandwidth or config.expose
        return not (looked_at or config.access_log is not None)

    def standing(self, exchange: Exchange) -> str:
        """What of a request's client the rules look at."""
        return self.admission.permission.standing(client_of(exchange))

    # -- requests ------------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> Work:
        """The order of things: our own page, loops, the last hop; where to; whether and how often; the way."""
        request = exchange.request
        connection = exchange.connection
        within = connection.within if isinstance(connection, ProxyConnection) else None
        if within is None and (request.target[0] == "/" or request.target == "*"):
            self.page.answer(exchange)
            return None
        if request.method == "CONNECT" and connection.core.buffered:
            connection.core.will_close()  # sent ahead for the far end: without a tunnel it is no request
        if (looped := loop(request, self.gateway.hop)) is not None:
            return self.refuse(exchange, looped)
        if ends_here(exchange, ALLOW_TUNNELS):
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
            return self.pass_on(exchange, to, target, None)
        return admission.authenticator.admit(exchange, self.guard, lambda known: self.known(known, to, target))

    def known(self, exchange: Exchange, to: Destination, target: str) -> Work:
        quotas = self.admission.user_quotas
        if quotas is not None and not quotas.admit(exchange, to.host):
            return None
        return self.pass_on(exchange, to, target, None)

    # -- what `pass_on` uses -------------------------------------------------------------------------------------

    def connect(self, exchange: Exchange, to: Destination) -> Work:
        """Answer a CONNECT."""
        return self.tunnels.connect(exchange, to, self.allow(exchange, to))

    def allow(self, exchange: Exchange, to: Destination) -> Check:
        """What the dial asks about each address of the host."""
        method = exchange.request.method
        return self.admission.permission.check(client_of(exchange), to.host, to.port, method)

    def refuse(self, exchange: Exchange, why: Failure) -> Work:
        if exchange.request.method == "CONNECT":
            self.tunnels.refuse(exchange, why)
        else:
            self.gateway.refuse(exchange, why)
        return None

    # -- connections ---------------------------------------------------------------------------------------------

    def listener(self) -> Listener:
        return Listener(
            name=self.name,
            scheme="http",
            host=self.config.listen.host,
            port=self.config.listen.port,
            factory=self.connections(),
            gate=self.gate,
            accept_proxy_protocol=self.config.accept_proxy_protocol,
            reuse_port=self.context.reuse_port,
        )

    def connections(self) -> Callable[[], ProxyConnection]:
        """What is made of every client's connection."""
        contexts = None
        if self.config.tls:
            contexts = contexts_of(self.context.state)
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


def interception(config: ProxySettings, context: Context, gateway: Gateway, trust: Trust) -> Interception:
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
