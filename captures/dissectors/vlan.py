"""VLAN tags (IEEE 802.1Q, 802.1ad): to which virtual network a frame belongs."""

from __future__ import annotations

from captures.dissectors.ethertypes import DISSECTORS, ether_type
from captures.tree import Layer, Reader, Row, Short

TAG = "IEEE 802.1Q 9.6"
ROWS = (
    Row("vlan.priority", "Priority", 3, lambda n: "best effort, the default" if not n else f"class {n} of 7", TAG),
    Row("vlan.dei", "Drop Eligible", 1, lambda n: "may be dropped first" if n else "not to be dropped first", TAG),
    Row("vlan.id", "VLAN", 12, lambda n: {0: "no VLAN, only a priority", 4095: "reserved"}.get(n, f"network {n}"), TAG),
)
TYPE = ether_type("vlan.etype", TAG)


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The tag at `start`: behind the EtherType that announced it."""
    reader = Reader(data, start, len(data) if end is None else end)
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        reader.numbers(ROWS)
        carries = DISSECTORS.get(reader.number(TYPE), "")
        payload = (reader.at // 8, reader.end // 8)
    except Short:
        pass
    return Layer("vlan", "802.1Q Virtual LAN", start * 8, reader.at, tuple(reader.fields), carries, payload)
