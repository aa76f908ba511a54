"""The records of DNS messages, their data in the parts that the DNS core's table gives each type."""

from __future__ import annotations

import struct

from captures.tree import Reader, Row, Short
from netlab.cores.dns_codes import EXTENDED_ERRORS, OPT, OPTION_NAMES, class_name, type_name
from netlab.cores.dns_names import malformed, read, to_text
from netlab.cores.dns_parts import PARTS
from netlab.cores.dns_rdata import LAYOUTS, expanded, show
from netlab.errors import RemoteProtocolError

RECORD, EDNS = "RFC 1035 4.1.3", "RFC 6891 6.1.2"
FIXED = struct.Struct(">HHIH")
SHOWN = 4
"""Records of an answer that a line shows."""
NAMES: dict[str, tuple[str, ...]] = {
    "A": ("dns.a",), "AAAA": ("dns.aaaa",), "NS": ("dns.ns",), "CNAME": ("dns.cname",), "PTR": ("dns.ptr.domain_name",),
    "DNAME": ("dns.dname",), "TXT": ("dns.txt",), "MX": ("dns.mx.preference", "dns.mx.mail_exchange"),
    "SOA": (
        "dns.soa.mname", "dns.soa.rname", "dns.soa.serial_number", "dns.soa.refresh_interval",
        "dns.soa.retry_interval", "dns.soa.expire_limit", "dns.soa.minimum_ttl",
    ),
    "SRV": ("dns.srv.priority", "dns.srv.weight", "dns.srv.port", "dns.srv.target"),
    "SVCB": ("dns.svcb.svcpriority", "dns.svcb.targetname", "dns.svcb.svcparams"),
    "HTTPS": ("dns.svcb.svcpriority", "dns.svcb.targetname", "dns.svcb.svcparams"),
    "CAA": ("dns.caa.flags", "dns.caa.tag", "dns.caa.value"),
    "DS": ("dns.ds.key_id", "dns.ds.algorithm", "dns.ds.digest_type", "dns.ds.digest"),
    "DNSKEY": ("dns.dnskey.flags", "dns.dnskey.protocol", "dns.dnskey.algorithm", "dns.dnskey.public_key"),
    "RRSIG": (
        "dns.rrsig.type_covered", "dns.rrsig.algorithm", "dns.rrsig.labels", "dns.rrsig.original_ttl",
        "dns.rrsig.signature_expiration", "dns.rrsig.signature_inception", "dns.rrsig.key_tag",
        "dns.rrsig.signers_name", "dns.rrsig.signature",
    ),
}  # fmt: skip
"""Wireshark's names of the parts of a type's data."""
NUMBERS = {"u8": 8, "u16": 16, "u32": 32, "ttl": 32}


def name(reader: Reader, message: bytes, base: int, field: str, label: str, section: str) -> str:
    """Pass a name, which may end with a pointer to an earlier part of the message; returns it as text."""
    at = reader.at // 8 - base
    try:
        wire, behind = read(message, at)
        if base + behind > reader.end // 8:
            raise malformed("a name that runs past its record", at, "name.cut", RECORD)
    except RemoteProtocolError as error:
        reader.spoil(field, label, str(error), error.section)
        raise Short from None
    text = to_text(wire)
    shown = "<Root>" if text == "." else text.removesuffix(".")  # as Wireshark has it
    pointed = "compressed: it goes on at an earlier place of the message" if behind - at < len(wire) else ""
    reader.take(behind - at, field, label, pointed, section, value=shown)
    return shown


def record(reader: Reader, message: bytes, base: int, where: str) -> None:
    """Pass one record of a section."""
    mark = len(reader.fields)
    owner = name(reader, message, base, "dns.resp.name", "Name", RECORD)
    kind = reader.number(Row("dns.resp.type", "Type", 16, type_name, RECORD))
    if kind == OPT:
        reader.number(Row("dns.rr.udp_payload_size", "UDP Payload Size", 16, "bytes that the sender takes", EDNS))
        reader.number(Row("dns.resp.ext_rcode", "Extended Reply Code", 8, "its upper bits", "RFC 6891 6.1.3"))
        reader.number(Row("dns.resp.edns0_version", "EDNS Version", 8, "", "RFC 6891 6.1.3"))
        reader.number(Row("dns.resp.z.do", "DNSSEC OK", 1, "records of DNSSEC are wanted, if set", "RFC 3225 3"))
        reader.number(Row("dns.resp.z.reserved", "Reserved", 15, "", "RFC 6891 6.1.4"))
    else:
        reader.number(Row("dns.resp.class", "Class", 16, class_name, RECORD))
        reader.number(Row("dns.resp.ttl", "Time to Live", 32, "seconds it may be kept", "RFC 2181 8"))
    size = reader.number(Row("dns.resp.len", "Data Length", 16, "", RECORD))
    inner = reader.within(size)
    at = inner.at // 8 - base
    try:
        _options(inner) if kind == OPT else _data(inner, message, base, kind)
    except Short:
        pass
    if inner.left:
        inner.spoil("dns.data", "Data", "behind what the type's data should be", RECORD)
    reader.adopt(inner)
    cut = reader.at // 8 - base - at < size
    reader.fold(mark, f"dns.resp.{where.lower()}", where, f"{owner} {type_name(kind)}", "", RECORD)
    if cut:
        raise Short


def _data(reader: Reader, message: bytes, base: int, kind: int) -> None:
    """Pass the data, part by part."""
    if not reader.left:
        return
    if type_name(kind) == "TXT":
        _strings(reader)
        return
    layout = LAYOUTS.get(kind)
    if layout is None:
        reader.take(reader.left, "dns.data", "Data", "", "RFC 3597 5")
        return
    names = NAMES.get(type_name(kind), ())
    for place, part in enumerate(layout):
        field = names[place] if place < len(names) else f"dns.{type_name(kind).lower()}.{place}"
        label = field.rpartition(".")[2].replace("_", " ").title() if names else part
        if part == "name":
            name(reader, message, base, field, label, RECORD)
        elif part in NUMBERS:
            reader.number(Row(field, label, NUMBERS[part], "", RECORD))
        else:
            _part(reader, part, field, label)


def _strings(reader: Reader) -> None:
    """Pass strings, each behind its length."""
    while reader.left:
        size = reader.number(Row("dns.txt.length", "Text Length", 8, "bytes of the next text", "RFC 1035 3.3"))
        at = reader.at // 8
        text = reader.data[at : min(at + size, reader.end // 8)].decode("utf-8", "backslashreplace")
        reader.take(
            size, "dns.txt", "Text", "whatever somebody wants to say under this name", "RFC 1035 3.3.14", value=text
        )


def _part(reader: Reader, part: str, field: str, label: str) -> None:
    data, at = reader.data[reader.at // 8 : reader.end // 8], reader.at // 8
    try:
        behind = PARTS[part].end(data, 0)
        if behind > len(data):
            raise malformed("it runs past its record", at, "rdata.cut", RECORD)
        shown = PARTS[part].show(data[:behind], 0)
    except (RemoteProtocolError, ValueError, IndexError) as error:
        reader.spoil(field, label, f"this cannot be read: {error}", RECORD)
        raise Short from None
    if behind:
        reader.take(behind, field, label, "", RECORD, value=shown)


def _options(reader: Reader) -> None:
    """Options of EDNS: a code, a length, data."""
    while reader.left:
        mark = len(reader.fields)
        code = reader.number(Row("dns.opt.code", "Code", 16, lambda n: OPTION_NAMES.get(n, f"option {n}"), EDNS))
        size = reader.number(Row("dns.opt.len", "Length", 16, "", EDNS))
        inner = reader.within(size)
        if code == 15 and inner.left >= 2:
            row = Row(
                "dns.opt.ext_error.info_code", "Info Code", 16, lambda n: EXTENDED_ERRORS.get(n, ""), "RFC 8914 2"
            )
            inner.number(row)
            text = reader.data[inner.at // 8 : inner.end // 8].decode("utf-8", "backslashreplace")
            inner.take(inner.left, "dns.opt.ext_error.extra_text", "Extra Text", "", "RFC 8914 2", value=text)
        elif inner.left:
            inner.take(inner.left, "dns.opt.data", "Data", "", EDNS)
        reader.adopt(inner)
        short = (reader.at - reader.fields[mark].start) // 8 - 4 < size
        reader.fold(mark, "dns.opt", OPTION_NAMES.get(code, f"Option {code}"), code, "", EDNS)
        if short:
            raise Short


def in_short(message: bytes, at: int, count: int) -> list[str]:
    """The first records from index `at` on, a few words each; RemoteProtocolError where one cannot be read."""
    words = []
    for _ in range(min(count, SHOWN)):
        _, at = read(message, at)
        if at + FIXED.size > len(message):
            break
        kind, _, _, length = FIXED.unpack_from(message, at)
        at += FIXED.size
        stop = min(at + length, len(message))
        data = expanded(kind, message, at, stop) if kind in LAYOUTS and length else message[at:stop]
        words.append(f"{type_name(kind)} {show(kind, data)[:60]}")
        at = stop
    return [*words, f"and {count - SHOWN} more"] if count > SHOWN else words
