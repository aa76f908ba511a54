"""The resolver's cache: rrsets by rank and time, denials, failures, and what to say when all else fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from netlab.cores.dns_codes import CNAME, DNAME, NS, RRSIG, SOA, type_name, type_number
from netlab.cores.dns_master import read_master
from netlab.cores.dns_message import Record
from netlab.cores.dns_names import ancestors, from_text, is_below, parent, to_text
from netlab.cores.dns_rdata import show
from netlab.errors import UsageError


class Rank(IntEnum):
    """How much data is to be trusted, by where it stood (RFC 2181 5.4.1); more replaces less, never the reverse."""

    GLUE = 1  # additional section, or the authority section of a referral
    ANSWER = 2  # answer section without AA: a forwarder's
    AUTHORITY = 3  # authority section of an authoritative answer
    AUTHORITATIVE = 4  # its answer section
    AUTHENTIC = 5  # validated, as a forwarder says who is believed (AD, RFC 4035 3.2.3)


class Denial(IntEnum):
    """What a negative entry denies."""

    NONE = 0
    NODATA = 1  # the type at this name
    NXDOMAIN = 2  # the name, and with it all below (RFC 8020)


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheLimits:
    """Bytes, and seconds."""

    size: int = 128 << 20
    least: int = 0
    """Records are kept at least so long, whatever their TTL."""
    most: int = 86_400
    negative: int = 3_600
    """Denials are kept no longer (RFC 2308 5 asks for one to three hours)."""
    stale: int = 86_400
    """How long behind their time records may still be given where nothing better is to be had (RFC 8767); 0: never."""
    stale_ttl: int = 30
    failure: int = 5
    """A failure is remembered so long, and twice as long each time again, up to `failure_most` (RFC 9520 3.2)."""
    failure_most: int = 300


class Entry:
    """One rrset, or the denial of one (`records` is then the SOA that says so), with its signatures."""

    __slots__ = ("denial", "expires", "kind", "name", "rank", "records", "signatures", "size", "stored")

    def __init__(
        self,
        name: bytes,
        kind: int,
        records: tuple[Record, ...],
        signatures: tuple[Record, ...],
        rank: Rank,
        denial: Denial,
        stored: float,
        expires: float,
    ) -> None:
        self.name, self.kind, self.records, self.signatures = name, kind, records, signatures
        self.rank, self.denial, self.stored, self.expires = rank, denial, stored, expires
        size = OVERHEAD + len(name)
        for each in records + signatures if signatures else records:
            size += 120 + len(each.name) + len(each.rdata)
        self.size = size

    def aged(self, now: float, *, stale_ttl: int = 0) -> list[Record]:
        """The records, and behind them their signatures, with what is left of their time."""
        left = max(int(self.expires - now), 0) if now < self.expires else stale_ttl
        records = self.records + self.signatures if self.signatures else self.records
        return [Record(name, kind, left, rdata, klass) for name, kind, _, rdata, klass in records]

    def __repr__(self) -> str:
        what = self.denial.name if self.denial else self.rank.name
        return f"<Entry {to_text(self.name)} {type_name(self.kind)} {what} {len(self.records)}>"


class Failure(NamedTuple):
    """A question that could not be answered: until when it is not asked again, and why (RFC 8914)."""

    until: float
    pause: int
    code: int
    text: str


OVERHEAD = 400
"""Bytes that an entry costs besides what it holds, roughly."""
ANY_KIND = -1
"""The type under which the denial of a name as a whole is kept: none that can be asked for."""


class DnsCache:
    """What was learnt, within a bound of bytes: what was not used for longest goes first. Names are folded."""

    def __init__(self, limits: CacheLimits | None = None) -> None:
        self.limits = limits or CacheLimits()
        self.size = 0
        self._entries: dict[tuple[bytes, int], Entry] = {}
        self._failures: dict[tuple[bytes, int], Failure] = {}

    # -- asking --------------------------------------------------------------------------------------------------

    def lookup(self, name: bytes, kind: int, now: float, *, least: Rank = Rank.ANSWER) -> Entry | None:
        """The rrset, or a denial of it, that has not expired and is trusted enough."""
        entry = self._fresh(name, kind, now)
        if entry is not None and entry.rank >= least:
            return entry
        return self.denied(name, now)

    def find(self, name: bytes, kind: int, now: float) -> Entry | None:
        """What a question is answered with: the rrset or a denial of it, else an alias at the name or above it."""
        entry = self._fresh(name, kind, now)
        if entry is not None and entry.rank >= Rank.ANSWER:
            return entry
        entry = self.denied(name, now)
        if entry is None and kind != CNAME:
            entry = self._fresh(name, CNAME, now)
            if entry is not None and (entry.denial or entry.rank < Rank.ANSWER):
                entry = None
        return entry or self.dname(name, now)

    def denied(self, name: bytes, now: float) -> Entry | None:
        """The denial of a name as a whole, or of one above it (RFC 8020 2: below a name that is not, nothing is)."""
        entries = self._entries
        for each in ancestors(name):
            if (each, ANY_KIND) in entries and (denied := self._fresh(each, ANY_KIND, now)) is not None:
                return denied
        return None

    def stale(self, name: bytes, kind: int, now: float) -> Entry | None:
        """An entry that has expired, for want of a better one (RFC 8767 4)."""
        for key in ((name, kind), (name, ANY_KIND)):
            entry = self._entries.get(key)
            if entry is not None and entry.rank >= Rank.ANSWER and now < entry.expires + self.limits.stale:
                return entry
        return None

    def delegation(self, name: bytes, now: float) -> Entry | None:
        """The NS rrset of the deepest zone known at or above a name."""
        for zone in ancestors(name):
            entry = self._fresh(zone, NS, now)
            if entry is not None and not entry.denial:
                return entry
        return None

    def dname(self, name: bytes, now: float) -> Entry | None:
        """A DNAME above a name."""
        entries = self._entries
        for each in ancestors(parent(name)):
            if (each, DNAME) in entries:
                entry = self._fresh(each, DNAME, now)
                if entry is not None and not entry.denial and entry.rank >= Rank.ANSWER:
                    return entry
        return None

    def _fresh(self, name: bytes, kind: int, now: float) -> Entry | None:
        key = (name, kind)
        entry = self._entries.get(key)
        if entry is None or now >= entry.expires:
            return None
        del self._entries[key]  # what was used last is dropped last
        self._entries[key] = entry
        return entry

    # -- learning ------------------------------------------------------------------------------------------------

    def store(self, records: Sequence[Record], rank: Rank, now: float) -> None:
        """Keep rrsets, each with its signatures; what is known with a higher rank, and fresh, stays."""
        if len(records) == 1 and records[0].type != RRSIG:  # as most are
            self._keep(records[0].name.lower(), records[0].type, tuple(records), (), rank, now)
            return
        rrsets: dict[tuple[bytes, int], tuple[list[Record], list[Record]]] = {}
        for record in records:
            signature = record.type == RRSIG and len(record.rdata) > 2
            kind = int.from_bytes(record.rdata[:2], "big") if signature else record.type
            rrsets.setdefault((record.name.lower(), kind), ([], []))[signature].append(record)
        for (name, kind), (own, signatures) in rrsets.items():
            if own:
                self._keep(name, kind, tuple(own), tuple(signatures), rank, now)

    def _keep(
        self, name: bytes, kind: int, own: tuple[Record, ...], signatures: tuple[Record, ...], rank: Rank, now: float
    ) -> None:
        ttl = min([record.ttl for record in own + signatures])
        ttl = max(min(ttl, self.limits.most), self.limits.least)
        self._put(Entry(name, kind, own, signatures, rank, Denial.NONE, now, now + ttl), now)

    def deny(self, name: bytes, kind: int, denial: Denial, proof: Iterable[Record], rank: Rank, now: float) -> None:
        """Keep a denial for the lesser of its SOA's TTL and minimum; without an SOA not at all (RFC 2308 5)."""
        kept = tuple(proof)
        soa = next((record for record in kept if record.type == SOA), None)
        if soa is None:
            return
        ttl = min(soa.ttl, int.from_bytes(soa.rdata[-4:], "big"), self.limits.negative)
        own = ANY_KIND if denial is Denial.NXDOMAIN else kind
        records = tuple(record for record in kept if record.type != RRSIG)
        signatures = tuple(record for record in kept if record.type == RRSIG)
        self._put(Entry(name.lower(), own, records, signatures, rank, denial, now, now + ttl), now)

    def _put(self, entry: Entry, now: float) -> None:
        key = (entry.name, entry.kind)
        known = self._entries.get(key)
        if known is not None:
            if known.rank > entry.rank and now < known.expires:
                return
            if entry.kind == NS and known.rank == entry.rank and now < known.expires and known.expires < entry.expires:
                entry.expires = known.expires  # a delegation is not prolonged by those it names: ghost domains
            self._drop(key)
        if not entry.denial:
            self._drop((entry.name, ANY_KIND))  # the name exists after all
        self._failures.pop(key, None)
        self._entries[key] = entry
        self.size += entry.size
        while self.size > self.limits.size:
            self._drop(next(iter(self._entries)))

    def forget(self, name: bytes, kind: int) -> None:
        """Drop one rrset (name folded)."""
        self._drop((name, kind))

    def _drop(self, key: tuple[bytes, int]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size

    # -- failures ------------------------------------------------------------------------------------------------

    def fail(self, name: bytes, kind: int, code: int, text: str, now: float) -> None:
        """Remember that a question could not be answered, each time for twice as long (RFC 9520 3.2)."""
        known = self._failures.pop((name, kind), None)
        pause = self.limits.failure if known is None else min(known.pause * 2, self.limits.failure_most)
        self._failures[name, kind] = Failure(now + pause, pause, code, text)
        while len(self._failures) > MOST_FAILURES:
            del self._failures[next(iter(self._failures))]

    def failed(self, name: bytes, kind: int, now: float) -> Failure | None:
        failure = self._failures.get((name, kind))
        return failure if failure is not None and now < failure.until else None

    # -- for the person at the keyboard --------------------------------------------------------------------------

    def flush(self, name: bytes, *, subtree: bool = False) -> int:
        """Forget what is known of a name, or of all at and below it; returns how many entries that were."""
        name = name.lower()
        for failed in [key for key in self._failures if key[0] == name or (subtree and is_below(key[0], name))]:
            del self._failures[failed]
        gone = [key for key in self._entries if key[0] == name or (subtree and is_below(key[0], name))]
        for key in gone:
            self._drop(key)
        return len(gone)

    def dump(self, now: float) -> Iterator[str]:
        """Lines `RANK NAME TTL CLASS TYPE DATA`; a denial's have what they deny behind the rank."""
        for entry in list(self._entries.values()):
            if now >= entry.expires:
                continue
            head = entry.rank.name.lower()
            if entry.denial:
                denied = "ANY" if entry.kind == ANY_KIND else type_name(entry.kind)
                head = f"{head} {entry.denial.name.lower()} {to_text(entry.name)} {denied}"
            for record in entry.aged(now):
                data = show(record.type, record.rdata)
                yield f"{head} {to_text(record.name)} {record.ttl} IN {type_name(record.type)} {data}"

    def load(self, lines: Iterable[str], now: float) -> int:
        """Keep what `dump` wrote; returns how many entries that made. UsageError names the line that is none."""
        before = len(self)
        sets: dict[tuple[str, ...], list[Record]] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            head, record = _read_line(line, number)
            sets.setdefault(head, []).append(record)
        for (rank, denial, name, kind), records in sets.items():
            if denial:
                self.deny(from_text(name), type_number(kind), Denial[denial], records, Rank[rank], now)
            else:
                self.store(records, Rank[rank], now)
        return len(self) - before

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)


def _read_line(line: str, number: int) -> tuple[tuple[str, str, str, str], Record]:
    """(rank, denial, denied name, denied type) and the record of a line of a dump."""
    words = line.split(" ", 1)
    rank, rest = words[0].upper(), words[-1]
    denial = name = kind = ""
    if rest.partition(" ")[0].upper() in (Denial.NODATA.name, Denial.NXDOMAIN.name):
        denial, name, kind, rest = (*rest.split(" ", 3), "", "", "")[:4]
    if rank not in Rank.__members__:
        raise UsageError(f"line {number} does not begin with a rank: {', '.join(each.name.lower() for each in Rank)}")
    try:
        (record,) = read_master(rest)
    except (UsageError, ValueError) as error:
        raise UsageError(f"line {number} has no record behind its rank: {error}") from None
    return (rank, denial.upper(), name, kind), record


MOST_FAILURES = 10_000
