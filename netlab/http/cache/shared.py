"""The shared cache of a proxy: what it has is answered at once, what it has not is fetched, once for all who ask."""

from __future__ import annotations

from netlab.clock import Clock
from netlab.flow import FlowLog
from netlab.http.cache import notes
from netlab.http.cache.answer import answer, can_answer
from netlab.http.cache.arrivals import Arrivals
from netlab.http.cache.express import Hits
from netlab.http.cache.fetch import Fetch, Forward, in_place_of
from netlab.http.cache.purging import may_purge, purged
from netlab.http.cache.rules import CacheRules
from netlab.http.cache.store import Store
from netlab.http.cache.stored import Key, Stored
from netlab.http.exchange import Exchange
from netlab.policy.http_cache.directives import NOTHING_ASKED, RequestDirectives, request_directives
from netlab.policy.http_cache.invalidation import SAFE
from netlab.policy.http_cache.partial import missing, strong_validator
from netlab.policy.http_cache.report import Forwarded, Handled
from netlab.policy.http_cache.reuse import Reuse, Use, reuse
from netlab.policy.http_cache.validation import CONDITIONS, FOR_THE_ORIGIN, conditional, without_conditions

SELECTIVE = CONDITIONS | {"range", "if-range"}
"""Fields of a request by which it may get another answer than the whole."""


class SharedCache:
    """`serve` is asked for every request that may be answered from here; `name` is what Cache-Status calls it."""

    def __init__(self, name: str, rules: CacheRules, clock: Clock, flows: FlowLog) -> None:
        self.name, self.rules, self.clock, self.flows = name, rules, clock, flows
        self.express = Hits(clock.now, self._hit_member, self._count_hit)
        self.store = Store(rules.room, self.express.forget)
        self.arrivals = Arrivals(name, rules, clock, self.store)

    def serve(self, exchange: Exchange, uri: str, forward: Forward, realm: str = "") -> None:
        """Answer from what is stored, or have `forward` send the request (or ours in its place) on its way.

        `uri` is the target URI as the client knows it, `realm` tells apart who may answer for it.
        """
        request = exchange.request
        fields, method, key = request.fields, request.method, Key(uri, realm)
        if method not in ("GET", "HEAD"):
            self._other(exchange, key, forward)
            return
        if request.frame.has_body or request.frame.upgrade or any(name in fields for name in FOR_THE_ORIGIN):
            self._bypass(exchange, key, forward)
            return
        asked = NOTHING_ASKED
        if "cache-control" in fields or "pragma" in fields:
            asked = request_directives(fields)
        stored = self.store.select(key, fields)
        if stored is None:
            self._miss(exchange, key, forward, asked)
            return
        now = self.clock.now()
        found = reuse(stored.fresh, stored.said, asked, now)
        if found.use is Use.VALIDATE:
            self._validate(exchange, stored, forward, asked, found)
        elif can_answer(exchange, stored, now):
            self._hit(exchange, stored, asked, found, now)
            if found.use is Use.REVALIDATE:
                self._refresh(exchange, stored, forward)
        else:
            self._complete(exchange, stored, forward, asked)

    # -- answered from here --------------------------------------------------------------------------------------

    def _hit(self, exchange: Exchange, stored: Stored, asked: RequestDirectives, found: Reuse, now: float) -> None:
        stored.uses += 1
        self._count_hit()
        notes.consulted(exchange, stored.key, "hit", found.reason, found.section, found.directive)
        if found.use is Use.FRESH and asked is NOTHING_ASKED and stored.complete:
            self._learn(exchange, stored)
        answer(exchange, stored, self._hit_member(stored, now), now)

    def _learn(self, exchange: Exchange, stored: Stored) -> None:
        """Where nothing of the request but its bytes decided, the bytes are enough the next time."""
        request, connection = exchange.request, exchange.connection
        if connection.express is None or request.method != "GET" or exchange.is_changed:
            return
        if request.version != "1.1":  # whose connection is said to be kept in the answer (RFC 9112 C.2.2)
            return
        if not any(name in request.fields for name in SELECTIVE) and (head := connection.core.head_of(request)):
            taken = self.express.learn(head, stored, exchange.flow)
            if taken and stored.live:
                self.store.grow(stored, taken)

    def _hit_member(self, stored: Stored, now: float) -> str:
        return Handled(hit=True, ttl=-stored.fresh.staleness(now)).member(self.name)

    def _count_hit(self) -> None:
        self.store.counts.hits += 1

    def _refresh(self, exchange: Exchange, stored: Stored, forward: Forward) -> None:
        """Validate in the background what was used stale (RFC 5861 3)."""
        if stored.key in self.arrivals.fetches:
            return
        flow = self.flows.open("http", exchange.flow.service, exchange.flow)
        flow.client, flow.server = exchange.flow.client, exchange.flow.server
        flow.label = exchange.flow.label
        request = in_place_of(exchange.request, conditional(exchange.request.fields, stored.fields), method="GET")
        fetch = Fetch(
            self.arrivals,
            stored.key,
            exchange,
            forward,
            NOTHING_ASKED,
            request,
            why="stale",
            stored=stored,
            background=flow,
        )
        self.arrivals.send(fetch, joinable=True)

    def _not_here(self, exchange: Exchange, key: Key, why: Forwarded) -> None:
        """RFC 9111 5.2.1.7: what cannot be answered from here is not asked for."""
        reason = "the client wants it only if it is here, and it is not, or not fresh enough"
        notes.consulted(exchange, key, why, reason, "RFC 9111 5.2.1.7", "only-if-cached")
        member = Handled(detail="only-if-cached").member(self.name)
        exchange.refuse(504, f"{reason} (only-if-cached, RFC 9111 5.2.1.7)", [("Cache-Status", member)])

    # -- asked for -----------------------------------------------------------------------------------------------

    def _miss(self, exchange: Exchange, key: Key, forward: Forward, asked: RequestDirectives) -> None:
        why: Forwarded = "vary-miss" if self.store.has(key) else "uri-miss"
        if asked.only_if_cached:
            self._not_here(exchange, key, why)
            return
        if self.arrivals.passes(key) and not asked.no_store:
            self._pass(exchange, key, forward, why)
            return
        if self._joined(exchange, key, forward, asked):
            return
        self.store.counts.misses += 1
        other = "there are answers, but for other values of what Vary names" if why == "vary-miss" else "nothing stored"
        notes.consulted(exchange, key, why, other, "RFC 9111 4.1" if why == "vary-miss" else "RFC 9111 4")
        fields = exchange.request.fields
        plain = exchange.request.method == "GET" and "range" not in fields and not asked.no_store
        fetch = Fetch(self.arrivals, key, exchange, forward, asked, exchange.request, why=why)
        fetch.join(exchange, forward, asked)
        self.arrivals.send(fetch, joinable=plain and not any(name in fields for name in CONDITIONS))

    def _validate(
        self, exchange: Exchange, stored: Stored, forward: Forward, asked: RequestDirectives, found: Reuse
    ) -> None:
        """Ask whether it still holds; whatever the client has of it is seen to afterwards (RFC 9111 4.3.1)."""
        why: Forwarded = "request" if stored.fresh.staleness(self.clock.now()) < 0 else "stale"
        if asked.only_if_cached:
            self._not_here(exchange, stored.key, why)
            return
        if not asked.no_cache and self._joined(exchange, stored.key, forward, asked):
            return
        self.store.counts.misses += 1
        notes.consulted(exchange, stored.key, why, found.reason, found.section, found.directive)
        request = exchange.request
        validates = stored.has_validator and stored.complete and request.method == "GET"
        if validates:
            request = in_place_of(request, conditional(request.fields, stored.fields))
        fetch = Fetch(self.arrivals, stored.key, exchange, forward, asked, request, why=why, stored=stored)
        fetch.join(exchange, forward, asked)
        plain = request.method == "GET" and not any(name in request.fields for name in ("range", *CONDITIONS))
        self.arrivals.send(fetch, joinable=(validates or plain) and not asked.no_store)

    def _complete(self, exchange: Exchange, stored: Stored, forward: Forward, asked: RequestDirectives) -> None:
        """Only a part is here: ask for the rest, if one request brings it (RFC 9111 3.3)."""
        if asked.only_if_cached:
            self._not_here(exchange, stored.key, "partial")
            return
        self.store.counts.misses += 1
        reason = "only a part of it is stored"
        notes.consulted(exchange, stored.key, "partial", reason, "RFC 9111 3.3")
        request, rest = exchange.request, missing(stored.parts, stored.size)
        whole = "range" not in request.fields
        if whole and rest is not None:
            pairs = [*without_conditions(request.fields), ("Range", rest)]
            if (validator := strong_validator(stored.fields, self.clock.now())) is not None:
                pairs.append(("If-Range", validator))
            request = in_place_of(request, pairs)
        fetch = Fetch(self.arrivals, stored.key, exchange, forward, asked, request, why="partial", stored=stored)
        fetch.completes = whole and rest is not None
        fetch.join(exchange, forward, asked)
        self.arrivals.send(fetch, joinable=False)

    def _other(self, exchange: Exchange, key: Key, forward: Forward) -> None:
        """A method that is not answered from here; if it may change something (RFC 9111 4.4), its answer says so."""
        request = exchange.request
        if request.method == "PURGE" and self.rules.purgers:
            self._purge(exchange, key.uri)
            return
        if request.method in SAFE or request.frame.upgrade:
            self._bypass(exchange, key, forward)
            return
        asked = request_directives(request.fields)
        notes.consulted(exchange, key, "method", f"{request.method} is not answered from here", "RFC 9111 4")
        fetch = Fetch(self.arrivals, key, exchange, forward, asked, request, why="method")
        fetch.join(exchange, forward, asked)
        self.arrivals.send(fetch)

    def _bypass(self, exchange: Exchange, key: Key, forward: Forward) -> None:
        """Content, conditions or offers that only the origin can judge (RFC 9111 4.3.2)."""
        notes.consulted(exchange, key, "bypass", "only the origin can judge this request", "RFC 9111 4.3.2")
        self._unseen(exchange, "bypass", forward)

    def _pass(self, exchange: Exchange, key: Key, forward: Forward, why: Forwarded) -> None:
        self.store.counts.misses += 1
        notes.consulted(
            exchange, key, why, "the last answer could not be kept, and this one is taken for alike", "RFC 9111 3"
        )
        self._unseen(exchange, why, forward)

    def _unseen(self, exchange: Exchange, why: Forwarded, forward: Forward) -> None:
        """Have a request forwarded whose answer is not looked at."""
        line = f"Cache-Status: {Handled(forwarded=why).member(self.name)}\r\n".encode()
        exchange.amend(lambda block: block + line)
        forward(exchange)

    def _joined(self, exchange: Exchange, key: Key, forward: Forward, asked: RequestDirectives) -> bool:
        """Whether the request waits for an answer that is under way for another (RFC 9111 4)."""
        fetch = self.arrivals.fetches.get(key)
        request = exchange.request
        if fetch is None or request.method != "GET" or "range" in request.fields or asked.no_store:
            return False
        arrival = fetch.arrival
        if arrival is None:
            if key in self.arrivals.passed:
                return False
        elif not (arrival.shareable and fetch.body.keep and arrival.suits(request)):
            return False
        notes.consulted(exchange, key, "collapsed", "another request has asked for it already", "RFC 9111 4")
        reader = fetch.join(exchange, forward, asked)
        if arrival is not None:
            self.arrivals.give(fetch, reader)
        return True

    # -- thrown out ----------------------------------------------------------------------------------------------

    def purge(self, uri: str) -> int:
        """Let go of what is stored of a URI; of all that begin so, where it ends in `*`. Says how many."""
        prefix = uri.removesuffix("*")
        for fetch in self.arrivals.under_way:
            if fetch.key.uri == uri or (prefix != uri and fetch.key.uri.startswith(prefix)):
                self.arrivals.outdate(fetch)
        return self.store.drop_uri(uri) if prefix == uri else self.store.drop_prefix(prefix)

    def _purge(self, exchange: Exchange, uri: str) -> None:
        if may_purge(exchange, self.rules.purgers):
            purged(exchange, uri, self.purge(uri))
        else:
            exchange.refuse(403, "PURGE is not for this client (see --cache-purge)")

    def configure(self, rules: CacheRules) -> None:
        """These rules from the next request on; what is kept stays, as far as there is room."""
        self.rules = self.arrivals.rules = rules
        self.store.resize(rules.room)

    def close(self) -> None:
        """End what is under way for nobody."""
        for fetch in list(self.arrivals.under_way):
            fetch.close()
