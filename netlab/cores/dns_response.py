"""What a server's response means to who asked: only what that server may speak of is looked at (bailiwick)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from netlab.cores.dns_codes import (
    AAAA,
    ANY,
    CNAME,
    DNAME,
    DS,
    EXTENDED_ERRORS,
    NOERROR,
    NS,
    NSEC,
    NSEC3,
    NXDOMAIN,
    RRSIG,
    SOA,
    YXDOMAIN,
    A,
    rcode_name,
)
from netlab.cores.dns_message import AA, AD, Message, Question, Record
from netlab.cores.dns_names import LONGEST_NAME, count, is_below, to_text, upper
from netlab.cores.dns_rdata import is_right, target

LONGEST_CHAIN = 16
MEANT = frozenset((NOERROR, NXDOMAIN, YXDOMAIN))
"""Rcodes that speak of the name; YXDOMAIN of one that a DNAME makes too long (RFC 6672 2.2)."""


class Meaning(Enum):
    """What is to be done with a response."""

    ANSWER = "answer"
    ALIAS = "alias"  # a chain that leads out of what this server may speak of
    NODATA = "no data"
    NXDOMAIN = "no such name"
    REFERRAL = "referral"
    LAME = "lame"  # this server does not serve the zone: the next one is asked
    REFUSED = "refused"  # it could not or would not


@dataclass(slots=True)
class Reading:
    """A response, scrubbed. `target` is where a chain of aliases has led; `zone` the zone that a referral names."""

    meaning: Meaning
    why: str = ""
    answer: list[Record] = field(default_factory=list)
    proof: list[Record] = field(default_factory=list)  # SOA and NSEC of a denial
    servers: list[Record] = field(default_factory=list)  # NS of a referral, or beside an answer
    glue: list[Record] = field(default_factory=list)
    target: bytes = b""
    zone: bytes = b""
    ignored: list[Record] = field(default_factory=list)  # said about what is not this server's
    authentic: bool = False  # a forwarder says that it has validated it
    weak: bool = False  # it is said without authority
    last_resort: Reading | None = None  # what a lame server has said, for where all are lame


def read_response(reply: Message, asked: Question, zone: bytes, *, trusted: bool = False) -> Reading:
    """What a reply from a server of `zone` (folded) means; `trusted` for a forwarder, who may speak of everything."""
    reading = _read(reply, asked, zone, trusted=trusted)
    if trusted or reply.flags & AA or not (reading.answer or reading.meaning is Meaning.NXDOMAIN):
        return reading
    reading.weak, reading.servers, reading.glue = True, [], []
    return Reading(Meaning.LAME, "an answer without authority (AA)", ignored=reading.ignored, last_resort=reading)


def _read(reply: Message, asked: Question, zone: bytes, *, trusted: bool) -> Reading:
    name = asked.name.lower()
    authentic = trusted and reply.flags & AD != 0
    if _is_plain(reply, asked, name):
        own = [Record(name, each.type, each.ttl, each.rdata, each.klass) for each in reply.answer]
        return Reading(Meaning.ANSWER, answer=own, target=name, authentic=authentic)
    for section in (reply.answer, reply.authority, reply.additional):
        if section:
            section[:] = [_folded(each, name) for each in section]
    ignored = [each for each in _all(reply) if not trusted and not is_below(each.name.lower(), zone)]
    if reply.rcode not in MEANT:
        told = reply.extended_error
        why = rcode_name(reply.rcode) + (
            f" (it says: {told[1] or EXTENDED_ERRORS.get(told[0], told[0])})" if told else ""
        )
        return Reading(Meaning.REFUSED, why, ignored=ignored)
    reading = Reading(Meaning.ANSWER, ignored=ignored, authentic=authentic)
    own = [each for each in reply.answer if trusted or is_below(each.name.lower(), zone)]
    kept = [each for each in own if is_right(each.type, each.rdata) and each.klass == asked.klass]
    end = _follow(reading, kept, name, asked.type, zone, trusted)
    reading.target = end
    authority = [each for each in reply.authority if trusted or is_below(each.name.lower(), zone)]
    if reading.answer and any(_answers(each, end, asked.type) for each in reading.answer):
        _keep_servers(reading, authority, reply, zone, name, trusted)
        return reading
    if not trusted and not is_below(end, zone):
        reading.meaning = Meaning.ALIAS
        return reading
    return _without_data(reading, reply, authority, end, zone, trusted=trusted)


def _is_plain(reply: Message, asked: Question, name: bytes) -> bool:
    """Whether it is what most replies are: with authority, and nothing in it but the rrset that was asked for."""
    if reply.rcode or not reply.flags & AA or reply.authority or reply.additional or not reply.answer:
        return False
    _, kind, klass = asked
    for each in reply.answer:
        if each.type != kind or each.klass != klass or each.name.lower() != name or not is_right(kind, each.rdata):
            return False
    return True


def _folded(record: Record, asked: bytes) -> Record:
    """Owners at and above the name asked may be its own bytes, and have its random capitals (0x20): none are kept."""
    owner = record.name.lower()
    if owner == record.name or not is_below(asked, owner):
        return record
    return Record(owner, record.type, record.ttl, record.rdata, record.klass)


def _all(reply: Message) -> list[Record]:
    return [*reply.answer, *reply.authority, *reply.additional]


def _answers(record: Record, name: bytes, kind: int) -> bool:
    return record.name.lower() == name and (record.type == kind or (kind == ANY and record.type != RRSIG))


def _follow(reading: Reading, records: list[Record], name: bytes, kind: int, zone: bytes, trusted: bool) -> bytes:
    """Take what answers the name, alias by alias, into the reading; returns the name where the chain ends."""
    for _ in range(LONGEST_CHAIN):
        if not trusted and not is_below(name, zone):
            break
        moved = _by_dname(reading, records, name)  # first: below a DNAME nothing has records (RFC 6672 2.4)
        if moved is None:
            own = [each for each in records if each.name.lower() == name and _wanted(each, kind)]
            if own:
                reading.answer += own
                break
            moved = _by_cname(reading, records, name, kind)
        if moved is None:
            break
        name = moved
    return name


def _wanted(record: Record, kind: int) -> bool:
    covered = int.from_bytes(record.rdata[:2], "big") if record.type == RRSIG else record.type
    return kind in (covered, record.type) or kind == ANY


def _by_cname(reading: Reading, records: list[Record], name: bytes, kind: int) -> bytes | None:
    aliases = [each for each in records if each.name.lower() == name and _wanted(each, CNAME)]
    alias = next((each for each in aliases if each.type == CNAME), None)
    if alias is None or kind == CNAME:
        return None
    reading.answer += [each for each in aliases if each.type == RRSIG or each is alias]
    return target(CNAME, alias.rdata).lower()


def _by_dname(reading: Reading, records: list[Record], name: bytes) -> bytes | None:
    """RFC 6672 3.1: the CNAME that comes with a DNAME is not believed; where it leads follows from the DNAME."""
    for each in records:
        owner = each.name.lower()
        if each.type == DNAME and owner != name and is_below(name, owner):
            moved = name[: len(name) - len(upper(name, count(owner)))] + target(DNAME, each.rdata).lower()
            reading.answer += [other for other in records if other.name.lower() == owner and _wanted(other, DNAME)]
            return moved if len(moved) <= LONGEST_NAME else None
    return None


def _without_data(
    reading: Reading, reply: Message, authority: list[Record], name: bytes, zone: bytes, *, trusted: bool
) -> Reading:
    """No record of the type asked for: a denial, a referral, or nothing that makes sense."""
    soa = next((each for each in authority if each.type == SOA and is_below(name, each.name.lower())), None)
    reading.proof = [each for each in authority if _proves(each, soa)]
    if reply.rcode == NXDOMAIN:
        reading.meaning = Meaning.NXDOMAIN
        return reading
    if reading.answer and soa is None:
        reading.meaning = Meaning.ALIAS  # as far as this server goes; what it leads to is asked anew
        return reading
    authoritative = bool(reply.flags & AA) or trusted
    cuts = {each.name.lower() for each in reply.authority if each.type == NS}
    if authoritative:  # some set AA in a referral, too; what else they name beside a denial is not theirs to say
        cuts = {cut for cut in cuts if cut != zone and is_below(cut, zone) and is_below(name, cut)}
    if soa is None and not trusted and cuts:
        return _referral(reading, reply, cuts, name, zone)
    if authoritative or soa is not None:
        reading.meaning = Meaning.NODATA
        return reading
    return Reading(Meaning.LAME, "neither answer, denial nor referral", ignored=reading.ignored)


def _proves(record: Record, soa: Record | None) -> bool:
    if record.type == SOA:
        return record is soa
    covered = int.from_bytes(record.rdata[:2], "big") if record.type == RRSIG else record.type
    return covered in (NSEC, NSEC3) or (record.type == RRSIG and covered == SOA)


def _referral(reading: Reading, reply: Message, cuts: set[bytes], name: bytes, zone: bytes) -> Reading:
    """Only downwards, and towards the name: upward and sideways ones are a lame server's (RFC 1034 4.3.2)."""
    (cut, *others) = cuts
    if others:
        return Reading(Meaning.LAME, "a referral to several zones at once", ignored=reading.ignored)
    if not is_below(cut, zone) or cut == zone:
        where = "up" if is_below(zone, cut) else "sideways"
        return Reading(Meaning.LAME, f"a referral {where}, to {to_text(cut)}", ignored=reading.ignored)
    if not is_below(name, cut):
        return Reading(Meaning.LAME, f"a referral to {to_text(cut)}, which is elsewhere", ignored=reading.ignored)
    reading.meaning, reading.zone = Meaning.REFERRAL, cut
    reading.servers = [each for each in reply.authority if each.name.lower() == cut and each.type in (NS, DS, RRSIG)]
    _keep_glue(reading, reply, zone, trusted=False)
    return reading


def _keep_servers(
    reading: Reading, authority: list[Record], reply: Message, zone: bytes, name: bytes, trusted: bool
) -> None:
    """The zone's own NS records, which come beside an answer, and their addresses."""
    if not trusted:
        reading.servers = [each for each in authority if each.type == NS and is_below(name, each.name.lower())]
        _keep_glue(reading, reply, zone, trusted)


def _keep_glue(reading: Reading, reply: Message, zone: bytes, trusted: bool) -> None:
    """Addresses of the servers named, as far as the zone asked may speak of them."""
    hosts = {target(NS, each.rdata).lower() for each in (*reading.servers, *reading.answer) if each.type == NS}
    reading.glue = [
        each
        for each in reply.additional
        if each.type in (A, AAAA)
        and each.name.lower() in hosts
        and (trusted or is_below(each.name.lower(), zone))
        and is_right(each.type, each.rdata)
    ]
