"""Options of neighbour discovery (RFC 4861 4.6): link addresses, prefixes, MTU, name servers."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

from captures.dissectors.ethertypes import mac
from captures.tree import Reader, Row

SECTION = "RFC 4861 4.6"
OPTIONS = {
    1: ("Source Link-Layer Address", "RFC 4861 4.6.1"), 2: ("Target Link-Layer Address", "RFC 4861 4.6.1"),
    3: ("Prefix Information", "RFC 4861 4.6.2"), 4: ("Redirected Header", "RFC 4861 4.6.3"),
    5: ("MTU", "RFC 4861 4.6.4"), 14: ("Nonce", "RFC 3971 5.3.2"), 24: ("Route Information", "RFC 4191 2.3"),
    25: ("Recursive DNS Server", "RFC 8106 5.1"), 31: ("DNS Search List", "RFC 8106 5.2"),
}  # fmt: skip


def flag(words: str) -> Callable[[int], str]:
    """What a flag says if it is set."""
    return lambda number: words if number else "not set"


PREFIX_ROWS = (
    Row("icmpv6.opt.prefix.length", "Prefix Length", 8, "bits that are the network's", "RFC 4861 4.6.2"),
    Row("icmpv6.opt.prefix.flag.l", "On-Link", 1, flag("its addresses are on this link"), "RFC 4861 4.6.2"),
    Row("icmpv6.opt.prefix.flag.a", "Autonomous", 1, flag("make addresses of it yourselves"), "RFC 4862 5.5.3"),
    Row("icmpv6.opt.prefix.flag.r", "Router Address", 1, flag("the router's own address is in it"), "RFC 6275 7.2"),
    Row("icmpv6.opt.prefix.flag.reserved", "Reserved", 5, "must be zero", "RFC 4861 4.6.2"),
    Row("icmpv6.opt.prefix.valid_lifetime", "Valid Lifetime", 32, "seconds it holds", "RFC 4861 4.6.2"),
    Row("icmpv6.opt.prefix.preferred_lifetime", "Preferred Lifetime", 32, "seconds it is preferred", "RFC 4861 4.6.2"),
)


def read(reader: Reader) -> None:
    """Pass all options: a type, a length in words of eight bytes, data."""
    while reader.left:
        mark, kind = len(reader.fields), reader.peek()
        label, section = OPTIONS.get(kind, ("Option", SECTION))
        reader.number(Row("icmpv6.opt.type", "Type", 8, label, section))
        words = reader.number(Row("icmpv6.opt.length", "Length", 8, "words of eight bytes", section))
        if words:
            _data(reader, kind, words, section)
        else:
            reader.amend("icmpv6.opt.length", meaning="zero: the packet must be discarded", malformed=True)
            reader.spoil("icmpv6.opt.data", "Data", "behind an option without a length", section)
        reader.fold(mark, "icmpv6.opt", label, kind, "", section)


def _data(reader: Reader, kind: int, words: int, section: str) -> None:
    if kind in (1, 2) and words == 1:
        at = reader.at // 8
        what = "of who sends this" if kind == 1 else "of the address that is asked for"
        reader.take(6, "icmpv6.opt.linkaddr", "Link Address", what, section, value=mac(reader.data[at : at + 6]))
    elif kind == 3 and words == 4:
        reader.numbers(PREFIX_ROWS)
        reader.take(4, "icmpv6.opt.reserved", "Reserved", "must be zero", section)
        address(reader, "icmpv6.opt.prefix", "Prefix", "the network's addresses begin so", section)
    elif kind == 5 and words == 1:
        reader.take(2, "icmpv6.opt.reserved", "Reserved", "must be zero", section)
        reader.number(Row("icmpv6.opt.mtu", "MTU", 32, "the most that this link takes", section))
    elif kind == 25 and words > 2 and words % 2:
        reader.take(2, "icmpv6.opt.reserved", "Reserved", "must be zero", section)
        reader.number(Row("icmpv6.opt.rdnss.lifetime", "Lifetime", 32, "seconds they may be asked", section))
        for _ in range(words // 2):
            address(reader, "icmpv6.opt.rdnss", "Name Server", "ask here for names", section)
    else:
        reader.take(words * 8 - 2, "icmpv6.opt.data", "Data", "not read further", section)


def address(reader: Reader, name: str, label: str, meaning: str, section: str) -> None:
    """Pass an address."""
    reader.take(16, name, label, meaning, section, value=str(IPv6Address(reader.peek(16))))
