"""DNS messages (RFC 1035 4, RFC 6891), over UDP and, with their length before them, over TCP."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from captures.dissectors import dns_records
from captures.messages import NotThis, Script, Source, Talk
from captures.tree import Layer, Reader, Row, Short
from netlab.cores.dns_codes import OPCODE_NAMES, TYPE_NAMES, class_name, rcode_name, type_name
from netlab.cores.dns_names import read as read_name
from netlab.cores.dns_names import to_text
from netlab.errors import RemoteProtocolError

NAME = "dns"
HEADER, QUESTION = "RFC 1035 4.1.1", "RFC 1035 4.1.2"
HEAD = struct.Struct(">6H")


def _set(meaning: str) -> Any:
    return lambda number: meaning if number else "not set"


FLAGS = (
    Row("dns.flags.response", "Response", 1, lambda n: "an answer" if n else "a question", HEADER),
    Row("dns.flags.opcode", "Opcode", 4, lambda n: OPCODE_NAMES.get(n, f"opcode {n}"), HEADER),
    Row("dns.flags.authoritative", "Authoritative", 1, _set("from a server of the zone itself"), HEADER),
    Row("dns.flags.truncated", "Truncated", 1, _set("cut off: ask again over TCP"), HEADER),
    Row("dns.flags.recdesired", "Recursion Desired", 1, _set("find it out for me"), HEADER),
    Row("dns.flags.recavail", "Recursion Available", 1, _set("this server finds things out"), HEADER),
    Row("dns.flags.z", "Reserved", 1, "must be zero", HEADER),
    Row("dns.flags.authenticated", "Authentic Data", 1, _set("signatures were checked"), "RFC 4035 3.2.3"),
    Row(
        "dns.flags.checkdisable", "Checking Disabled", 1, _set("the asker checks signatures himself"), "RFC 4035 3.2.2"
    ),
    Row("dns.flags.rcode", "Reply Code", 4, rcode_name, HEADER),
)
AUTHENTIC = 0x20
ANSWERS_ONLY = ("authoritative", "recavail", "rcode")


def _of_a_question(*but: str) -> tuple[Row, ...]:
    """The flags, of which these say nothing in a question."""
    return tuple(
        row._replace(name=f"dns.flags.query_{flag}", meaning="nothing in a question")
        if (flag := row.name.rpartition(".")[2]) in but
        else row
        for row in FLAGS
    )


QUERY_FLAGS = _of_a_question(*ANSWERS_ONLY)
PLAIN_QUERY_FLAGS = _of_a_question(*ANSWERS_ONLY, "authenticated")
"""In a question some bits mean nothing, one of them unless it is set; Wireshark does not name them there."""
COUNTS = (
    Row("dns.count.queries", "Questions", 16, "", HEADER),
    Row("dns.count.answers", "Answer Records", 16, "", HEADER),
    Row("dns.count.auth_rr", "Authority Records", 16, "", HEADER),
    Row("dns.count.add_rr", "Additional Records", 16, "", HEADER),
)


def recognize(data: bytes) -> bool:
    """Whether a TCP stream that begins so is DNS: a length, and a header that asks one thing."""
    if len(data) < 14:
        return False
    length, _, bits, questions, answers, authorities, _ = struct.unpack_from(">7H", data)
    return 17 <= length <= len(data) - 2 and questions == 1 and not bits & 0x7840 and not answers + authorities


def asks(data: bytes) -> bool:
    """Whether a datagram is DNS, whatever its port: one question of a known type and class, and room for the rest."""
    if len(data) < HEAD.size + 5:
        return False
    _, bits, questions, answers, authorities, additionals = HEAD.unpack_from(data)
    if questions != 1 or bits & 0x7840 or 11 * (answers + authorities + additionals) > len(data):
        return False
    try:
        _, at = read_name(data, HEAD.size)
    except RemoteProtocolError:
        return False
    kind, klass = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
    return kind in TYPE_NAMES and klass in (1, 3, 255)


def messages(source: Source, talk: Talk) -> Script:
    """Messages behind their lengths (RFC 7766 8)."""
    while True:
        yield from source.need(2)
        length = int.from_bytes(source.peek(2), "big")
        if length < HEAD.size:
            raise NotThis("too short for a DNS message")
        yield from source.need(2 + length)
        source.emit(NAME, 2 + length, {"tcp": True})


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """What is asked, and what of the answer comes first."""
    at = 2 if context.get("tcp") else 0
    message = data[at:]
    if len(message) < HEAD.size:
        return "DNS, cut short"
    number, bits, questions, answers, _, _ = HEAD.unpack_from(message)
    kind = OPCODE_NAMES.get(bits >> 11 & 15, "opcode").lower()
    words = [f"{kind}{' response' if bits & 0x8000 else ''} 0x{number:04x}"]
    try:
        at = HEAD.size
        if questions:
            name, at = read_name(message, at)
            words.append(f"{type_name(int.from_bytes(message[at : at + 2], 'big'))} {to_text(name)}")
            at += 4
        if bits & 0x8000:
            words += [rcode_name(bits & 15)] if bits & 15 else []
            words += dns_records.in_short(message, at, answers)
    except RemoteProtocolError:
        words.append("malformed")
    return " ".join(words)


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The message between `start` and `end`."""
    reader = Reader(data, start, len(data) if end is None else end)
    try:
        if context.get("tcp"):
            reader.number(Row("dns.length", "Length", 16, "bytes of the message, over TCP only", "RFC 1035 4.2.2"))
        _message(reader)
    except Short:
        pass
    if reader.left:
        reader.spoil("dns.rest", "Rest", "behind the last record, or what cannot be read", HEADER)
    return Layer(NAME, "Domain Name System", start * 8, reader.at, tuple(reader.fields), "", (reader.at // 8,) * 2)


def _message(reader: Reader) -> None:
    base = reader.at // 8
    message = reader.data[base : reader.end // 8]
    reader.number(Row("dns.id", "Identification", 16, "the same in question and answer", HEADER))
    mark, flags = len(reader.fields), reader.peek(2)
    asked = QUERY_FLAGS if flags & AUTHENTIC else PLAIN_QUERY_FLAGS
    reader.numbers(FLAGS if flags & 0x8000 else asked)
    reader.fold(mark, "dns.flags", "Flags", flags, "", HEADER)
    questions, *records = reader.numbers(COUNTS)
    for _ in range(questions):
        mark = len(reader.fields)
        text = dns_records.name(reader, message, base, "dns.qry.name", "Name", QUESTION)
        kind = reader.number(Row("dns.qry.type", "Type", 16, type_name, QUESTION))
        reader.number(Row("dns.qry.class", "Class", 16, class_name, QUESTION))
        reader.fold(mark, "dns.qry", "Question", f"{text} {type_name(kind)}", "what is asked", QUESTION)
    for count, section in zip(records, ("Answer", "Authority", "Additional"), strict=True):
        for _ in range(count):
            dns_records.record(reader, message, base, section)
