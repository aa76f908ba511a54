"""Ethernet (IEEE 802.3): two addresses and what follows, or its length where LLC follows."""

from __future__ import annotations

from captures.dissectors.ethertypes import DISSECTORS, ether_type, mac, mac_meaning
from captures.tree import Layer, Reader, Row, Short

HEADER = "IEEE 802.3 3.1.1"
TYPE = ether_type("eth.type", HEADER)
LENGTH = Row("eth.len", "Length", 16, "bytes of an LLC frame that follow", HEADER)


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header at `start`."""
    reader = Reader(data, start, len(data) if end is None else end)
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        for name, label in (("eth.dst", "Destination"), ("eth.src", "Source")):
            address = data[reader.at // 8 : reader.at // 8 + 6]
            reader.take(6, name, label, mac_meaning(address), HEADER, value=mac(address))
        if reader.left > 1 and reader.peek(2) < 0x600:  # IEEE 802.3 3.2.6: smaller numbers are lengths
            payload = (reader.at // 8 + 2, min(reader.at // 8 + 2 + reader.number(LENGTH), reader.end // 8))
        else:
            carries = DISSECTORS.get(reader.number(TYPE), "")
            payload = (reader.at // 8, reader.end // 8)
    except Short:
        pass
    return Layer("eth", "Ethernet", start * 8, reader.at, tuple(reader.fields), carries, payload)
