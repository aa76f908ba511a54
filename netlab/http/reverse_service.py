"""A server before others: what it listens on, and in which order a request is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from netlab.http.admission import admitting
from netlab.http.cache.rules import shared_cache
from netlab.http.engine import HttpService
from netlab.http.error_pages import read_pages
from netlab.http.exchange import Exchange, Work
from netlab.http.gateway import Gateway
from netlab.http.hops import ends_here, hops_left, loop, one_less, own_hop
from netlab.http.listening import Listening, contexts_of
from netlab.http.own_methods import is_ours
from netlab.http.reverse_routes import Route, Routes, UpstreamsOf
from netlab.http.reverse_settings import ReverseSettings
from netlab.http.settings import HttpSettings
from netlab.http.upstream_call import client_sees
from netlab.net.dial import Timeouts
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.policy.http_cache.uri import uri_of
from netlab.policy.routing import caught
from netlab.service import Context

if TYPE_CHECKING:
    from netlab.http.access_log import AccessLog
    from netlab.http.cache.shared import SharedCache
    from netlab.http.compression import Compression
    from netlab.http.roles import Asker
    from netlab.net.secure import TlsOptions

UNUSUAL = frozenset(("CONNECT", "OPTIONS", "TRACE"))
"""Methods that are not simply passed on."""


class ReverseService:
    """Admission, route, what stands before the route's upstreams, and on its way. A server says who these are: it calls
    `configure` once it has the gateway.
    """

    def __init__(self, name: str, config: ReverseSettings, context: Context) -> None:
        self.name, self.context = name, context
        self.tasks = Tasks(name)
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.hop = own_hop(tells=config.tell, trusted=config.trust, node=config.client_id)
        dialer = context.dialer(name, Timeouts().within(config.timeout))
        self.gateway = Gateway(self.hop, dialer, context.flows, self.tasks, config.gateway_settings(), context.faults)
        self.cache: SharedCache | None = None
        self.log: AccessLog | None = None
        self.http = HttpService(name, self.handle, HttpSettings(), context.flows, self.tasks, context.faults)
        self.http.gathering = self.gateway.gathering

    def configure(self, config: ReverseSettings, upstreams_of: UpstreamsOf, *, otherwise: bool) -> None:
        """These settings from the next request on, but for those of listening; UsageError leaves all as it was.

        `otherwise` tells whether requests can go somewhere without a route.
        """
        routes = Routes(config, self.context, self.gateway, self.pass_on, upstreams_of, otherwise=otherwise)
        pages = read_pages(config.error_page)
        handler = admitting(self.handle, config, self.context, within=config.mechanisms())
        if config.trust:
            from netlab.http.trusted import Believing

            handler = Believing(config.trust, handler)
        log, before = config.open_access_log(), self.log
        self.config, self.maintenance, self.log = config, config.maintenance, log
        self.routes, self.only = routes, routes.only
        self.compression = compression(config) if any(route.compress for route in routes.all) else None
        self.http.answer_by(handler)
        self.http.settings = config.http_settings(log, pages)
        self.gateway.settings = config.gateway_settings()
        self.set_cache(config)
        self.straight = self.only if self.only is not None and self._is_straight(self.only) else None
        if before is not None:
            before.close()

    def _is_straight(self, route: Route) -> bool:
        """Whether a request that takes this route is nothing but passed on, as it is."""
        return not (self.maintenance or route.compress or route.rewrites or self.cache)

    def set_cache(self, config: ReverseSettings) -> None:
        """What is kept stays kept, even while routes have no use for it."""
        if config.cache and self.cache is None:
            self.cache = shared_cache(config, self.hop, self.context)
            self.http.take_express(self.cache.express)
        if self.cache is not None:
            self.cache.configure(config.cache_rules())
            everyone = config.admits_everyone and all(route.is_open for route in self.routes.all)
            self.cache.express.forget_all()
            self.cache.express.bar("settings", not everyone)

    # -- requests ------------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> Work:
        """The order of things, behind what `admitting` checks."""
        request = exchange.request
        if request.made is not None:  # it was passed on before, and nothing said against it
            if (route := self.straight) is not None:
                route.upstreams.forward(exchange, route.onward, request.target)  # type: ignore[union-attr]  # not in maintenance
                return None
        else:
            if (request.method in UNUSUAL or "via" in request.fields) and self.answers_itself(exchange):
                return None
            if request.target[0] not in "/*" and not is_ours(exchange):
                return None
        if self.maintenance:
            return closed(exchange)
        if self.only is not None:
            return self.pass_on(exchange, self.only)
        route = self.routes.find(exchange)
        if route is None:
            return None  # it was refused
        return closed(exchange) if route.rule.maintenance else route.handler(exchange)

    def answers_itself(self, exchange: Exchange) -> bool:
        """Whether a request must not go further: it has been here, this was its last hop, or it cannot be passed on."""
        request = exchange.request
        if (looped := loop(request, self.hop)) is not None:
            self.gateway.refuse(exchange, looped)
        elif request.method == "CONNECT":
            exchange.connection.core.will_close()  # what was sent ahead for the far end is no request
            exchange.refuse(501, "this is a reverse proxy: it makes no tunnels (a forward proxy does)")
        else:
            return ends_here(exchange)
        return True

    def pass_on(self, exchange: Exchange, route: Route) -> Work:
        """Towards the route's upstreams, and back with the answer compressed. A shared cache stands between the two:
        what it has is coded like any other answer, and what it has not is fetched by `forward`.
        """
        if route.compress and self.compression is not None:
            self.compression.begin(exchange)
        if self.cache is None or not route.caches or exchange.connection.client_certificate():
            self.forward(exchange, route)  # what upstreams are told of the client, they answer for it alone
        else:
            seen = client_sees(exchange, self.hop)
            uri = uri_of(seen.scheme, seen.authority, exchange.request.path)
            self.cache.serve(exchange, uri, lambda asker: self.forward(asker, route), route.rule.text)
        return None

    def forward(self, exchange: Asker, route: Route) -> None:
        """To one of the route's upstreams, by the path that they know."""
        request, upstreams, change = exchange.request, route.upstreams, None
        assert upstreams is not None  # a route without any is in maintenance
        target = request.target if request.target[0] == "/" else request.path
        if route.rewrites and target != "*":
            target = route.onward.rewrite.onward(target, caught(route.rule.match.pattern, target))
        if request.method in UNUSUAL and (left := hops_left(request)) is not None:
            change = one_less(left)
        upstreams.forward(exchange, route.onward, target, change)

    # -- connections ---------------------------------------------------------------------------------------------

    def listeners(self) -> Sequence[Listener]:
        """Plain HTTP, and TLS where it is wanted; TLS alone where clients have to show a certificate."""
        config = self.config
        listening = Listening(
            http=self.http,
            gate=self.gate,
            reuse_port=self.context.reuse_port,
            accept_proxy_protocol=config.accept_proxy_protocol,
        )
        found = [listening.plain(config.listen)] if config.client_certificates != "required" else []
        if config.tls:
            address = config.tls_listen if config.listen.port else replace(config.tls_listen, port=0)
            contexts = contexts_of(self.context.state, config.certificate, config.client_certificates, config.client_ca)
            found.append(listening.secure(address, contexts))
        return found

    def closed(self) -> None:
        """All connections are gone."""
        if self.cache is not None:
            self.cache.close()
        self.gateway.close()
        if self.log is not None:
            self.log.close()


def closed(exchange: Exchange) -> Work:
    exchange.refuse(503, "closed for maintenance", [("Retry-After", "60")])
    return None


def compression(config: ReverseSettings) -> Compression:
    from netlab.http.compression import TYPES, Compression, CompressionOptions

    return Compression(CompressionOptions(types=(*TYPES, *config.compress_type), smallest=config.compress_smallest))


def upstream_tls(config: ReverseSettings, context: Context) -> TlsOptions:
    """How upstreams by https are called."""
    from netlab.http.trust import tls_options

    return tls_options(
        context.state,
        cafile=config.upstream_cacert,
        insecure=config.upstream_insecure,
        certificate=config.upstream_certificate,
        key=config.upstream_key,
    )
