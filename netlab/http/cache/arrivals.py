"""What becomes of the answers to a cache's fetches: whom they answer, what they refresh, what is kept of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from netlab.clock import Clock
from netlab.cores.fields import Fields
from netlab.cores.http1_grammar import parse_fields
from netlab.errors import ConnectionLost
from netlab.http.cache import notes
from netlab.http.cache.answer import answer
from netlab.http.cache.arrival import Arrival, combinable, dated, renew, too_large
from netlab.http.cache.fetch import Fetch, in_place_of
from netlab.http.cache.reader import Reader
from netlab.http.cache.rules import CacheRules
from netlab.http.cache.store import Store
from netlab.http.cache.stored import Key, Stored
from netlab.http.exchange import Exchange
from netlab.policy.conditional import evaluate
from netlab.policy.http_cache.freshness import Exchanged
from netlab.policy.http_cache.invalidation import invalidated
from netlab.policy.http_cache.report import Handled
from netlab.policy.http_cache.reuse import ERRORS, stands_in
from netlab.policy.http_cache.selection import matches
from netlab.policy.http_cache.validation import CONDITIONS, head_agrees, is_validated, without_conditions

MOST_PASSED = 4096
"""URIs of which is remembered that their answers are for one client only, so that nobody waits for another's."""


NEVER = float("-inf")
PASS = 1.0
"""Seconds for which an answer that cannot be kept stands for those to come."""


class Arrivals:
    """Told by fetches what came. `name` is what Cache-Status calls this cache.

    fetches    those that others may join, by what they bring
    under_way  all of them
    passed     whose answers nobody should wait for, and when the last was seen that could not be kept either
    receiving  bytes of content that are being received to be kept; bounded like those that are kept
    """

    def __init__(self, name: str, rules: CacheRules, clock: Clock, store: Store) -> None:
        self.name, self.rules, self.clock, self.store = name, rules, clock, store
        self.fetches: dict[Key, Fetch] = {}
        self.under_way: set[Fetch] = set()
        self.passed: OrderedDict[Key, float] = OrderedDict()
        self.receiving = 0

    def send(self, fetch: Fetch, *, joinable: bool = False) -> None:
        """Send a fetch on its way; while it is `joinable`, others who ask for the same may wait for its answer."""
        self.under_way.add(fetch)
        if joinable and fetch.key not in self.fetches:
            fetch.joinable = True
            self.fetches[fetch.key] = fetch
        fetch.forward(fetch)

    def arrived(self, fetch: Fetch, status: int, block: bytes, length: int | None) -> bool:
        """An answer's head is here. False: its content is for nobody, and who waited has been answered or will be."""
        now = self.clock.now()
        block = dated(block, now)
        when = Exchanged(asked=fetch.began, answered=now)
        stored = fetch.stored
        if stored is not None:
            if status == 304 and fetch.validates:
                return self._validated(fetch, stored, parse_fields(block), when)
            if status in ERRORS and self._stood_in(fetch, stored, now, status, unreachable=False):
                return False
        arrival = fetch.arrival = Arrival(
            fetch.key, fetch.request, fetch.asked, status, block, length, when, self.rules
        )
        if fetch.completes and (status == 416 or (status == 206 and not self._goes_on(fetch, arrival))):
            fetch.again = True  # for all of it
            return False
        self._changes(fetch, arrival, length)
        if not arrival.verdict.allowed or fetch.outdated:
            fetch.body.keep = False
        notes.judged(fetch.flow, fetch.key, arrival.verdict)
        self._remember(fetch, arrival)
        return True

    def _remember(self, fetch: Fetch, arrival: Arrival) -> None:
        """Whether it is worth while to wait for an answer of this URI that another has asked for. Where it is the
        request that forbids it, that says nothing of others.
        """
        key, passed = fetch.key, self.passed
        if arrival.shareable:
            passed.pop(key, None)
        elif fetch.joinable:
            self._unlist(fetch)
            if not fetch.asked.no_store and "authorization" not in fetch.request.fields:
                passed[key] = arrival.fresh.answered if not arrival.verdict.allowed else NEVER
                passed.move_to_end(key)
            if len(passed) > MOST_PASSED:
                passed.popitem(last=False)

    def passes(self, key: Key) -> bool:
        """Whether an answer of this URI was just seen that nothing can be done with: the next will be like it."""
        seen = self.passed.get(key, NEVER)
        return seen <= self.clock.now() < seen + PASS

    def _goes_on(self, fetch: Fetch, arrival: Arrival) -> bool:
        """Whether a 206 completes what is stored in part."""
        stored, part = fetch.stored, arrival.extent
        if stored is None or part is None or not arrival.verdict.allowed:
            return False
        arrival.stored.size = part.size
        return combinable(stored, arrival.stored, arrival.fresh.answered)

    # -- given to clients ----------------------------------------------------------------------------------------

    def begin(self, fetch: Fetch, length: int | None, reason: str | None) -> None:
        """Give all who wait the head; the content follows as it comes."""
        fetch.length, fetch.reason = length, reason
        if fetch.completes and fetch.status == 206:
            return  # when all of it is here
        for reader in list(fetch.readers):
            self.give(fetch, reader)
        if not (fetch.readers or fetch.body.keep):
            fetch.cancel(ConnectionLost("nobody wants the content"))

    def give(self, fetch: Fetch, reader: Reader) -> None:
        """The head for one of them, and what there is of the content; who must not have it is sent on alone."""
        arrival = fetch.arrival
        assert arrival is not None
        if not self._is_for(reader, arrival):
            fetch.readers.remove(reader)
            self.alone(reader)
        elif not self._unchanged(fetch, reader, arrival):
            reader.begin(arrival.status, self._block(fetch, reader, arrival), fetch.length, fetch.reason)
            reader.pump()

    def _is_for(self, reader: Reader, arrival: Arrival) -> bool:
        return not reader.collapsed or (arrival.shareable and arrival.suits(reader.exchange.request))

    def _unchanged(self, fetch: Fetch, reader: Reader, arrival: Arrival) -> bool:
        """Whether the client has it already: its conditions were replaced by ours, or not sent at all."""
        exchange = reader.exchange
        request = exchange.request
        if arrival.status != 200 or request is fetch.request or request.method != "GET":
            return False
        if not any(name in request.fields for name in CONDITIONS):
            return False
        stored = arrival.stored
        if evaluate(request.method, request.fields, stored.current, now=self.clock.now()) is None:
            return False
        fetch.readers.remove(reader)
        member = self._member(fetch, reader, arrival)
        exchange.respond(304, stored.retold + f"Cache-Status: {member}\r\n".encode(), own=False)
        return True

    def _block(self, fetch: Fetch, reader: Reader, arrival: Arrival) -> bytes:
        member = f"Cache-Status: {self._member(fetch, reader, arrival)}\r\n".encode()
        if not reader.collapsed:
            return arrival.block + fetch.private + member
        return arrival.stored.block + b"Age: %d\r\n" % arrival.fresh.age(self.clock.now()) + member

    def _member(self, fetch: Fetch, reader: Reader, arrival: Arrival) -> str:
        keeps = fetch.body.keep
        ttl = -arrival.fresh.staleness(self.clock.now()) if keeps else None
        handled = Handled(forwarded=fetch.why, stored=keeps, ttl=ttl, collapsed=reader.collapsed)
        return handled.member(self.name)

    def alone(self, reader: Reader) -> None:
        """What came is not for this one: its request goes on as if nobody had asked before."""
        exchange = reader.exchange
        if exchange.answered:
            return
        fetch = Fetch(
            self, reader.fetch.key, exchange, reader.forward, reader.asked, exchange.request, why=reader.fetch.why
        )
        fetch.join(exchange, reader.forward, reader.asked)
        self.send(fetch)

    # -- kept ----------------------------------------------------------------------------------------------------

    def completed(self, fetch: Fetch) -> None:
        """The content is whole."""
        arrival = fetch.arrival
        assert arrival is not None
        keep = arrival.verdict.allowed and fetch.body.keep and fetch.request.method != "HEAD"
        if keep:
            stored = arrival.completed(fetch.body, self._before(fetch, arrival))
            if not fetch.outdated:
                self.store.put(stored)
            if fetch.completes and fetch.status == 206:
                self._completed_part(fetch, stored)
                return
        for reader in list(fetch.readers):
            if reader.streaming:
                reader.pump()
            elif not reader.exchange.answered:
                self._give_whole(fetch, reader, arrival)
        fetch.readers.clear()

    def _before(self, fetch: Fetch, arrival: Arrival) -> Stored | None:
        """What a part may be combined with."""
        if arrival.extent is None:
            return None
        return fetch.stored if fetch.completes else self.store.select(fetch.key, fetch.request.fields)

    def _completed_part(self, fetch: Fetch, stored: Stored) -> None:
        if stored.complete:
            self._answer_all(fetch, stored, Handled(forwarded="partial", status=206, stored=stored.live))
        else:  # it was another part than the one we asked for
            self.refetch(fetch)

    def _give_whole(self, fetch: Fetch, reader: Reader, arrival: Arrival) -> None:
        """An answer that came whole leaves whole."""
        if not self._is_for(reader, arrival):
            self.alone(reader)
        elif not self._unchanged(fetch, reader, arrival):
            block = self._block(fetch, reader, arrival)
            reader.exchange.respond(arrival.status, block, fetch.body.whole(), own=False)

    def _too_large(self, fetch: Fetch) -> None:
        """More content than is kept: it is passed on only."""
        fetch.body.keep = False
        self._unlist(fetch)
        arrival = fetch.arrival
        if arrival is not None and arrival.verdict.allowed:
            arrival.verdict = too_large(self.rules)
            notes.judged(fetch.flow, fetch.key, arrival.verdict)

    def over(self, fetch: Fetch) -> None:
        """Nobody can join it any more."""
        self.under_way.discard(fetch)
        self.receiving -= fetch.counted
        fetch.counted = 0
        self._unlist(fetch)

    def received(self, fetch: Fetch, size: int) -> None:
        """So much content came that is to be kept, if there is room for it."""
        fetch.counted += size
        self.receiving += size
        if fetch.body.size > self.rules.largest or self.receiving > self.rules.room:
            self.receiving -= fetch.counted
            fetch.counted = 0
            self._too_large(fetch)

    def outdate(self, fetch: Fetch) -> None:
        """What it brings is of a time that is over: who asks from now on does not get it."""
        fetch.outdated = True
        self._unlist(fetch)

    def _unlist(self, fetch: Fetch) -> None:
        if self.fetches.get(fetch.key) is fetch:
            del self.fetches[fetch.key]

    # -- refreshed -----------------------------------------------------------------------------------------------

    def _validated(self, fetch: Fetch, stored: Stored, fields: Fields, when: Exchanged) -> bool:
        """A 304: what is stored is as good as new (RFC 9111 4.3.4), if it is that which is meant."""
        if not is_validated(stored.fields, fields):
            fetch.again = True
            return False
        self._renew(fetch, stored, fields, when)
        self.store.counts.validated += 1
        notes.validated(fetch.flow, stored, when.answered)
        handled = Handled(
            forwarded=fetch.why, status=304, stored=stored.live, ttl=-stored.fresh.staleness(when.answered)
        )
        self._answer_all(fetch, stored, handled)
        return False

    def _renew(self, fetch: Fetch, stored: Stored, fields: Fields, when: Exchanged) -> None:
        cost = stored.cost
        renew(stored, fields, when, self.rules)
        if stored.live and (stored.said.no_store or stored.said.private or fetch.outdated):
            self.store.drop(stored)
        elif stored.live:
            self.store.changed(stored, cost)

    def _changes(self, fetch: Fetch, arrival: Arrival, length: int | None) -> None:
        """What a method other than GET does to what is stored."""
        method, key = fetch.request.method, fetch.key
        if method == "HEAD":
            self._headed(fetch, arrival, length)
            return
        uris = invalidated(method, arrival.status, key.uri, arrival.fields)
        if not uris:
            return
        for other in self.under_way:
            if other is not fetch and other.key.uri in uris:
                self.outdate(other)
        count = sum(self.store.drop_uri(uri) for uri in uris)
        self.store.counts.invalidated += count
        notes.invalidated(fetch.flow, method, uris, count)

    def _headed(self, fetch: Fetch, arrival: Arrival, length: int | None) -> None:
        """An answer to HEAD renews what a GET would have got, or shows that it is another by now (RFC 9111 4.3.5)."""
        stored = self.store.select(fetch.key, fetch.request.fields)
        if stored is None or arrival.status != 200 or stored.status != 200:
            return
        declared = arrival.fields if length is None else Fields([*arrival.fields, ("Content-Length", str(length))])
        if head_agrees(stored.fields, stored.size, declared):
            when = Exchanged(asked=fetch.began, answered=self.clock.now())
            self._renew(fetch, stored, arrival.fields, when)
            notes.validated(fetch.flow, stored, when.answered)
        else:
            self.store.drop(stored)

    # -- failed --------------------------------------------------------------------------------------------------

    def failed(self, fetch: Fetch, status: int, tell: Callable[[Exchange], None]) -> None:
        """The gateway got no answer."""
        stored, now = fetch.stored, self.clock.now()
        away = status in (502, 503, 504)
        if stored is not None and away and self._stood_in(fetch, stored, now, status, unreachable=True):
            return
        for reader in list(fetch.readers):
            if not reader.exchange.answered:
                tell(reader.exchange)
        fetch.readers.clear()

    def _stood_in(self, fetch: Fetch, stored: Stored, now: float, status: int, *, unreachable: bool) -> bool:
        """Whether what is stored answers though it is stale (RFC 5861 4, RFC 9111 4.2.4)."""
        if fetch.request.method not in ("GET", "HEAD") or not stored.complete:
            return False
        found = stands_in(stored.fresh, stored.said, fetch.asked, now, unreachable=unreachable, grace=self.rules.grace)
        if found is None:
            return False
        notes.used_stale(fetch.flow, stored.key, found.reason, found.section, found.directive)
        reported = None if unreachable else status
        self._answer_all(fetch, stored, Handled(forwarded=fetch.why, status=reported, ttl=-stored.fresh.staleness(now)))
        return True

    def _answer_all(self, fetch: Fetch, stored: Stored, handled: Handled) -> None:
        """Answer all who wait with what is stored, as far as they select it."""
        readers, now = list(fetch.readers), self.clock.now()
        fetch.readers.clear()
        for reader in readers:
            exchange = reader.exchange
            if exchange.answered:
                continue
            if matches(stored.nominated, exchange.request.fields, stored.language):
                stored.uses += 1
                answer(exchange, stored, replace(handled, collapsed=reader.collapsed).member(self.name), now)
            else:
                self.alone(reader)

    def refetch(self, fetch: Fetch) -> None:
        """What was answered is of no use: ask for all of it, for those who still wait."""
        readers = [reader for reader in fetch.readers if not reader.exchange.answered]
        fetch.readers.clear()
        if not readers:
            return
        first = readers[0]
        request = in_place_of(first.exchange.request, without_conditions(first.exchange.request.fields))
        new = Fetch(self, fetch.key, first.exchange, first.forward, first.asked, request, why=fetch.why)
        for reader in readers:
            new.join(reader.exchange, reader.forward, reader.asked)
        self.send(new)
