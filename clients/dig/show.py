"""A reply as dig shows it, as lines of data, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from netlab.cores.dns_codes import EXTENDED_ERRORS, OPCODE_NAMES, class_name, rcode_name, type_name
from netlab.cores.dns_message import AA, AD, CD, QR, RA, RD, TC, Message, Record
from netlab.cores.dns_names import to_text
from netlab.cores.dns_rdata import show
from netlab.cores.resolution_asking import Result
from netlab.net.addresses import SocketAddress
from netlab.text import escape

FLAGS = {"qr": QR, "aa": AA, "tc": TC, "rd": RD, "ra": RA, "ad": AD, "cd": CD}


def line(record: Record) -> str:
    """A record as a master file has it, with tabs as dig sets them."""
    owner = to_text(record.name)
    tabs = "\t" * max(3 - len(owner) // 8, 1)
    klass, kind = class_name(record.klass), type_name(record.type)
    return escape(f"{owner}{tabs}{record.ttl}\t{klass}\t{kind}\t{show(record.type, record.rdata)}".expandtabs(8))


def short(records: Iterable[Record]) -> list[str]:
    """The data alone."""
    return [escape(show(record.type, record.rdata)) for record in records]


def dig_like(reply: Message, where: SocketAddress, result: Result, *, tcp: bool) -> str:
    """The whole reply, section by section."""
    return "\n".join(_lines(reply, where, result, tcp=tcp))


def _lines(reply: Message, where: SocketAddress, result: Result, *, tcp: bool) -> Iterator[str]:
    opcode = OPCODE_NAMES.get(reply.opcode, str(reply.opcode))
    sections = {"ANSWER": reply.answer, "AUTHORITY": reply.authority, "ADDITIONAL": reply.additional}
    yield f";; ->>HEADER<<- opcode: {opcode}, status: {rcode_name(reply.rcode)}, id: {reply.id}"
    counts = [f"QUERY: {len(reply.question)}"]
    for name, records in sections.items():
        own = len(records) + (name == "ADDITIONAL" and reply.edns is not None)
        counts.append(f"{name}: {own}")
    yield f";; flags: {' '.join(name for name, bit in FLAGS.items() if reply.flags & bit)}; {', '.join(counts)}"
    if reply.edns is not None:
        yield "\n;; OPT PSEUDOSECTION:"
        yield f"; EDNS: version: {reply.edns.version}, flags:{' do' * reply.edns.do}; udp: {reply.edns.size}"
        if (error := reply.extended_error) is not None:
            yield f"; EDE: {error[0]} ({EXTENDED_ERRORS.get(error[0], 'unassigned')}): ({escape(error[1])})"
    if reply.question:
        yield "\n;; QUESTION SECTION:"
        for asked in reply.question:
            yield f";{to_text(asked.name)}\t\t\t{class_name(asked.klass)}\t{type_name(asked.type)}".expandtabs(8)
    for name, records in sections.items():
        if records:
            yield f"\n;; {name} SECTION:"
            yield from map(line, records)
    yield f"\n;; Query time: {result.rtt * 1000:.0f} msec"
    yield f";; SERVER: {where.address}#{where.port} ({'TCP' if tcp else 'UDP'})"
    yield f";; WHEN: {datetime.now().astimezone():%a %b %d %H:%M:%S %Z %Y}"
    yield f";; MSG SIZE  rcvd: {result.size}"


def as_json(reply: Message, where: SocketAddress, rtt: float, *, tcp: bool) -> dict[str, Any]:
    """For programs."""
    sections = {"answer": reply.answer, "authority": reply.authority, "additional": reply.additional}
    found: dict[str, Any] = {
        "id": reply.id,
        "rcode": rcode_name(reply.rcode),
        "flags": [name for name, bit in FLAGS.items() if reply.flags & bit],
        "question": [{"name": to_text(each.name), "type": type_name(each.type)} for each in reply.question],
    }
    for name, records in sections.items():
        found[name] = [
            {
                "name": to_text(each.name),
                "type": type_name(each.type),
                "ttl": each.ttl,
                "data": show(each.type, each.rdata),
            }
            for each in records
        ]
    error = reply.extended_error
    found["extended_error"] = None if error is None else {"code": error[0], "text": error[1]}
    return found | {"server": where.address, "port": where.port, "tcp": tcp, "seconds": rtt}
