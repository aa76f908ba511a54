"""IPv4 (RFC 791): the header and its options."""

from __future__ import annotations

from ipaddress import IPv4Address

from captures.checksum import checksum
from captures.dissectors.addresses import scope
from captures.dissectors.numbers import protocol, protocol_name
from captures.tree import Layer, Reader, Row, Short, walk

HEADER, OPTIONS = "RFC 791 3.1", "RFC 791 3.1"

SERVICES = {0: "best effort, the default (CS0)", 46: "expedited forwarding (RFC 3246)", 44: "voice admit (RFC 5865)"}
CONGESTION = (
    "not capable of ECN: congestion is told by dropping",
    "capable of ECN, as ECT(1): a sender of low latency",
    "capable of ECN, as ECT(0)",
    "a router on the way was congested",
)


def service(number: int) -> str:
    """What a Differentiated Services code point asks for."""
    if number in SERVICES:
        return SERVICES[number]
    if number & 7 == 0:
        return f"class selector {number >> 3} (RFC 2474)"
    if number & 1 == 0 and 1 <= number >> 3 <= 4:
        return f"assured forwarding {number >> 3}{number >> 1 & 3} (RFC 2597)"
    return "no standard service"


def time_to_live(number: int) -> str:
    """How far the packet has come, from the values that systems start with."""
    if not number:
        return "no router may pass it on"
    first = next(start for start in (64, 128, 255) if number <= start)
    systems = {64: "Linux, macOS and the BSDs", 128: "Windows", 255: "routers and Solaris"}[first]
    passed = first - number
    routers = "no router" if not passed else f"{passed} router{'s' * (passed > 1)}"
    return f"{systems} begin with {first}, so it passed {routers} if it is from one of them"


SERVICE = Row("ip.dsfield.dscp", "Differentiated Services", 6, service, "RFC 2474 3")
ECN = Row("ip.dsfield.ecn", "Explicit Congestion Notification", 2, lambda n: CONGESTION[n], "RFC 3168 5")

BEFORE_FLAGS = (
    Row("ip.len", "Total Length", 16, "bytes of the packet, header and payload", HEADER),
    Row("ip.id", "Identification", 16, "tells the fragments of one packet from others'", HEADER),
)
FLAGS = (
    Row("ip.flags.rb", "Reserved", 1, "must be zero", HEADER),
    Row("ip.flags.df", "Don't Fragment", 1, lambda n: "must not be fragmented" if n else "may be fragmented", HEADER),
    Row("ip.flags.mf", "More Fragments", 1, lambda n: "more follow" if n else "the last or only fragment", HEADER),
)
BEHIND_FLAGS = (
    Row("ip.frag_offset", "Fragment Offset", 13, "where this fragment begins in its packet, in 8 bytes", HEADER),
    Row("ip.ttl", "Time to Live", 8, time_to_live, HEADER),
    Row("ip.proto", "Protocol", 8, protocol_name, HEADER),
    Row("ip.checksum", "Header Checksum", 16, "", HEADER),
)

OPTION_NAMES = {
    7: "Record Route",
    68: "Timestamp",
    130: "Security",
    131: "Loose Source Route",
    136: "Stream Identifier",
    137: "Strict Source Route",
    148: "Router Alert",
}


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header at `start`; what lies behind its total length belongs to no packet."""
    reader = Reader(data, start, len(data) if end is None else end)
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        header = _fixed_part(reader)
        _options(reader, start + header)
    except Short:
        pass
    else:
        carries, payload = _payload(reader, start)
    return Layer("ip", "Internet Protocol version 4", start * 8, reader.at, tuple(reader.fields), carries, payload)


def _fixed_part(reader: Reader) -> int:
    """Pass the first 20 bytes; returns the header's length."""
    start = reader.at // 8
    version = reader.number(Row("ip.version", "Version", 4, "the version of the protocol", HEADER))
    length = 4 * reader.number(
        Row("ip.hdr_len", "Header Length", 4, lambda n: f"{n} words of 32 bits are {n * 4} bytes", HEADER, 4)
    )
    if version != 4:
        reader.amend("ip.version", meaning="not 4: no IPv4 header", malformed=True)
    mark = len(reader.fields)
    services = reader.numbers((SERVICE, ECN))
    reader.fold(mark, "ip.dsfield", "Differentiated Services and ECN", services[0] << 2 | services[1], "", "RFC 2474 3")
    reader.numbers(BEFORE_FLAGS)
    mark = len(reader.fields)
    flags = reader.numbers(FLAGS)
    reader.fold(mark, "ip.flags", "Flags", flags[0] << 2 | flags[1] << 1 | flags[2], "", HEADER)
    reader.numbers(BEHIND_FLAGS)
    _address(reader, "ip.src", "Source Address")
    _address(reader, "ip.dst", "Destination Address")
    if length < 20:
        reader.amend("ip.hdr_len", meaning=f"{length} bytes are too few: a header has at least 20", malformed=True)
    _judge_checksum(reader, start, max(length, 20))
    return max(length, 20)


def _address(reader: Reader, name: str, label: str) -> None:
    number = reader.peek(4)
    address = IPv4Address(number)
    reader.take(4, name, label, scope(address), HEADER, value=str(address))


def _judge_checksum(reader: Reader, start: int, length: int) -> None:
    header = reader.data[start : start + length]
    if len(header) == length and length * 8 <= reader.end - start * 8:
        wanted = checksum(header[:10] + b"\0\0" + header[12:])
        correct = int.from_bytes(header[10:12], "big") == wanted
        reader.amend("ip.checksum", meaning="correct" if correct else f"wrong: these bytes give 0x{wanted:04x}")


def _options(reader: Reader, end: int) -> None:
    """Pass the options up to the header's end: a kind alone, or kind, length and data."""
    while reader.at < min(end * 8, reader.end):
        mark, kind = len(reader.fields), reader.peek()
        name = OPTION_NAMES.get(kind, f"option {kind}")
        if kind <= 1:
            what = "pads to the next option" if kind else "the options end here"
            reader.number(Row("ip.opt.type", "No Operation" if kind else "End of Options", 8, what, OPTIONS))
            if not kind:
                reader.take(end - reader.at // 8, "ip.opt.padding", "Padding", "fills the header's last word", OPTIONS)
            continue
        reader.number(Row("ip.opt.type", "Type", 8, name, OPTIONS))
        length = reader.number(Row("ip.opt.len", "Length", 8, "bytes of this option, with type and length", OPTIONS))
        if length < 2 or reader.at // 8 + length - 2 > end:
            left = end - reader.at // 8
            reader.amend("ip.opt.len", meaning=f"{length} cannot be here: {left} bytes are left", malformed=True)
            reader.take(left, "ip.opt.data", "Data", "", OPTIONS)
        else:
            reader.take(length - 2, "ip.opt.data", "Data", "", OPTIONS)
        reader.fold(mark, "ip.opt", name, kind, "", OPTIONS)
    if reader.at < end * 8:  # the header says it is longer than the buffer
        raise Short


def _payload(reader: Reader, start: int) -> tuple[str, tuple[int, int]]:
    """What the packet carries, and where; a fragment carries a part of something."""
    fields = {field.name: field.value for field in walk(reader.fields)}
    begin, behind = reader.at // 8, reader.end // 8
    # no length is what a capture sees of a packet that the network card is to cut into segments
    end = min(start + fields["ip.len"], behind) if fields["ip.len"] else behind
    carries = "" if fields["ip.frag_offset"] or fields["ip.flags.mf"] else protocol(fields["ip.proto"])
    return carries, (begin, max(begin, end))
