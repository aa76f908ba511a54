"""The routes of a server before others, made ready: each with its upstreams, and with what stands before them."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from netlab.http.admission import authenticator, limited
from netlab.http.exchange import Exchange, Work
from netlab.http.gateway import Change, Gateway
from netlab.http.prefixes import ODD, canonical
from netlab.http.request_key import RequestKey
from netlab.http.reverse_settings import ReverseSettings
from netlab.http.roles import Asker
from netlab.http.route_rule import RouteRule
from netlab.http.rules import Guard
from netlab.http.upstreams import Onward
from netlab.policy.gateway_errors import Failure
from netlab.policy.rewriting import Rewrite
from netlab.policy.routing import Asked
from netlab.policy.routing import Routes as Table
from netlab.service import Context

if TYPE_CHECKING:
    from netlab.http.authentication import Authenticator
    from netlab.http.exchange import Handler

PassOn = Callable[[Exchange, "Route"], Work]


class Forwards(Protocol):
    """Who answers what takes a route: a group of upstreams, or what stands for one."""

    def forward(self, exchange: Asker, onward: Onward, target: str, change: Change | None = None) -> None: ...


UpstreamsOf = Callable[[RouteRule], Forwards | None]
"""Who answers what takes a route; None: it is in maintenance, and has none."""


class Route:
    """Where a request goes, how, and `handler`: what it has to pass before."""

    __slots__ = ("caches", "compress", "handler", "onward", "rewrites", "rule", "upstreams")

    def __init__(
        self, rule: RouteRule, upstreams: Forwards | None, onward: Onward, *, compress: bool, caches: bool
    ) -> None:
        self.rule, self.upstreams, self.onward = rule, upstreams, onward
        self.compress, self.caches = compress, caches
        self.rewrites = onward.rewrite != Rewrite()
        self.handler: Handler = _not_ready

    @property
    def is_open(self) -> bool:
        """Whether nothing but what a request says decides on its answer: not who says it, nor how often."""
        rule = self.rule
        return not (rule.limits or rule.mechanisms or rule.maintenance or self.compress)

    def __repr__(self) -> str:
        return f"<Route {self.rule}>"


class Routes:
    """All routes in their order, and behind them `otherwise`, to the upstreams of everything else."""

    def __init__(
        self,
        config: ReverseSettings,
        context: Context,
        gateway: Gateway,
        pass_on: PassOn,
        upstreams_of: UpstreamsOf,
        *,
        otherwise: bool,
    ) -> None:
        self._config, self._context, self._gateway, self._pass_on = config, context, gateway, pass_on
        self._upstreams_of = upstreams_of
        self._judge = self._authenticator()
        routes = [self._route(rule) for rule in config.route]
        self.otherwise = self._route(RouteRule(text="--to")) if otherwise else None
        self.all = [*routes, *([self.otherwise] if self.otherwise is not None else [])]
        self._table = Table((route.rule.match, route) for route in self.all)
        self.only = None if routes else self.otherwise  # where there is nothing to choose
        self._asks_more = any(rule.match.snis or rule.match.share is not None for rule in config.route)

    def find(self, exchange: Exchange) -> Route | None:
        """The route of a request; None: it was refused, for no route takes it, or two do by what its path may mean."""
        request = exchange.request
        path = request.path.partition("?")[0]
        if self._asks_more:
            asked = Asked(
                request.method, request.authority, path, request.fields, sni(exchange), self._lot_of(exchange)
            )
        else:
            asked = Asked(request.method, request.authority, path, request.fields)
        found = self._table.find(asked)
        if ODD.search(asked.path):
            other = self._table.find(asked._replace(path=canonical(asked.path)))
            if (other and other.route) is not (found and found.route):
                # the upstream may read it otherwise than we do, and so past what stands before another route
                exchange.refuse(400, "this path can be read in two ways, and each would take another route")
                return None
        if found is None:
            failed = Failure(404, "destination_not_found", self._table.why_none(asked))
            self._gateway.refuse(exchange, failed)
            return None
        if exchange.flow.events is not None:
            exchange.flow.note("route.matched", route=str(found.route.rule), caught=dict(found.caught))
        return found.route

    def _lot_of(self, exchange: Exchange) -> Callable[[str], float]:
        """Draws for a request: once for each key, however often routes are looked at."""
        drawn: dict[str, float] = {}

        def lot(key: str) -> float:
            if key not in drawn:
                shown = RequestKey(key).of(exchange) if key else b""
                drawn[key] = draw(shown) if shown else self._context.random.random()
            return drawn[key]

        return lot

    # -- making them ---------------------------------------------------------------------------------------------

    def _route(self, rule: RouteRule) -> Route:
        config = self._config
        onward = Onward(
            rewrite=rule.rewrite,
            timeout=rule.timeout,
            try_timeout=config.try_timeout or None,
            retries=config.retries if rule.retries is None else rule.retries,
            retry_on=rule.retry_on or config.retry_on,
            preserve_host=config.preserve_host if rule.preserve_host is None else rule.preserve_host,
        )
        compress = config.compress if rule.compress is None else rule.compress
        caches = config.cache and rule.cache is not False
        route = Route(rule, self._upstreams_of(rule), onward, compress=compress, caches=caches)
        route.handler = self._before(route)
        return route

    # -- what stands before them ---------------------------------------------------------------------------------

    def _before(self, route: Route) -> Handler:
        """Limits by client, then who asks, then limits by user, then on."""
        rule, pass_on = route.rule, self._pass_on
        handler: Handler = lambda exchange: pass_on(exchange, route)  # noqa: E731
        handler = limited(handler, [limit for limit in rule.limits if limit.key == "user"], self._context)
        if rule.mechanisms and rule.mechanisms != ("none",):
            handler = self._guarded(rule, handler)
        return limited(handler, [limit for limit in rule.limits if limit.key != "user"], self._context)

    def _guarded(self, rule: RouteRule, inner: Handler) -> Handler:
        judge, guard = self._judge, Guard("/", rule.mechanisms, rule.roles)
        assert judge is not None

        def admit(exchange: Exchange) -> Work:
            return judge.admit(exchange, guard, inner)

        return admit

    def _authenticator(self) -> Authenticator | None:
        """For what the routes ask for, and no more."""
        asked = self._config.mechanisms()
        return authenticator(self._config, self._context, asked) if asked else None


def _not_ready(exchange: Exchange) -> Work:
    raise AssertionError("a route that is not made yet")


def draw(key: bytes) -> float:
    """The same for the same key, and as good as by chance for different ones."""
    return int.from_bytes(blake2b(key, digest_size=6).digest(), "big") / (1 << 48)


def sni(exchange: Exchange) -> str:
    """The name that TLS was asked for."""
    return exchange.connection.transport.get_extra_info("server_name") or ""
