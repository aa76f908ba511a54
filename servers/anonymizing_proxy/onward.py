"""How a request leaves the anonymizing proxy: through which exit, to whom, and what is kept from its answer."""

from __future__ import annotations

from netlab.cores.fields import Fields
from netlab.cores.http1 import Response, encode_fields
from netlab.http.destination import Destination
from netlab.http.exchange import Exchange
from netlab.http.exits import Exit, Exits, client_of, note
from netlab.http.gateway import Way
from netlab.http.parents import Parent
from netlab.http.proxy_onward import FROM_PARENTS, Trust, absolute
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Check
from netlab.net.pool import Origin
from netlab.net.secure import TlsOptions
from netlab.policy.anonymity.responses import CONCERNS, returned
from netlab.policy.gateway_errors import Failure
from servers.anonymizing_proxy.sanitizing import Sanitized, note_changes

Pair = tuple[str, str]


class Onward:
    """Ways for requests: each through the exit of its client and host.

    tunnels  parents are asked for tunnels for http requests too
    """

    def __init__(self, exits: Exits, trust: Trust, *, tunnels: bool) -> None:
        self.exits, self.trust, self.tunnels = exits, trust, tunnels

    def way(
        self,
        exchange: Exchange,
        to: Destination,
        target: str,
        tls: TlsOptions | None,
        sanitized: Sanitized,
        allow: Check,
    ) -> Way | Failure:
        """The way of a request, or why there is none. `tls` is that of an intercepted connection."""
        leaving = Leaving(self, exchange, to, target, tls, sanitized, allow)
        return leaving.through(self._first(leaving.key, to))

    def _first(self, key: str, to: Destination) -> Exit:
        """What is inside of an opened tunnel begins with the tunnel's exit."""
        match to.origin.identity:
            case (_, (int(index), *_)):
                return self.exits.all[index]
        picked = self.exits.pick(key)
        assert picked is not None  # of those that were not tried there is one
        return picked

    def whole(self, leaving: Exit, to: Destination) -> Parent | None:
        """The parent that gets the request in absolute form, where one does: it looks the name up itself."""
        parent = leaving.parent
        if parent is None or self.tunnels or not parent.takes_requests or to.scheme != "http":
            return None
        return parent


class Leaving(Way):
    """One request: which exit has it, which had it, and what its end says of that one."""

    __slots__ = (
        "_allow",
        "_exchange",
        "_exit",
        "_identity",
        "_onward",
        "_sanitized",
        "_target",
        "_to",
        "_tried",
        "key",
    )

    concerns = CONCERNS | FROM_PARENTS

    def __init__(
        self,
        onward: Onward,
        exchange: Exchange,
        to: Destination,
        target: str,
        tls: TlsOptions | None,
        sanitized: Sanitized,
        allow: Check,
    ) -> None:
        client = client_of(exchange.flow)
        # what looks different shares no connection, nor do clients: one would tell of the other
        looks = (tls and tls.server_name, client, sanitized.apart)
        self._onward, self._exchange, self._to, self._target = onward, exchange, to, target
        self._sanitized, self._allow, self._identity = sanitized, allow, looks
        self._tried: list[Exit] = []
        self.key = f"{client} {to.host}"
        self.tls, self.timeout, self.adds, self.asked = tls, None, sanitized.signed, None

    def through(self, leaving: Exit) -> Way | Failure:
        """The same request by this exit, whose report follows."""
        self._exit = leaving
        parent = self._onward.whole(leaving, self._to)
        if parent is not None:
            return self._to_parent(parent)
        to, sanitized = self._to, self._sanitized
        name, *looks = self._identity
        self.origin = Origin(to.scheme, to.host, to.port, (name, (leaving.index, *looks)))
        self.target, self.fields, self.framing = self._target, sanitized.block, sanitized.framing
        self.dialer, self.allow = leaving.dialer, self._allow
        note(self._exchange.flow, "exit.picked", leaving)
        return self

    def _to_parent(self, parent: Parent) -> Way | Failure:
        to, onward, sanitized = self._to, self._onward, self._sanitized
        objection = self._allow(SocketAddress(to.host, to.port))
        if objection is not None:
            onward.exits.report(self._exit, None)
            return Failure(403, "http_request_denied", objection.reason)
        _, *looks = self._identity
        self.origin = Origin(parent.scheme, parent.host, parent.port, (parent.user, (self._exit.index, *looks)))
        self.target = absolute(to, self._target)
        self.fields = sanitized.block + encode_fields(parent.credentials)
        self.framing, self.dialer, self.allow = sanitized.framing, self._exit.dialer, None
        self.tls = onward.trust.options if parent.scheme == "https" else None
        note(self._exchange.flow, "exit.picked", self._exit)
        return self

    # -- what the gateway tells ----------------------------------------------------------------------------------

    def trailers(self, trailers: Fields) -> Fields:
        return Fields(self._sanitized.anonymity.trailing(trailers))

    def returned(self, response: Response, pairs: list[Pair]) -> list[Pair]:
        """The answer's fields without what would let the origin know the client again."""
        sanitized = self._sanitized
        if self._exit.parent is not None:
            pairs = [pair for pair in pairs if pair[0].lower() not in FROM_PARENTS]
        kept, changes = returned(pairs, sanitized.answered, sanitized.anonymity.rules, sanitized.anonymity.keep)
        if changes and self._exchange.flow.events is not None:
            note_changes(self._exchange, "response.anonymized", changes)
        return kept

    def ended(self, failed: Failure | None) -> None:
        refused = self._exchange.status == 407 and self._onward.whole(self._exit, self._to) is not None
        self._onward.exits.report(self._exit, refused if failed is None else self._blamed(failed))

    def another(self, failed: Failure) -> Way | None:
        """The next exit, where it was this one's fault."""
        if not self._blamed(failed):
            return None
        note(self._exchange.flow, "exit.failed", self._exit, failed.reason)
        self._tried.append(self._exit)
        following = self._onward.exits.pick(self.key, self._tried)
        found = self.through(following) if following is not None else None
        return found if isinstance(found, Way) else None

    def _blamed(self, failed: Failure) -> bool | None:
        """A parent that gets requests whole is called as an origin is: no stage of that is anybody else's fault."""
        if self._onward.whole(self._exit, self._to) is not None and failed.stage in ("resolve", "connect", "tls"):
            return True
        return self._exit.failed(failed)
