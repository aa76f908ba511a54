"""ARP (RFC 826): which station of the link has an IPv4 address."""

from __future__ import annotations

from ipaddress import IPv4Address

from captures.dissectors.ethertypes import IPV4, NAMES, mac, mac_meaning
from captures.tree import Layer, Reader, Row, Short

PACKET = "RFC 826"
OPERATIONS = {1: "who has this address?", 2: "I have it", 3: "which address is mine? (RARP)", 4: "this one (RARP)"}
HEAD = (
    Row("arp.hw.type", "Hardware Type", 16, lambda n: "Ethernet" if n == 1 else f"type {n}", PACKET),
    Row("arp.proto.type", "Protocol Type", 16, lambda n: NAMES.get(n, f"type 0x{n:04x}"), PACKET),
    Row("arp.hw.size", "Hardware Size", 8, "bytes of a station's address", PACKET),
    Row("arp.proto.size", "Protocol Size", 8, "bytes of a protocol's address", PACKET),
    Row("arp.opcode", "Operation", 16, lambda n: OPERATIONS.get(n, f"operation {n}"), PACKET),
)


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The packet at `start`; a link's padding may follow."""
    reader = Reader(data, start, len(data) if end is None else end)
    try:
        _, protocol, station_size, address_size, _ = reader.numbers(HEAD)
        for side, label in (("src", "Sender"), ("dst", "Target")):
            _station(reader, side, label, station_size)
            _address(reader, side, label, address_size, protocol)
    except Short:
        pass
    behind = reader.at // 8
    return Layer("arp", "Address Resolution Protocol", start * 8, reader.at, tuple(reader.fields), "", (behind, behind))


def _station(reader: Reader, side: str, label: str, size: int) -> None:
    at = reader.at // 8
    station = reader.data[at : at + size]
    if size == 6:
        reader.take(6, f"arp.{side}.hw_mac", f"{label} MAC Address", mac_meaning(station), PACKET, value=mac(station))
    else:
        reader.take(size, f"arp.{side}.hw", f"{label} Hardware Address", "", PACKET)


def _address(reader: Reader, side: str, label: str, size: int, protocol: int) -> None:
    if size == 4 and protocol == IPV4:
        value = str(IPv4Address(reader.peek(4)))
        reader.take(4, f"arp.{side}.proto_ipv4", f"{label} IP Address", "", PACKET, value=value)
    else:
        reader.take(size, f"arp.{side}.proto", f"{label} Protocol Address", "", PACKET)
