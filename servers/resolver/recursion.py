"""Looking for answers: the resolution, what is asked on its way, and everyone who waits for the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from netlab.cores.dns_codes import AAAA, NS, SERVFAIL, A
from netlab.cores.dns_master import read_master
from netlab.cores.dns_names import ROOT, from_text, to_text
from netlab.cores.dns_rdata import show, target
from netlab.cores.resolution import Resolved, Resolver
from netlab.cores.resolution_asking import OTHER, Result, Settings
from netlab.errors import UsageError
from netlab.flow import Flow
from netlab.net.addresses import SocketAddress
from netlab.net.dns_asking import Asker, Query
from netlab.net.tasks import Tasks
from netlab.policy.dns_cache import CacheLimits, DnsCache
from netlab.policy.dns_servers import ServerBook
from netlab.service import Context
from servers.resolver.config import Config
from servers.resolver.statistics import Statistics

OWN_ROOT = {from_text("a.root-servers.test."): ("127.0.53.1",)}
MOST_WAITING = 1000
"""Clients that may wait for the answer to one question."""
LONG = 1.0  # seconds, then a search makes room for others where there is none
CLIENT_PATIENCE = 1.8  # seconds, then an answer behind its time is given if there is one (RFC 8767 5)

Then = Callable[[Resolved], None]
Key = tuple[bytes, int, int]
"""Name (folded), type and flags of a question."""


class Recursion:
    """All that is looked for at the moment, each question once, and what was learnt."""

    def __init__(self, config: Config, context: Context, tasks: Tasks, statistics: Statistics) -> None:
        self.config, self.context, self.statistics = config, context, statistics
        limits = CacheLimits(
            size=config.cache, least=int(config.min_ttl), most=int(config.max_ttl), stale=int(config.serve_stale)
        )
        self.cache, self.book = DnsCache(limits), ServerBook()
        unseen = random.SystemRandom()  # ids and capitals must not be foreseen; the lab's seeded Random can be
        self.resolver = Resolver(settings(config), self.cache, self.book, chance=unseen)
        places = {forward.key: SocketAddress(forward.host, forward.port) for forward in config.forward}
        self.asker = Asker(
            context.flows,
            context.clock,
            context.dialer("resolver"),
            lambda address: places.get(address) or SocketAddress(address, config.upstream_port),
            unseen,
            tasks,
            "resolver",
        )
        self.under_way: dict[Key, Search] = {}  # the oldest first
        self.late: asyncio.TimerHandle | None = None  # when the oldest has waited long enough

    def look_for(self, name: bytes, kind: int, flags: int, flow: Flow, then: Then) -> bool:
        """Call `then` with the answer; who asks the same meanwhile waits with the first. False: there is no room.

        Where there is none, what is known already is still answered.
        """
        key = (name.lower(), kind, flags)
        search = self.under_way.get(key)
        if search is not None:
            return self._join(search, then)
        full, most = len(self.under_way), self.config.max_recursions
        if full >= 2 * most:
            return False
        if full >= most and not self.resolver.knows(key[0], kind, self.context.clock.now()) and not self._make_room():
            return False
        Search(self, key, name, flow, then).begin()
        return True

    def _make_room(self) -> bool:
        """Give up what is looked for the longest, if that is long: a silent zone must not keep other names out."""
        oldest = next(iter(self.under_way.values()))
        if asyncio.get_running_loop().time() - oldest.began < LONG:
            return False
        oldest.end(Resolved(SERVFAIL, error=(OTHER, "given up for others: too much is looked for")))
        return True

    def _join(self, search: Search, then: Then) -> bool:
        if len(search.waiting) >= MOST_WAITING:
            return False
        self.statistics.joined += 1
        search.waiting.append(then)
        return True

    def lose_patience(self) -> None:
        """Give what is behind its time to those who have waited long enough, the oldest first."""
        self.late, loop = None, asyncio.get_running_loop()
        for search in list(self.under_way.values()):
            left = search.began + CLIENT_PATIENCE - loop.time()
            if left > 0:
                self.late = loop.call_later(left, self.lose_patience)
                break
            if search.patient:
                search.give_stale()

    def close(self) -> None:
        """Look for nothing any more, and tell those who wait."""
        if self.late is not None:
            self.late.cancel()
        for search in list(self.under_way.values()):
            search.end(Resolved(SERVFAIL, error=(OTHER, "the resolver is stopping")))
        self.asker.close()


class Search:
    """One question that is being looked for, and everyone who waits for its answer."""

    __slots__ = ("_flow", "_key", "_name", "_query", "_recursion", "_steps", "began", "patient", "waiting")

    def __init__(self, recursion: Recursion, key: Key, name: bytes, flow: Flow, then: Then) -> None:
        self._recursion, self._key, self._name, self._flow = recursion, key, name, flow
        self.waiting, self.began = [then], asyncio.get_running_loop().time()
        self._steps = recursion.resolver.resolve(name, key[1], recursion.context.clock.now(), flags=key[2])
        self._query: Query | None = None
        self.patient = True

    def begin(self) -> None:
        """Answer from the cache at once, or ask the first server."""
        recursion = self._recursion
        recursion.under_way[self._key] = self
        self._advance(None)
        if self._query is not None and recursion.late is None and recursion.resolver.settings.serve_stale:
            recursion.late = asyncio.get_running_loop().call_later(CLIENT_PATIENCE, recursion.lose_patience)

    def _advance(self, result: Result | None) -> None:
        """Tell the resolution what came of its last query, and send the next."""
        recursion = self._recursion
        if result is not None:
            self._query = None
            recursion.statistics.replied(result)
        try:
            ask = next(self._steps) if result is None else self._steps.send(result)
        except StopIteration as ended:
            self.end(ended.value)
            return
        except Exception as error:  # the edge of a question: the others go on, and this client is told
            report = {"message": f"resolving {to_text(self._name)} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(report)
            self.end(Resolved(SERVFAIL, error=(OTHER, "a fault of this resolver")))
            return
        recursion.statistics.queries += 1
        self._query = recursion.asker.send(ask, self._flow, self._advance)

    def give_stale(self) -> None:
        """Those who wait get what was known, once; the search goes on, for those who ask next."""
        self.patient = False
        recursion, now = self._recursion, self._recursion.context.clock.now()
        stale = recursion.resolver.stale(self._name, self._key[1], now, f"no answer within {CLIENT_PATIENCE:g} s")
        if stale is not None:
            self._tell(stale)

    def end(self, resolved: Resolved) -> None:
        """The answer is here, or the reason why there is none."""
        del self._recursion.under_way[self._key]
        if self._query is not None:
            self._query.cancel()
        self._recursion.statistics.searched(resolved)
        self._tell(resolved)

    def _tell(self, resolved: Resolved) -> None:
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then(resolved)


def settings(config: Config) -> Settings:
    """What the core is told."""
    forwards: dict[bytes, tuple[str, ...]] = {}
    for forward in config.forward:
        forwards[forward.zone] = (*forwards.get(forward.zone, ()), forward.key)
    return Settings(
        hints=OWN_ROOT if config.root_hints is None else read_hints(config.root_hints),
        forwards=forwards,
        over_tcp=frozenset(forward.key for forward in config.forward if forward.tcp),
        minimise=config.qname_minimisation == "yes",
        ipv6=config.ipv6,
        most_queries=config.max_queries,
        serve_stale=config.serve_stale > 0,
    )


def read_hints(path: Path) -> dict[bytes, tuple[str, ...]]:
    """Names and addresses of the root's servers from a file as InterNIC publishes it (RFC 9609 2)."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--root-hints {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"--root-hints {path} is no text in UTF-8: byte {error.start}") from None
    records = read_master(text, name=str(path))
    names = [target(NS, record.rdata).lower() for record in records if record.type == NS and record.name == ROOT]
    hints = {
        name: tuple(
            show(each.type, each.rdata) for each in records if each.type in (A, AAAA) and each.name.lower() == name
        )
        for name in names
    }
    if not any(hints.values()):
        raise UsageError(f"--root-hints {path} names no server of the root with an address: '. NS NAME' and 'NAME A …'")
    return hints
