"""How a request leaves a proxy: over which connection, as what, and what comes back unchanged or not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from netlab.cores.http1 import Response, encode_fields
from netlab.http.destination import Destination, Turn
from netlab.http.gateway import Change, Gateway, Pair, Way
from netlab.http.hops import COUNTED, hops_left, one_less
from netlab.http.parents import Parent, ParentDialer
from netlab.http.proxy_settings import Opening
from netlab.http.roles import Asker
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Check, Dialer, Objection
from netlab.net.pool import Origin
from netlab.net.secure import TlsOptions
from netlab.service import Context

FROM_PARENTS = frozenset(("proxy-authenticate", "proxy-authentication-info"))
"""What a parent says to us about our credentials, which is not for our clients (RFC 9110 11.7)."""


class ToParent(Way):
    """A request that goes to a parent whole."""

    __slots__ = ()

    concerns = FROM_PARENTS

    def returned(self, response: Response, pairs: list[Pair]) -> list[Pair]:
        return [pair for pair in pairs if pair[0].lower() not in FROM_PARENTS]


class Trust:
    """Whom the proxy's own calls believe; read when the first of them is made."""

    def __init__(self, config: Opening, context: Context) -> None:
        self._config, self._context = config, context
        if config.upstream_cacert is not None:
            self.options  # noqa: B018  a file that is none is told of at the start

    @cached_property
    def options(self) -> TlsOptions:
        from netlab.http.trust import tls_options

        config = self._config
        return tls_options(self._context.state, cafile=config.upstream_cacert, insecure=config.upstream_insecure)


class Onward:
    """Ways for requests: to the origin itself, or to a parent proxy that takes them whole."""

    def __init__(self, gateway: Gateway, trust: Trust) -> None:
        self.gateway, self.trust = gateway, trust
        self.parents = gateway.dialer if isinstance(gateway.dialer, ParentDialer) else None

    def way(self, exchange: Asker, turn: Turn, tls: TlsOptions | None, allow: Check | None) -> Way | Objection:
        """The way of a request, or why there is none. `tls` is that of an intercepted connection."""
        request, to = exchange.request, turn.to
        parent = self.parents.parent(to.host, to.port) if self.parents is not None else None
        if parent is not None and parent.takes_requests and to.scheme == "http":
            return self._through(exchange, turn, parent, allow)
        host = to.authority
        if to.scheme == "https" and (tls is None or turn.moved):
            tls = self.trust.options
        elif tls is not None:
            host = request.authority or host  # what an origin is called is the client's to say
        fields = self.gateway.onward(exchange, host, scheme=to.scheme, change=changes(exchange, turn))
        return Way(origin=to.origin, target=turn.target, fields=fields, tls=tls, allow=allow)

    def _through(self, exchange: Asker, turn: Turn, parent: Parent, allow: Check | None) -> Way | Objection:
        """In absolute form (RFC 9112 3.2.2); the parent looks the name up, so that only the name can be judged."""
        to, parents = turn.to, self.parents
        assert parents is not None
        if allow is not None and (objection := allow(SocketAddress(to.host, to.port))) is not None:
            return objection
        fields = self.gateway.onward(exchange, to.authority, scheme="http", change=changes(exchange, turn))
        return ToParent(
            origin=Origin(parent.scheme, parent.host, parent.port, parent.user),
            target=absolute(to, turn.target),
            fields=fields + encode_fields(parent.credentials),
            tls=parents.tls_to(parent),
        )


def absolute(to: Destination, target: str) -> str:
    """The target of a request that a parent gets whole."""
    return f"http://{to.authority}{'' if target == '*' else target}"


def changes(exchange: Asker, turn: Turn) -> Change | None:
    """What happens to the fields on their way, besides what an intermediary does to all of them."""
    left = hops_left(exchange.request) if exchange.request.method in COUNTED else None
    if left is None:
        return turn.change
    fewer, other = one_less(left), turn.change
    return fewer if other is None else lambda fields: other(fewer(fields))


def dialer_for(parents: Sequence[Parent], dialer: Dialer, trust: Trust) -> Dialer:
    """The dialer itself, or one that goes through parents."""
    return ParentDialer(dialer, parents, lambda: trust.options) if parents else dialer
