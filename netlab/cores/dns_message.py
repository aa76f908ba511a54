"""DNS messages (RFC 1035 4, RFC 6891): read whole or not at all, written with compression and cut to a size."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from netlab.cores.dns_codes import EDE, IN, OPT, QUERY
from netlab.cores.dns_names import LONGEST_NAME, ROOT, malformed, read
from netlab.cores.dns_rdata import COMPRESSIBLE, EXPANDED, expanded, names_in

HEADER = struct.Struct(">HHHHHH")
FIXED = struct.Struct(">HHIH")  # type, class, TTL, length of the data
FIELDS = struct.Struct(">HH")  # type and class of a question, code and length of an option
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
POINTER = 0xC00C
TO_QUESTION = POINTER.to_bytes(2, "big")
"""A pointer to the name behind the header (RFC 1035 4.1.4)."""
RECORD = struct.Struct(">HHHIH")  # a pointer instead of a name, and what FIXED has
OPT_RECORD = struct.Struct(">3sHIH")  # the root and the type, size, rcode with version and flags, length of the options
OPT_BEGINS = ROOT + OPT.to_bytes(2, "big")
LARGEST = 65_535
MOST_IN_QUERY = 16
LONGEST_TTL = 0x7FFFFFFF
PLAIN_UDP = 512  # bytes that every client takes (RFC 1035 4.2.1)


class Question(NamedTuple):
    """What is asked; the name as it was written, in wire form."""

    name: bytes
    type: int
    klass: int = IN


class Record(NamedTuple):
    """One resource record; the names in its data are not compressed."""

    name: bytes
    type: int
    ttl: int  # seconds
    rdata: bytes
    klass: int = IN

    @property
    def key(self) -> tuple[bytes, int, int]:
        """What makes records one rrset (RFC 2181 5)."""
        return self.name.lower(), self.type, self.klass


class Edns(NamedTuple):
    """What an OPT record says (RFC 6891 6.1); options are (code, data)."""

    size: int = 1232  # bytes of UDP payload that its sender takes
    version: int = 0
    do: bool = False  # DNSSEC records are wanted (RFC 3225)
    options: tuple[tuple[int, bytes], ...] = ()

    def option(self, code: int) -> bytes | None:
        return next((data for known, data in self.options if known == code), None)


@dataclass(slots=True)
class Message:
    """One message; `flags` are the bits of the header without opcode and rcode, `rcode` has the extended bits too."""

    id: int = 0
    flags: int = 0
    opcode: int = QUERY
    rcode: int = 0
    question: list[Question] = field(default_factory=list)
    answer: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)  # without OPT
    edns: Edns | None = None

    @property
    def is_response(self) -> bool:
        return bool(self.flags & QR)

    def reply(self, rcode: int = 0, *, flags: int = 0) -> Message:
        """An answer to this query: its id, its question as it was written, RD and CD copied (RFC 1035 4.1.1)."""
        return Message(self.id, QR | flags | self.flags & (RD | CD), self.opcode, rcode, list(self.question))

    @property
    def extended_error(self) -> tuple[int, str] | None:
        """Code and text of an Extended DNS Error (RFC 8914 2)."""
        data = self.edns.option(EDE) if self.edns is not None else None
        if data is None or len(data) < 2:
            return None
        return int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace").rstrip("\0")


def extended_error(code: int, text: str = "") -> tuple[int, bytes]:
    """An Extended DNS Error as an option of EDNS."""
    return EDE, code.to_bytes(2, "big") + text.encode()


# -- reading ---------------------------------------------------------------------------------------------------------


def parse_query(data: bytes) -> Message:
    """As `parse`; a query has one question, EDNS and perhaps a signature: what has far more is refused unread."""
    if len(data) >= HEADER.size and (counted := sum(HEADER.unpack_from(data)[2:])) > MOST_IN_QUERY:
        raise malformed(f"a query with {counted} questions and records", 4, "query.excess", "RFC 9619 4")
    return parse(data)


def parse(data: bytes) -> Message:
    """The message that all these bytes are; RemoteProtocolError with offset, rule and section if they are none."""
    if (plain := _read_plain(data)) is not None:
        return plain
    if len(data) < HEADER.size:
        raise malformed(f"{len(data)} bytes are no header of 12", len(data), "header.cut", "RFC 1035 4.1.1")
    number, bits, questions, answers, authorities, additionals = HEADER.unpack_from(data)
    message = Message(number, bits & 0x87B0, bits >> 11 & 15, bits & 15)
    at, seen = HEADER.size, dict[int, bytes]()
    for _ in range(questions):
        question, at = _question(data, at, seen)
        message.question.append(question)
    asked = message.question[0].name if questions else b""
    for number in range(answers + authorities):
        record, at = _record(data, at, asked, seen)
        if record.type == OPT:
            raise malformed("OPT outside of the additional section", at, "opt.place", "RFC 6891 6.1.1")
        (message.answer if number < answers else message.authority).append(record)
    for _ in range(additionals):
        if data[at : at + 3] == OPT_BEGINS:
            at = _read_edns(message, data, at)
            continue
        start = at
        record, at = _record(data, at, asked, seen)
        if record.type == OPT:
            raise malformed("an OPT record whose owner is not the root", start, "opt.owner", "RFC 6891 6.1.2")
        message.additional.append(record)
    if at != len(data):
        raise malformed(f"{len(data) - at} bytes behind the last record", at, "message.excess", "RFC 1035 4.1")
    return message


def _read_plain(data: bytes) -> Message | None:
    """What most messages are, in half of the steps: one question, records of its name, and EDNS without options; None
    where there is anything else to it.
    """
    at, rcode, edns = HEADER.size, 0, None
    records: list[Record] = []
    try:
        number, bits, questions, answers, authorities, additionals = HEADER.unpack_from(data)
        while 0 < (length := data[at]) < 64:
            at += 1 + length
        if length or questions != 1 or authorities or additionals > 1 or at >= HEADER.size + LONGEST_NAME:
            return None
        name = data[HEADER.size : at + 1]
        question = Question(name, *FIELDS.unpack_from(data, at + 1))
        at += 5
        for _ in range(answers):
            owner, kind, klass, ttl, length = RECORD.unpack_from(data, at)
            if owner != POINTER or kind in EXPANDED or kind == OPT or ttl > LONGEST_TTL:
                return None
            at += 12 + length
            records.append(Record(name, kind, ttl, data[at - length : at], klass))
        if additionals:
            beginning, size, more, length = OPT_RECORD.unpack_from(data, at)
            if beginning != OPT_BEGINS or length:
                return None
            at, rcode = at + 11, more >> 24 << 4
            edns = Edns(size, more >> 16 & 0xFF, more & 0x8000 != 0)
    except (IndexError, struct.error):
        return None
    if at != len(data):
        return None
    return Message(number, bits & 0x87B0, bits >> 11 & 15, rcode | bits & 15, [question], records, [], [], edns)


def _question(data: bytes, at: int, seen: dict[int, bytes]) -> tuple[Question, int]:
    name, at = read(data, at, seen)
    if at + 4 > len(data):
        raise malformed("a question that runs past the end", at, "question.cut", "RFC 1035 4.1.2")
    return Question(name, data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]), at + 4


def _record(data: bytes, at: int, asked: bytes, seen: dict[int, bytes]) -> tuple[Record, int]:
    """The record at an index; `asked` is the name in the question, which most records have for their owner."""
    name, at = (asked, at + 2) if asked and data[at : at + 2] == TO_QUESTION else read(data, at, seen)
    if at + 10 > len(data):
        raise malformed("a record that runs past the end", at, "record.cut", "RFC 1035 4.1.3")
    kind, klass, ttl, length = FIXED.unpack_from(data, at)
    at += 10
    stop = at + length
    if stop > len(data):
        reason = f"data of {length} bytes where {len(data) - at} are left"
        raise malformed(reason, at, "record.cut", "RFC 1035 4.1.3")
    rdata = expanded(kind, data, at, stop, seen) if kind in EXPANDED and length else data[at:stop]
    if ttl > LONGEST_TTL and kind != OPT:
        ttl = 0  # RFC 2181 8: the highest bit set is as if the TTL were zero
    return Record(name, kind, ttl, rdata, klass), stop


def _read_edns(message: Message, data: bytes, at: int) -> int:
    """Take the OPT record at an index into the message; returns the index behind it."""
    if message.edns is not None:
        raise malformed("more than one OPT record", at, "opt.repeated", "RFC 6891 6.1.1")
    here = at + 11
    if here > len(data):
        raise malformed("a record that runs past the end", at, "record.cut", "RFC 1035 4.1.3")
    _, size, bits, length = FIXED.unpack_from(data, at + 1)
    stop: int = here + length
    if stop > len(data):
        reason = f"data of {length} bytes where {len(data) - here} are left"
        raise malformed(reason, here, "record.cut", "RFC 1035 4.1.3")
    options = []
    while here < stop:
        begin = here + 4
        here = begin + int.from_bytes(data[here + 2 : begin], "big")
        if here > stop or begin > stop:
            raise malformed("an EDNS option that runs past its record", at, "opt.cut", "RFC 6891 6.1.2")
        options.append((data[begin - 4] << 8 | data[begin - 3], data[begin:here]))
    message.rcode |= bits >> 24 << 4
    message.edns = Edns(size, bits >> 16 & 0xFF, bits & 0x8000 != 0, tuple(options))
    return stop


# -- writing ---------------------------------------------------------------------------------------------------------


def serialize(message: Message, limit: int = LARGEST, *, glue: bool = False) -> bytes:
    """The message in wire form, at most `limit` bytes: whole rrsets are left out from the end (RFC 2181 9).

    What is left out of answer or authority sets TC; what is left out of additional data does so where it is `glue`.
    """
    edns = b"" if message.edns is None else _edns_record(message.edns, message.rcode)
    if not (message.authority or message.additional) and (plain := _write_plain(message, edns, limit)) is not None:
        return plain
    out, seen = bytearray(HEADER.size), dict[bytes, int]()
    for question in message.question:
        _write_name(out, question.name, seen)
        out += FIELDS.pack(question.type, question.klass)
    room, counts, flags = limit - len(edns), [0, 0, 0], message.flags
    for index, section in enumerate((message.answer, message.authority, message.additional)):
        if section:
            counts[index] = _write_section(out, section, seen, room)
            if counts[index] < len(section):
                flags |= TC if index < 2 or glue else 0
                break
    out += edns
    bits = flags | message.opcode << 11 | message.rcode & 15
    HEADER.pack_into(out, 0, message.id, bits, len(message.question), counts[0], counts[1], counts[2] + bool(edns))
    return bytes(out)


def _write_plain(message: Message, edns: bytes, limit: int) -> bytes | None:
    """What most messages are: a question, and records of its name that name no other; None where it is more."""
    if len(message.question) != 1:
        return None
    ((name, kind, klass),) = message.question
    out = [b"", name, FIELDS.pack(kind, klass)]
    for owner, kind, ttl, rdata, klass in message.answer:
        if owner != name or kind in COMPRESSIBLE or owner == ROOT:
            return None
        out.append(RECORD.pack(POINTER, kind, klass, ttl, len(rdata)))
        out.append(rdata)
    out.append(edns)
    bits = message.flags | message.opcode << 11 | message.rcode & 15
    out[0] = HEADER.pack(message.id, bits, 1, len(message.answer), 0, 1 if edns else 0)
    wire = b"".join(out)
    return wire if len(wire) <= limit else None


def serialize_query(number: int, flags: int, question: Question, edns: Edns | None) -> bytes:
    """A query in wire form."""
    opt = b"" if edns is None else _edns_record(edns, 0)
    name, kind, klass = question
    return HEADER.pack(number, flags, 1, 0, 0, 1 if opt else 0) + name + FIELDS.pack(kind, klass) + opt


def _write_section(out: bytearray, records: Sequence[Record], seen: dict[bytes, int], room: int) -> int:
    """Write what has room, whole rrsets only; returns how many records that were."""
    begins = []
    for record in records:
        begins.append(len(out))
        _write_record(out, record, seen)
        if len(out) > room:
            whole = len(begins) - 1
            while whole and records[whole].key == records[whole - 1].key:
                whole -= 1
            end = begins[whole]
            del out[end:]
            for name in [name for name, at in seen.items() if at >= end]:
                del seen[name]
            return whole
    return len(records)


def _write_record(out: bytearray, record: Record, seen: dict[bytes, int]) -> None:
    _write_name(out, record.name, seen)
    at = len(out)
    out += FIXED.pack(record.type, record.klass, record.ttl, len(record.rdata))
    if record.type not in COMPRESSIBLE or not record.rdata:
        out += record.rdata
        return
    for part, is_name in names_in(record.type, record.rdata):
        if is_name:
            _write_name(out, part, seen)
        else:
            out += part
    out[at + 8 : at + 10] = (len(out) - at - 10).to_bytes(2, "big")


def _write_name(out: bytearray, name: bytes, seen: dict[bytes, int]) -> None:
    """A name, its end as a pointer where that was written before; case is kept (RFC 1035 4.1.4)."""
    at = 0
    while length := name[at]:
        suffix = name[at:]
        known = seen.get(suffix)
        if known is not None:
            out += (0xC000 | known).to_bytes(2, "big")
            return
        if len(out) < 0x4000:
            seen[suffix] = len(out)
        out += name[at : at + 1 + length]
        at += 1 + length
    out.append(0)


def _edns_record(edns: Edns, rcode: int) -> bytes:
    size, version, do, options = edns
    data = b"".join([FIELDS.pack(code, len(value)) + value for code, value in options]) if options else b""
    return ROOT + FIXED.pack(OPT, size, rcode >> 4 << 24 | version << 16 | do << 15, len(data)) + data
