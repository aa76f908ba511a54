"""One zone of authority: what its records say to a question (RFC 1034 4.3.2, RFC 4592, RFC 6672)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from netlab.cores.dns_codes import (
    AAAA,
    ANY,
    CNAME,
    DNAME,
    DS,
    HTTPS,
    MX,
    NS,
    NSEC,
    RRSIG,
    SOA,
    SRV,
    SVCB,
    A,
    type_name,
)
from netlab.cores.dns_master import Misplaced
from netlab.cores.dns_message import Record
from netlab.cores.dns_names import LONGEST_NAME, ROOT, ancestors, count, is_below, order, parent, to_text, upper
from netlab.cores.dns_rdata import target
from netlab.errors import UsageError

LONGEST_CHAIN = 16
"""Aliases followed within a zone for one question."""
BESIDE_CNAME = frozenset((CNAME, RRSIG, NSEC))
POINTS_TO_HOST = frozenset((NS, MX, SRV, SVCB, HTTPS))


class Outcome(Enum):
    """What a zone has to say."""

    ANSWER = "answer"
    NODATA = "no data"  # the name exists, the type does not (RFC 2308 2.2)
    NXDOMAIN = "no such name"
    REFERRAL = "referral"
    ELSEWHERE = "elsewhere"  # an alias leads out of the zone: whoever asked goes on there
    TOO_LONG = "too long"  # a DNAME makes a name that none can have: YXDOMAIN (RFC 6672 2.2)


@dataclass(slots=True)
class Answer:
    """The sections of a response; `authoritative` tells whether the answer section is of this zone."""

    outcome: Outcome
    answer: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)

    @property
    def authoritative(self) -> bool:
        return self.outcome is not Outcome.REFERRAL or bool(self.answer)


Rrsets = dict[int, list[Record]]


class Zone:
    """The records of a zone by folded name; names that only lead to others (empty non-terminals) have none."""

    def __init__(self, origin: bytes, records: Iterable[Record], places: Sequence[str] = ()) -> None:
        """UsageError says which records cannot stand in this zone together; `places` says where each was read."""
        self.origin = origin.lower()
        self.names: dict[bytes, Rrsets] = {}
        for number, record in enumerate(records):
            try:
                self._add(record)
            except UsageError as error:
                if not places:
                    raise
                raise Misplaced(f"{places[number]}: {error}") from None
        apex = self.names.get(self.origin, {})
        if len(apex.get(SOA, ())) != 1:
            raise UsageError(f"{to_text(self.origin)} has {len(apex.get(SOA, ()))} SOA records at its top; one is due")
        if NS not in apex:
            raise UsageError(f"{to_text(self.origin)} has no NS record at its top")
        self.soa = apex[SOA][0]

    def _add(self, record: Record) -> None:
        owner = record.name.lower()
        if not is_below(owner, self.origin):
            raise UsageError(f"{to_text(record.name)} is not in the zone {to_text(self.origin)}")
        if record.type == SOA and owner != self.origin:
            raise UsageError(f"{to_text(record.name)} has a SOA record, which belongs at the zone's top")
        for name in ancestors(owner):
            if name in self.names:
                break
            self.names[name] = {}
            if name == self.origin:
                break
        rrset = self.names[owner].setdefault(record.type, [])
        if all(known.rdata != record.rdata for known in rrset):  # RFC 2181 5: no two alike
            ttl = min(record.ttl, rrset[0].ttl) if rrset else record.ttl  # 5.2: one TTL for all
            rrset[:] = [known._replace(ttl=ttl) for known in rrset] + [record._replace(ttl=ttl)]
            _check_aliases(owner, self.names[owner])

    @property
    def serial(self) -> int:
        return int.from_bytes(self.soa.rdata[-20:-16], "big")

    @property
    def negative_soa(self) -> Record:
        """The SOA with the TTL for negative answers: the lesser of its own and its minimum (RFC 2308 3)."""
        return self.soa._replace(ttl=min(self.soa.ttl, int.from_bytes(self.soa.rdata[-4:], "big")))

    def records(self) -> Iterator[Record]:
        """Every record, the SOA first, as a transfer has them (without its closing SOA)."""
        yield self.soa
        for name in sorted(self.names, key=order):
            for kind, rrset in self.names[name].items():
                if kind != SOA:
                    yield from rrset

    # -- answering -----------------------------------------------------------------------------------------------

    def lookup(self, name: bytes, kind: int) -> Answer:
        """What this zone says to a question whose name is in it or below it."""
        answer = Answer(Outcome.ANSWER)
        seen: set[bytes] = set()
        while True:
            key = name.lower()
            if not is_below(key, self.origin):
                answer.outcome = Outcome.ELSEWHERE
                break
            if key in seen or len(seen) >= LONGEST_CHAIN:
                break  # a circle: what there is of it is the answer
            seen.add(key)
            next_name = self._step(answer, name, key, kind)
            if next_name is None:
                break
            name = next_name
        self._add_hosts(answer)
        return answer

    def _step(self, answer: Answer, name: bytes, key: bytes, kind: int) -> bytes | None:
        """Answer for one name; the name that an alias leads to, else None."""
        above = [each for each in reversed(list(ancestors(key))) if is_below(each, self.origin)]
        for node in above:
            rrsets = self.names.get(node)
            if rrsets is None:
                return self._not_there(answer, name, node, kind)
            delegated = NS in rrsets and node != self.origin and not (node == key and kind == DS)
            if delegated:
                self._refer(answer, node)
                return None
            if DNAME in rrsets and node != key:
                moved = self._redirect(answer, name, node, rrsets[DNAME][0])
                return None if kind in (CNAME, ANY) else moved  # the alias made here is what was asked for
        return self._at(answer, self.names[key], name, kind)

    def _at(self, answer: Answer, rrsets: Rrsets, name: bytes, kind: int) -> bytes | None:
        """Answer with what is at a node; `name` is the owner shown, which a wildcard takes from the question."""
        alias = rrsets.get(CNAME)
        if alias is not None and kind not in (CNAME, ANY, RRSIG, NSEC):
            answer.answer += _owned(alias, name)
            return target(CNAME, alias[0].rdata)
        if kind == ANY:  # RFC 8482 4.1: one rrset stands for all
            first = next(iter(rrsets.values()), None)
            found = first or []
        else:
            found = rrsets.get(kind, [])
        if found:
            answer.answer += _owned(found, name)
        else:
            answer.outcome = Outcome.NODATA
            answer.authority.append(self.negative_soa)
        return None

    def _not_there(self, answer: Answer, name: bytes, missing: bytes, kind: int) -> bytes | None:
        """No node: the wildcard at the closest encloser answers, if there is one (RFC 4592 3.3.1)."""
        wildcard = self.names.get(b"\x01*" + parent(missing))
        if wildcard is not None:
            if NS in wildcard:  # RFC 4592 4.2: what it would mean is not defined; it delegates nothing
                wildcard = {known: rrset for known, rrset in wildcard.items() if known != NS}
            return self._at(answer, wildcard, name, kind)
        answer.outcome = Outcome.NXDOMAIN
        answer.authority.append(self.negative_soa)
        return None

    def _refer(self, answer: Answer, cut: bytes) -> None:
        answer.outcome = Outcome.REFERRAL
        answer.authority += self.names[cut][NS]
        answer.authority += self.names[cut].get(DS, [])

    def _redirect(self, answer: Answer, name: bytes, node: bytes, dname: Record) -> bytes | None:
        """A DNAME moves all below it: the CNAME for this one name is made here (RFC 6672 3.2)."""
        kept = name[: len(name) - len(upper(name, count(node)))]
        moved = kept + target(DNAME, dname.rdata)
        answer.answer.append(dname)
        if len(moved) > LONGEST_NAME:
            answer.outcome = Outcome.TOO_LONG
            return None
        answer.answer.append(Record(name, CNAME, dname.ttl, moved, dname.klass))
        return moved

    def _add_hosts(self, answer: Answer) -> None:
        """Addresses of the hosts that the answer names, and of a referral's servers: glue (RFC 1034 4.2.1)."""
        seen = {record.key for record in answer.answer}
        for record in (*answer.answer, *answer.authority):
            if record.type not in POINTS_TO_HOST:
                continue
            host = target(record.type, record.rdata).lower()
            if host == ROOT and record.type in (SVCB, HTTPS):
                host = record.name.lower()  # RFC 9460 2.5.2: "." is the owner itself
            for kind in (A, AAAA):
                if (host, kind, record.klass) not in seen:
                    seen.add((host, kind, record.klass))
                    answer.additional += self.names.get(host, {}).get(kind, ())


def _check_aliases(name: bytes, rrsets: Rrsets) -> None:
    if CNAME in rrsets and (len(rrsets[CNAME]) > 1 or set(rrsets) - BESIDE_CNAME):
        others = ", ".join(type_name(kind) for kind in rrsets if kind != CNAME) or "another CNAME"
        raise UsageError(f"{to_text(name)} has CNAME and {others}: an alias has nothing else (RFC 2181 10.1)")
    if len(rrsets.get(DNAME, ())) > 1:
        raise UsageError(f"{to_text(name)} has more than one DNAME (RFC 6672 2.4)")


def _owned(rrset: list[Record], name: bytes) -> list[Record]:
    """The records as of this name: what a wildcard gives has the owner that was asked for, in its own case."""
    return rrset if rrset[0].name == name else [record._replace(name=name) for record in rrset]
