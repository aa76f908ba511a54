"""The forward proxy: what becomes of a request that may pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netlab.http.cache.rules import shared_cache
from netlab.http.destination import Destination, Turn
from netlab.http.exchange import Exchange, Work
from netlab.http.gateway import Gateway, Way
from netlab.http.hops import own_hop
from netlab.http.proxy_onward import Onward, Trust, dialer_for
from netlab.http.proxy_service import ProxyService
from netlab.net.dial import Timeouts
from netlab.net.listen import Listener
from netlab.net.secure import TlsOptions
from netlab.net.tasks import Tasks
from netlab.policy.gateway_errors import Failure
from netlab.policy.http_cache.uri import uri_of
from netlab.service import Context
from servers.forward_proxy.config import Config

if TYPE_CHECKING:
    from netlab.http.rewriting import Rewriting
    from netlab.http.roles import Asker
    from netlab.net.dial import Check


class Server:
    """The questions of every proxy (`ProxyService.handle`); then rules for rewriting, then on its way."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("forward-proxy")
        self.hop = own_hop(tells=config.tell, node=config.client_id, passes=True)
        direct = context.dialer("forward-proxy", Timeouts(connect=config.connect_timeout))
        trust = Trust(config, context)
        dialer = dialer_for(config.parent, direct, trust)
        self.gateway = Gateway(self.hop, dialer, context.flows, self.tasks, config.gateway_settings(), context.faults)
        self.proxy = ProxyService("forward-proxy", config, context, self.gateway, trust, self.pass_on)
        self.onward = Onward(self.gateway, trust)
        self.rewriting = rewriting(config) if config.rewrite else None
        self.cache = shared_cache(config, self.hop, context) if config.cache else None
        if self.cache is not None and self.proxy.admits_everyone and self.rewriting is None:
            self.proxy.http.take_express(self.cache.express)

    def listeners(self) -> Sequence[Listener]:
        return [self.proxy.listener()]

    def pass_on(self, exchange: Exchange, to: Destination, target: str, tls: TlsOptions | None) -> Work:
        """A tunnel, or the request itself as the rules for rewriting leave it."""
        if exchange.request.method == "CONNECT":
            return self.connect(exchange, to)
        if self.rewriting is None:
            return self.forward(exchange, Turn(to, target), tls)
        return self.rewriting.apply(exchange, to, target, lambda known, turn: self.forward(known, turn, tls))

    def connect(self, exchange: Exchange, to: Destination) -> Work:
        interception = self.proxy.tunnels.interception
        looked_into = interception is not None and interception.wants(to.host)
        if self.rewriting is not None and not looked_into and self.rewriting.blocks(exchange, to):
            return None
        return self.proxy.connect(exchange, to)

    def forward(self, exchange: Exchange, turn: Turn, tls: TlsOptions | None) -> Work:
        """From the cache; to the origin, to where a rule sends it, or to a parent proxy."""
        allow = None if turn.moved else self.proxy.allow(exchange, turn.to)
        if self.cache is None:
            self.send(exchange, turn, tls, allow)
        else:
            uri, realm = self.found_by(exchange, turn, tls)
            self.cache.serve(exchange, uri, lambda asker: self.send(asker, turn, tls, allow), realm)
        return None

    def found_by(self, exchange: Exchange, turn: Turn, tls: TlsOptions | None) -> tuple[str, str]:
        """What an answer is kept under: the URI, and who may have it. Inside of TLS the client says whose URI it is, so
        that the server it is asked from counts, too.
        """
        to, authority, realm = turn.to, turn.to.authority, self.proxy.standing(exchange)
        if tls is not None and not turn.moved:
            authority, realm = exchange.request.authority or authority, f"{realm} {to.host}:{to.port}"
        return uri_of(to.scheme, authority, turn.target), realm

    def send(self, exchange: Asker, turn: Turn, tls: TlsOptions | None, allow: Check | None) -> None:
        way = self.onward.way(exchange, turn, tls, allow)
        if isinstance(way, Way):
            self.gateway.forward(exchange, way)
        else:
            self.gateway.refuse(exchange, Failure(403, "http_request_denied", way.reason))

    def closed(self) -> None:
        """All connections are gone."""
        if self.cache is not None:
            self.cache.close()
        self.proxy.closed()


def rewriting(config: Config) -> Rewriting:
    from netlab.http.rewriting import Rewriting

    return Rewriting(config.rewrite)
