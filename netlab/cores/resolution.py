"""Iterative resolution (RFC 1034 5.3.3): a generator that yields what to ask, of whom, and is sent what came back.

It does no I/O and knows no clock: each result brings the time, and the driver that runs it sends the queries, matches
the replies to them and waits. What is learnt goes to a cache and to a book of servers, both passed in.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from netlab.cores.dns_codes import (
    ANY,
    CNAME,
    DNAME,
    DS,
    NOERROR,
    NS,
    NXDOMAIN,
    SERVFAIL,
    SOA,
    YXDOMAIN,
    A,
    type_name,
)
from netlab.cores.dns_message import CD, Question, Record
from netlab.cores.dns_names import LONGEST_NAME, ROOT, count, is_below, parent, to_text, upper
from netlab.cores.dns_rdata import LAYOUTS, show, target
from netlab.cores.dns_response import Meaning, Reading
from netlab.cores.resolution_asking import (
    CACHED_ERROR,
    INVALID_DATA,
    OTHER,
    STALE_ANSWER,
    STALE_NXDOMAIN,
    Ask,
    Asking,
    Chance,
    Failed,
    Result,
    Settings,
    Steps,
)
from netlab.cores.resolution_trace import Trace
from netlab.policy.dns_cache import ANY_KIND, Denial, DnsCache, Entry, Rank
from netlab.policy.dns_servers import ServerBook


@dataclass(slots=True)
class Resolved:
    """The answer for a client; `error` is an Extended DNS Error: code and the one reason."""

    rcode: int
    answer: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    error: tuple[int, str] | None = None
    trace: Trace | None = None
    queries: int = 0  # sent for it
    authentic: bool = False  # all of it is validated, as a forwarder says


class Resolver:
    """What all resolutions of one resolver share: settings, cache, and what is known of servers."""

    def __init__(self, settings: Settings, cache: DnsCache, book: ServerBook, *, chance: Chance) -> None:
        """`chance` decides whom to ask and which capitals to use (0x20)."""
        self.settings, self.cache, self.book, self.chance = settings, cache, book, chance

    def resolve(self, name: bytes, kind: int, now: float, *, flags: int = 0) -> Generator[Ask, Result, Resolved]:
        """Answer a question of class IN; CD in `flags` is carried on."""
        work = Work(self, now, flags & CD)
        trace = Trace(Question(name, kind))
        try:
            resolved: Resolved = yield from work.answer(name, kind, trace, 0)
        except Failed as failed:
            resolved = self._failure(name, kind, failed, trace, work.now)
        resolved.trace, resolved.queries = trace, work.queries
        return resolved

    def knows(self, key: bytes, kind: int, now: float) -> bool:
        """Whether something is known of a name (folded) that answers it, or leads on."""
        return self.cache.find(key, kind, now) is not None

    def _failure(self, name: bytes, kind: int, failed: Failed, trace: Trace, now: float) -> Resolved:
        """What is left to say: an answer behind its time (RFC 8767), else SERVFAIL with the reason."""
        trace.note("failed", failed.why, code=failed.code)
        if failed.code != CACHED_ERROR:
            self.cache.fail(name.lower(), kind, failed.code, failed.why, now)
        if (stale := self.stale(name, kind, now, failed.why)) is not None:
            trace.note("stale", "an answer behind its time is better than none (RFC 8767)")
            return stale
        return Resolved(SERVFAIL, error=(failed.code, failed.why))

    def stale(self, name: bytes, kind: int, now: float, why: str) -> Resolved | None:
        """The answer as it was known, where some of it is behind its time; None where that is not known or allowed."""
        if not self.settings.serve_stale:
            return None
        resolved = self._without_asking(Work(self, now, 0, Known.LATE), name, kind)
        if resolved is not None:
            resolved.error = (STALE_NXDOMAIN if resolved.rcode == NXDOMAIN else STALE_ANSWER, why)
        return resolved

    def known(self, name: bytes, kind: int, now: float) -> Resolved | None:
        """The answer, where all of it is in the cache."""
        return self._without_asking(Work(self, now, 0, Known.FRESH), name, kind)

    def _without_asking(self, work: Work, name: bytes, kind: int) -> Resolved | None:
        try:
            next(work.answer(name, kind, Trace(Question(name, kind)), 0))
        except StopIteration as ended:
            resolved: Resolved = ended.value
            return resolved
        except Failed:
            return None
        raise AssertionError("nobody is asked for an answer that has to be known")


class Known(Enum):
    """What a resolution may use of what is known, and whether it may ask for more."""

    ASKED = "fresh, and what servers say"
    FRESH = "fresh, and nothing else"
    LATE = "fresh or behind its time, and nothing else"


class Work(Asking):
    """One client's question: from alias to alias, and for each from zone to zone."""

    def __init__(self, resolver: Resolver, now: float, flags: int, use: Known = Known.ASKED) -> None:
        super().__init__(resolver.settings, resolver.cache, resolver.book, resolver.chance, now, flags)
        self.under_way: list[tuple[bytes, int]] = []
        self.use = use
        self.no_names: set[bytes] = set()  # on the way to others, as their servers say: told once, asked once
        self.doubted: set[tuple[bytes, int]] = set()  # zones whose servers did not answer, by depth

    # -- a question, alias by alias ------------------------------------------------------------------------------

    def answer(self, name: bytes, kind: int, trace: Trace, depth: int) -> Steps:
        """The answer, from the cache or by asking; Failed if there is none to be had."""
        if depth > self.settings.most_depth:
            raise Failed(OTHER, f"more than {self.settings.most_depth} servers' names to look up within each other")
        found: list[Record] = []
        key, seen, authentic = name.lower(), set[bytes](), True
        for _ in range(self.settings.most_aliases):
            if key in seen:
                raise Failed(OTHER, f"aliases lead in a circle, back to {to_text(key)}")
            seen.add(key)
            entry = self._known(key, kind, trace)
            if entry is None and self.use is Known.ASKED:
                entry = yield from self._learn(key, kind, trace, depth)
            if entry is None:  # an alias was learnt, or an answer that must not be kept
                entry = self._known(key, kind, trace)
            if entry is None:
                raise Failed(INVALID_DATA, f"nothing that answers {to_text(key)} {type_name(kind)} could be kept")
            authentic = authentic and entry.rank is Rank.AUTHENTIC
            if entry.denial:
                rcode = NXDOMAIN if entry.denial is Denial.NXDOMAIN else NOERROR
                return Resolved(rcode, found, self._aged(entry), authentic=authentic)
            records = self._aged(entry)
            if entry.kind == DNAME and entry.name != key:
                moved = _moved(key, records[0])
                if len(moved) > LONGEST_NAME:  # RFC 6672 2.2
                    return Resolved(YXDOMAIN, found + records)
                found += [*records, Record(key, CNAME, records[0].ttl, moved)]
                if kind in (CNAME, ANY):  # the alias made here is what was asked for
                    return Resolved(NOERROR, _as_asked(found, name))
                key = moved.lower()
            elif entry.kind == CNAME and kind not in (CNAME, ANY):
                found += records
                key = target(CNAME, records[0].rdata).lower()
            else:
                return Resolved(NOERROR, _as_asked(found + records, name), authentic=authentic)
        raise Failed(OTHER, f"more than {self.settings.most_aliases} aliases behind each other")

    def _known(self, key: bytes, kind: int, trace: Trace) -> Entry | None:
        """From the cache: the rrset, its denial, or an alias that stands for it."""
        if kind == ANY:
            entry = self._any(key) or self.cache.dname(key, self.now)
        else:
            entry = self.cache.find(key, kind, self.now)
            if entry is None and self.use is Known.LATE:
                entry = self.cache.stale(key, kind, self.now) or self.cache.stale(key, CNAME, self.now)
                entry = None if entry is not None and entry.denial is Denial.NODATA and entry.kind != kind else entry
        if entry is not None:
            known = "denied" if entry.denial else "known"
            what = f"{to_text(entry.name)} {type_name(entry.kind)}" if entry.kind != ANY_KIND else to_text(entry.name)
            trace.note("cache", f"{what} is {known}, for {max(entry.expires - self.now, 0):.0f} s more")
        return entry

    def _aged(self, entry: Entry) -> list[Record]:
        return entry.aged(self.now, stale_ttl=self.cache.limits.stale_ttl if self.use is Known.LATE else 0)

    def _any(self, key: bytes) -> Entry | None:
        """ANY is answered with one rrset that is known (RFC 8482 4.1)."""
        for kind in LAYOUTS:
            entry = self.cache.lookup(key, kind, self.now)
            if entry is not None and entry.denial is not Denial.NODATA:
                return entry
        return None

    # -- from zone to zone ---------------------------------------------------------------------------------------

    def _learn(self, key: bytes, kind: int, trace: Trace, depth: int) -> Steps:
        """Go down from the deepest zone known until a server answers; returns what is to be used at once."""
        if (failure := self.cache.failed(key, kind, self.now)) is not None:
            raise Failed(CACHED_ERROR, f"{failure.text} (asked before; again in {failure.until - self.now:.0f} s)")
        if (key, kind) in self.under_way:
            raise Failed(OTHER, f"to find {to_text(key)} {type_name(kind)} one would have to know it: a circle of glue")
        self.under_way.append((key, kind))
        try:
            entry = yield from self._descend(key, kind, trace, depth)
        finally:
            self.under_way.pop()
        return entry

    def _descend(self, key: bytes, kind: int, trace: Trace, depth: int) -> Steps:
        zone, servers, forward = self._start(key, kind)
        if servers is None and not forward:
            yield from self._prime(trace)
            servers = self._delegation(ROOT)
        told, whole, total = count(zone), not self.settings.minimise or forward, count(key)
        steps, look_up = 0, partial(self._look_up, depth=depth)
        while True:
            told, steps = self._how_much(total, told, steps, whole)
            if told < total and upper(key, told) in self.no_names:
                told = total
            question = Question(key, kind) if told == total else Question(upper(key, told), A)
            if told < total and self.cache.lookup(question.name, A, self.now) is not None:
                continue  # that there is no zone cut here is known from before
            try:
                reading: Reading = yield from self.ask_zone(zone, servers, question, forward, trace, look_up)
            except Failed:
                if self.spent:
                    raise
                if not forward and self._others(zone, servers, depth):
                    zone, servers, forward = self._start(key, kind)
                    told, whole = count(zone), not self.settings.minimise
                    continue
                if question.name == key:
                    raise
                whole = True  # RFC 9156 3: it may be the shorter name that its servers do not like
                continue
            last = question.name == key
            if last or reading.meaning is not Meaning.NXDOMAIN:
                self._keep(reading, question, zone, trusted=forward)
            if reading.meaning is Meaning.REFERRAL:
                zone, told, whole = reading.zone, max(told - 1, count(reading.zone)), not self.settings.minimise
                servers = self._delegation(zone)
                continue
            if last:
                kept = self.cache.lookup(key, kind, self.now) if kind != ANY else None
                return kept or self._passing(reading, key, kind)
            if reading.meaning is Meaning.NXDOMAIN and not reading.answer:
                whole = True  # RFC 9156 3: some say so of names that only lead to others; the whole name settles it
                self.no_names.add(question.name)
            elif reading.meaning not in (Meaning.NODATA, Meaning.ANSWER, Meaning.ALIAS):
                whole = True

    def _others(self, zone: bytes, asked: Entry | None, depth: int) -> bool:
        """Whether a zone may have other servers than those asked, which do not answer: its parent's, where it has named
        its own (they are forgotten), or what was learnt meanwhile. Found out once for a question.
        """
        if (zone, depth) in self.doubted or zone == ROOT:
            return False
        self.doubted.add((zone, depth))
        entry = self._delegation(zone)
        if entry is None or entry is not asked:
            return entry is not None
        if entry.rank < Rank.AUTHORITY:
            return False
        self.cache.forget(zone, NS)
        return True

    def _delegation(self, zone: bytes) -> Entry | None:
        return self.cache.lookup(zone, NS, self.now, least=Rank.GLUE)

    def _start(self, key: bytes, kind: int) -> tuple[bytes, Entry | None, bool]:
        """The deepest zone whose servers are known, and they, or that questions about it are forwarded."""
        forward = max((each for each in self.settings.forwards if is_below(key, each)), key=len, default=None)
        above = parent(key) if kind == DS else key  # RFC 4035 3.1.4.1: DS is the parent's
        entry = self.cache.delegation(above, self.now)
        zone = entry.name if entry is not None else ROOT
        if forward is not None and len(forward) >= len(zone):
            return forward, None, True
        return zone, entry, False

    def _how_much(self, total: int, told: int, steps: int, whole: bool) -> tuple[int, int]:
        """How many labels the next question has: one more, after some steps several (RFC 9156 2.3)."""
        if whole or told >= total:
            return total, steps
        left = total - told
        more = 1 if steps < ONE_BY_ONE else -(-left // max(MOST_STEPS - steps, 1))
        return min(told + more, total), steps + 1

    def _prime(self, trace: Trace) -> Steps:
        """Ask a root server for the root's servers (RFC 9609 3); the hints serve where that fails."""
        inner = trace.inner(Question(ROOT, NS), "priming")
        try:
            reading = yield from self.ask_zone(ROOT, None, Question(ROOT, NS), False, inner, self._look_up)
        except Failed as failed:
            inner.note("failed", failed.why, code=failed.code)
        else:
            self._keep(reading, Question(ROOT, NS), ROOT, trusted=False)

    def _look_up(self, hosts: list[bytes], trace: Trace, depth: int = 0) -> Steps:
        """Addresses of the next of the servers that came without glue; none when there is no next."""
        while hosts:
            host = hosts.pop()
            for kind in self.address_types():
                inner = trace.inner(Question(host, kind), "a server without glue")
                try:
                    resolved: Resolved = yield from self.answer(host, kind, inner, depth + 1)
                except Failed as failed:
                    inner.note("failed", failed.why, code=failed.code)
                    self.reason = self.reason or failed.why  # the first is where it began
                    if self.spent:
                        raise
                    continue
                found = [show(kind, record.rdata) for record in resolved.answer if record.type == kind]
                if found:
                    return found
        return []

    # -- what is learnt ------------------------------------------------------------------------------------------

    def _keep(self, reading: Reading, question: Question, zone: bytes, *, trusted: bool) -> None:
        """Put a reading into the cache, each part with its rank."""
        cache, now = self.cache, self.now
        if reading.answer:
            cache.store(
                reading.answer, _rank(reading, Rank.ANSWER if trusted or reading.weak else Rank.AUTHORITATIVE), now
            )
        if reading.servers:
            cache.store(reading.servers, Rank.GLUE if reading.meaning is Meaning.REFERRAL else Rank.AUTHORITY, now)
        if reading.glue:
            cache.store(reading.glue, Rank.GLUE, now)
        if reading.meaning in (Meaning.NODATA, Meaning.NXDOMAIN):
            denial = Denial.NXDOMAIN if reading.meaning is Meaning.NXDOMAIN else Denial.NODATA
            rank = _rank(reading, Rank.ANSWER if trusted or reading.weak else Rank.AUTHORITY)
            cache.deny(reading.target, question.type, denial, reading.proof, rank, now)

    def _passing(self, reading: Reading, key: bytes, kind: int) -> Entry | None:
        """What is told on although it was not kept: TTLs of zero, denials without a SOA, answers to ANY."""
        now = self.now
        if reading.meaning is Meaning.ANSWER and reading.target == key:
            own = [record for record in reading.answer if record.name.lower() == key]
            wanted = kind if kind != ANY else next((record.type for record in own), ANY)
            return _entry(key, wanted, own, Denial.NONE, now, _rank(reading))
        if reading.meaning in (Meaning.NODATA, Meaning.NXDOMAIN) and reading.target == key:
            denial = Denial.NXDOMAIN if reading.meaning is Meaning.NXDOMAIN else Denial.NODATA
            return _entry(key, kind, reading.proof, denial, now, _rank(reading))
        for record in reading.answer[:1]:
            if record.type in (CNAME, DNAME) and (record.type != kind or record.name.lower() != key):
                return _entry(record.name.lower(), record.type, [record], Denial.NONE, now, _rank(reading))
        return None


def _rank(reading: Reading, rank: Rank = Rank.ANSWER) -> Rank:
    return Rank.AUTHENTIC if reading.authentic else rank


def _entry(key: bytes, kind: int, records: Sequence[Record], denial: Denial, now: float, rank: Rank) -> Entry:
    least = min((record.ttl for record in records), default=0)
    minimum = next((int.from_bytes(each.rdata[-4:], "big") for each in records if each.type == SOA), least)
    ttl = min(least, minimum) if denial else least
    return Entry(key, kind, tuple(records), (), rank, denial, now, now + ttl)


def _moved(name: bytes, dname: Record) -> bytes:
    """Where a DNAME takes a name (RFC 6672 2.2); it may be longer than a name can be."""
    return name[: len(name) - len(dname.name)] + target(DNAME, dname.rdata)


def _as_asked(records: list[Record], name: bytes) -> list[Record]:
    """The owner as the client wrote it, where it is the name it asked for (0x20)."""
    key = name.lower()
    return [
        Record(name, each.type, each.ttl, each.rdata, each.klass)
        if each.name != name and each.name.lower() == key
        else each
        for each in records
    ]


ONE_BY_ONE, MOST_STEPS = 4, 10
"""RFC 9156 2.3: MINIMISE_ONE_LAB and MAX_MINIMISE_COUNT."""
