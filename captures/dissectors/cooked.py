"""Linux cooked captures, versions 1 and 2: what the kernel puts before packets where all links are captured."""

from __future__ import annotations

from captures.dissectors.ethertypes import DISSECTORS, ether_type, mac
from captures.tree import Layer, Reader, Row, Short

V1, V2 = "LINKTYPE_LINUX_SLL", "LINKTYPE_LINUX_SLL2"
DIRECTIONS = {
    0: "sent to us",
    1: "broadcast by somebody else",
    2: "multicast by somebody else",
    3: "sent to somebody else",
    4: "sent by us",
}
LINKS = {1: "Ethernet", 512: "PPP", 772: "loopback", 778: "GRE tunnel", 65534: "tunnel without addresses"}


def _direction(number: int) -> str:
    return DIRECTIONS.get(number, f"type {number}")


def _link(number: int) -> str:
    return LINKS.get(number, f"ARPHRD {number}")


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header of version 1 at `start`, 16 bytes."""
    reader = Reader(data, start, len(data) if end is None else end)
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        reader.number(Row("sll.pkttype", "Packet Type", 16, _direction, V1))
        reader.number(Row("sll.hatype", "Link Type", 16, _link, V1))
        _address(reader, reader.number(Row("sll.halen", "Address Length", 16, "bytes of it that count", V1)), V1)
        carries = DISSECTORS.get(reader.number(ether_type("sll.etype", V1)), "")
        payload = (reader.at // 8, reader.end // 8)
    except Short:
        pass
    return Layer("sll", "Linux cooked capture v1", start * 8, reader.at, tuple(reader.fields), carries, payload)


def dissect_2(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header of version 2 at `start`, 20 bytes: it says which interface, too."""
    reader = Reader(data, start, len(data) if end is None else end)
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        kind = reader.number(ether_type("sll.etype", V2))
        reader.number(Row("sll.reserved", "Reserved", 16, "must be zero", V2))
        reader.number(Row("sll.ifindex", "Interface", 32, "the kernel's number of it", V2))
        reader.number(Row("sll.hatype", "Link Type", 16, _link, V2))
        reader.number(Row("sll.pkttype", "Packet Type", 8, _direction, V2))
        _address(reader, reader.number(Row("sll.halen", "Address Length", 8, "bytes of it that count", V2)), V2)
        carries, payload = DISSECTORS.get(kind, ""), (reader.at // 8, reader.end // 8)
    except Short:
        pass
    return Layer("sll", "Linux cooked capture v2", start * 8, reader.at, tuple(reader.fields), carries, payload)


def _address(reader: Reader, length: int, section: str) -> None:
    """The sender's address in a field of eight bytes."""
    at = reader.at // 8
    used = min(length, 8)
    if used == 6:
        reader.take(6, "sll.src.eth", "Source", "", section, value=mac(reader.data[at : at + 6]))
    else:
        reader.take(used, "sll.src.other", "Source", "", section)
    reader.take(8 - used, "sll.unused", "Unused", "", section)
