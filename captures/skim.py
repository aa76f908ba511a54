"""A packet's addresses, ports and payload read in one go, without a tree: what lists and reassembly need of it.

The dissectors show the same bytes field by field; here only those are looked at that say where the payload is.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from struct import Struct, error

from captures.blocks import LinkType
from captures.dissectors.ethertypes import ARP, IPV4, IPV6, NAMES, SERVICE_VLAN, VLAN
from captures.dissectors.loopback import FAMILIES

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
_TYPE = Struct("!H")
_IP = Struct("!BxHHHxBxx4s4s")
_IPV6 = Struct("!xxxxHBx16s16s")
_EXTENSIONS = {0, 43, 60, 135, 139, 140}
_DEPTH = 8


class Skimmed:
    """What lies where in a packet; `protocol` is IP's number for the payload, -1 where there is no IP.

    network   ip, ipv6, or what else the link carries, in words
    start     the payload's first byte and `end` the one behind its last, as far as captured
    length    the payload's length as its header has it
    fragment  None, or (identification, offset in bytes, whether more follow)
    """

    __slots__ = ("destination", "end", "fragment", "length", "network", "protocol", "source", "start")

    def __init__(self, network: str) -> None:
        self.network = network
        self.source = self.destination = b""
        self.protocol = -1
        self.start = self.end = self.length = 0
        self.fragment: tuple[int, int, bool] | None = None


@lru_cache(maxsize=1 << 14)
def address_text(address: bytes) -> str:
    """An address as people write it: of IPv4, of IPv6, or of a link."""
    return address.hex(":") if len(address) == 6 else str(ip_address(address)) if len(address) in (4, 16) else ""


def skim(link_type: int, data: bytes) -> Skimmed:
    """A packet of this link type; whatever the bytes are."""
    try:
        kind, at, source, destination = _link(link_type, data)
        while kind in (VLAN, SERVICE_VLAN):
            kind, at = data[at + 2] << 8 | data[at + 3], at + 4
        if kind == IPV4:
            return _ip(data, at)
        if kind == IPV6:
            return _ipv6(data, at)
    except (IndexError, ValueError, error):
        return Skimmed("cut short")
    skimmed = Skimmed("ARP" if kind == ARP else NAMES.get(kind, f"0x{kind:04x}" if kind >= 0 else "unknown"))
    skimmed.source, skimmed.destination = source, destination
    skimmed.start, skimmed.end, skimmed.length = at, len(data), len(data) - at
    return skimmed


def _link(link_type: int, data: bytes) -> tuple[int, int, bytes, bytes]:
    """The EtherType of what follows, -1 if nobody knows; where it begins; the link's addresses."""
    if link_type == LinkType.ETHERNET:
        return data[12] << 8 | data[13], 14, data[6:12], data[:6]
    if link_type in (LinkType.RAW_IP, LinkType.RAW_BSD, LinkType.IPV4, LinkType.IPV6, 14):
        return (IPV6 if data[0] >> 4 == 6 else IPV4), 0, b"", b""
    if link_type == LinkType.LINUX_COOKED:
        return _TYPE.unpack_from(data, 14)[0], 16, data[6:12], b""
    if link_type == LinkType.LINUX_COOKED_2:
        return _TYPE.unpack_from(data, 0)[0], 20, data[12:18], b""
    if link_type in (LinkType.NULL, LinkType.LOOP):
        little = int.from_bytes(data[:4], "little")
        family = FAMILIES.get(little if little < 0x10000 else int.from_bytes(data[:4], "big"), "")
        return {"ip": IPV4, "ipv6": IPV6}.get(family, -1), 4, b"", b""
    return -1, 0, b"", b""


def _ip(data: bytes, at: int, depth: int = 0) -> Skimmed:
    first, length, identification, offset, protocol, source, destination = _IP.unpack_from(data, at)
    if first >> 4 != 4:
        return Skimmed("no IP")
    skimmed = Skimmed("ip")
    skimmed.source, skimmed.destination, skimmed.protocol = source, destination, protocol
    header = (first & 15) * 4
    skimmed.start = at + max(header, 20)
    skimmed.length = length - header if length else len(data) - skimmed.start
    skimmed.end = min(skimmed.start + max(skimmed.length, 0), len(data))
    if offset & 0x3FFF:
        skimmed.fragment = (identification, (offset & 0x1FFF) * 8, bool(offset & 0x2000))
    elif protocol in (4, 41) and depth < _DEPTH:
        return _inner(data, skimmed, depth)
    return skimmed


def _ipv6(data: bytes, at: int, depth: int = 0) -> Skimmed:
    length, protocol, source, destination = _IPV6.unpack_from(data, at)
    skimmed = Skimmed("ipv6")
    skimmed.source, skimmed.destination = source, destination
    start, end = at + 40, min(at + 40 + length, len(data))
    while start < end:
        if protocol in _EXTENSIONS:
            protocol, start = data[start], start + (data[start + 1] + 1) * 8
        elif protocol == 51:
            protocol, start = data[start], start + (data[start + 1] + 2) * 4
        elif protocol == 44:
            offset = _TYPE.unpack_from(data, start + 2)[0]
            if offset & 0xFFF9:
                identification = int.from_bytes(data[start + 4 : start + 8], "big")
                skimmed.fragment = (identification, offset & 0xFFF8, bool(offset & 1))
            protocol, start = data[start], start + 8
            if skimmed.fragment:
                break
        else:
            break
    skimmed.protocol = protocol
    skimmed.start, skimmed.end, skimmed.length = min(start, end), end, at + 40 + length - start
    if protocol in (4, 41) and skimmed.fragment is None and depth < _DEPTH:
        return _inner(data, skimmed, depth)
    return skimmed


def _inner(data: bytes, outer: Skimmed, depth: int) -> Skimmed:
    """The packet in the packet, if there is one."""
    if outer.end - outer.start < 20:
        return outer
    inner = (_ip if outer.protocol == 4 else _ipv6)(data, outer.start, depth + 1)
    return inner if inner.protocol >= 0 else outer
