"""The anonymizing proxy: what becomes of a request that may pass."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from netlab.cores.fields import Fields
from netlab.http.destination import Destination
from netlab.http.exchange import Exchange, Work
from netlab.http.exits import ExitDialer, Exits
from netlab.http.gateway import Gateway
from netlab.http.proxy_connection import ProxyConnection
from netlab.http.proxy_onward import Trust
from netlab.http.proxy_service import ProxyService
from netlab.net.dial import Timeouts
from netlab.net.listen import Listener
from netlab.net.secure import TlsOptions
from netlab.net.tasks import Tasks
from netlab.policy.anonymity.levels import NAMES
from netlab.policy.anonymity.pseudonym import has_own
from netlab.policy.anonymity.sites import Place
from netlab.policy.forwarding import Hop, has_loop
from netlab.policy.gateway_errors import Failure
from netlab.service import Context
from servers.anonymizing_proxy.config import Config
from servers.anonymizing_proxy.onward import Onward
from servers.anonymizing_proxy.page import AnonymityPage
from servers.anonymizing_proxy.sanitizing import LEVEL_FIELD, Sanitizer

NAME = "anonymizing-proxy"
NAMELESS = Hop(name="netlab", tells="nothing", via=False)
"""Scripts of a page read what stands in answers: nothing of ours there tells one proxy from another."""
TUNNEL = "a tunnel that is not opened: the origin sees another address, and everything else as the client sends it"
LOOPED = Failure(508, "proxy_loop_detected", "this request has been through this proxy before: its Via field says so")


class Server:
    """The questions of every proxy (`ProxyService.handle`); then the level, then sanitized through an exit."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks(NAME)
        self.hop = Hop(name=f"netlab-{secrets.token_hex(4)}", tells="both")
        direct = context.dialer(NAME, Timeouts(connect=config.connect_timeout))
        trust = Trust(config, context)
        self.exits = Exits(config.exit, config.rotate, direct, lambda: trust.options, context.clock)
        dialer = ExitDialer(direct, self.exits)
        self.gateway = Gateway(NAMELESS, dialer, context.flows, self.tasks, config.gateway_settings(), context.faults)
        self.sanitizer = Sanitizer(config, context, self.hop, secrets.token_bytes(16))
        self.onward = Onward(self.exits, trust, tunnels=config.tunnel_parents)
        self.proxy = ProxyService(
            *(NAME, config, context, self.gateway, trust, self.pass_on),
            page=lambda ca: AnonymityPage(config, self.exits, ca),
        )
        self.proxy.tunnels.remark = TUNNEL

    def listeners(self) -> Sequence[Listener]:
        return [self.proxy.listener()]

    def pass_on(self, exchange: Exchange, to: Destination, target: str, tls: TlsOptions | None) -> Work:
        """At its level: a tunnel as it is, a request without what it should not say."""
        via = exchange.request.fields.get("via")
        if via is not None and (has_loop(via, self.hop) or has_own(via, self.sanitizer.secret)):
            return self.proxy.refuse(exchange, LOOPED)
        usual = self.usual_level(exchange)
        level = said(exchange.request.fields) or usual
        if (wrong := next((name for name in (usual, level) if name not in NAMES), None)) is not None:
            exchange.refuse(400, f"Anonymity-Level: {wrong[:40]} is not known; there are {', '.join(NAMES)}")
            return None
        if exchange.request.method == "CONNECT":
            return self.proxy.connect(exchange, to)
        host = to.authority if tls is None else exchange.request.authority or to.authority
        sanitized = self.sanitizer.sanitize(exchange, Place(to.scheme, to.host, to.port), host, level, usual)
        way = self.onward.way(exchange, to, target, tls, sanitized, self.proxy.allow(exchange, to))
        if isinstance(way, Failure):
            return self.proxy.refuse(exchange, way)
        self.gateway.forward(exchange, way)
        return None

    def usual_level(self, exchange: Exchange) -> str:
        """What the CONNECT of the tunnel asked for that the request is in, or what is set."""
        connection = exchange.connection
        within = connection.within if isinstance(connection, ProxyConnection) else None
        return (said(within.asked) if within is not None else "") or self.config.level

    def closed(self) -> None:
        """All connections are gone."""
        self.proxy.closed()


def said(fields: Fields) -> str:
    """The level that is asked for; empty: none."""
    return (fields.get(LEVEL_FIELD) or "").strip().lower()
