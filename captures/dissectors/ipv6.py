"""IPv6 (RFC 8200): the header, and the extension headers behind it."""

from __future__ import annotations

from ipaddress import IPv6Address

from captures.dissectors import ipv6_options
from captures.dissectors.addresses import scope
from captures.dissectors.ip import CONGESTION, service, time_to_live
from captures.dissectors.numbers import NAMES, protocol, protocol_name
from captures.tree import Layer, Reader, Row, Short

HEADER = "RFC 8200 3"

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY, HOST_IDENTITY, SHIM6 = (
    0,
    43,
    44,
    51,
    60,
    135,
    139,
    140,
)
EXTENSIONS = {
    HOP_BY_HOP: ("ipv6.hopopts", "RFC 8200 4.3"),
    ROUTING: ("ipv6.routing", "RFC 8200 4.4"),
    FRAGMENT: ("ipv6.fraghdr", "RFC 8200 4.5"),
    AUTHENTICATION: ("ah", "RFC 4302 2"),
    DESTINATION: ("ipv6.dstopts", "RFC 8200 4.6"),
    MOBILITY: ("mip6", "RFC 6275 6.1"),
    HOST_IDENTITY: ("hip", "RFC 7401 5.1"),
    SHIM6: ("shim6", "RFC 5533 5"),
}
"""Headers that may stand between the fixed one and what the packet carries."""

CLASS = (
    Row("ipv6.tclass.dscp", "Differentiated Services", 6, service, "RFC 2474 3"),
    Row("ipv6.tclass.ecn", "Explicit Congestion Notification", 2, lambda n: CONGESTION[n], "RFC 3168 5"),
)
BEHIND_CLASS = (
    Row("ipv6.flow", "Flow Label", 20, "the same for all packets of one flow, for routers that balance", "RFC 6437 2"),
    Row("ipv6.plen", "Payload Length", 16, "bytes behind this header, extension headers counted", HEADER),
    Row("ipv6.nxt", "Next Header", 8, protocol_name, HEADER),
    Row("ipv6.hlim", "Hop Limit", 8, time_to_live, HEADER),
)
FRAGMENT_PART = (
    Row("ipv6.fraghdr.reserved_octet", "Reserved", 8, "zero", "RFC 8200 4.5"),
    Row("ipv6.fraghdr.offset", "Fragment Offset", 13, "where this fragment begins, in 8 bytes", "RFC 8200 4.5"),
    Row("ipv6.fraghdr.reserved_bits", "Reserved", 2, "zero", "RFC 8200 4.5"),
    Row("ipv6.fraghdr.more", "More Fragments", 1, "1 where more follow", "RFC 8200 4.5"),
    Row("ipv6.fraghdr.ident", "Identification", 32, "tells the fragments of one packet from others'", "RFC 8200 4.5"),
)


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header at `start` with its extension headers; what lies behind its payload belongs to no packet."""
    reader = Reader(data, start, len(data) if end is None else end)
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        length, following = _fixed_part(reader)
        behind = min(reader.at // 8 + length, reader.end // 8)
        following, fragment = _extensions(reader, following, behind)
    except Short:
        payload = (reader.at // 8, reader.end // 8)
    else:
        carries, payload = "" if fragment else protocol(following), (reader.at // 8, max(reader.at // 8, behind))
    return Layer("ipv6", "Internet Protocol version 6", start * 8, reader.at, tuple(reader.fields), carries, payload)


def _fixed_part(reader: Reader) -> tuple[int, int]:
    """Pass the first 40 bytes; returns the payload's length and the next header's number."""
    version = reader.number(Row("ipv6.version", "Version", 4, "the version of the protocol", HEADER))
    if version != 6:
        reader.amend("ipv6.version", meaning="not 6: no IPv6 header", malformed=True)
    mark = len(reader.fields)
    services, congestion = reader.numbers(CLASS)
    reader.fold(mark, "ipv6.tclass", "Traffic Class", services << 2 | congestion, "", "RFC 8200 7")
    _, length, following, _ = reader.numbers(BEHIND_CLASS)
    _address(reader, "ipv6.src", "Source Address")
    _address(reader, "ipv6.dst", "Destination Address")
    return length, following


def _address(reader: Reader, name: str, label: str) -> None:
    address = IPv6Address(reader.peek(16))
    reader.take(16, name, label, scope(address), HEADER, value=str(address))


def _extensions(reader: Reader, following: int, behind: int) -> tuple[int, bool]:
    """Pass the extension headers; returns what follows them, and whether this is a fragment."""
    fragment = False
    while following in EXTENSIONS and not fragment and reader.at // 8 < behind:
        mark, kind = len(reader.fields), following
        name, section = EXTENSIONS[kind]
        following = reader.number(Row(f"{name}.nxt", "Next Header", 8, protocol_name, section))
        if kind == FRAGMENT:
            _, offset, _, more, _ = reader.numbers(FRAGMENT_PART)
            fragment = offset > 0 or more > 0
        else:
            words = reader.number(Row(f"{name}.len", "Header Length", 8, _length_words(kind), section))
            size = (words + 2) * 4 if kind == AUTHENTICATION else (words + 1) * 8
            if kind in (HOP_BY_HOP, DESTINATION):
                inner = reader.within(size - 2)
                try:
                    ipv6_options.read(inner)
                except Short:
                    pass  # what is wrong with them is said there; behind the header all may be well
                reader.adopt(inner)
                if reader.at // 8 < (reader.fields[mark].start // 8) + size:
                    raise Short
            else:
                reader.take(size - 2, f"{name}.data", "Data", "not read further", section)
        reader.fold(mark, name, NAMES[kind], kind, "", section)
    return following, fragment


def _length_words(kind: int) -> str:
    if kind == AUTHENTICATION:  # in units and from a beginning of its own, for reasons of history
        return "in words of 4 bytes, less two"
    return "in words of 8 bytes, the first not counted"
