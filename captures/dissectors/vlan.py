"""VLAN tags (IEEE 802.1Q, 802.1ad): to which virtual network a frame belongs."""

from __future__ import annotations

from captures.dissectors.ethertypes import DISSECTORS, ether_type
from captures.tree import Layer, Reader, Row, Short

TAG = "IEEE 802.1Q 9.6"


def _rows(name: str) -> tuple[Row, ...]:
    return (
        Row(f"{name}.priority", "Priority", 3, lambda n: f"class {n} of 7" if n else "best effort, the default", TAG),
        Row(
            f"{name}.dei", "Drop Eligible", 1, lambda n: "may be dropped first" if n else "not to be dropped first", TAG
        ),
        Row(f"{name}.id", "VLAN", 12, lambda n: NETWORKS.get(n, f"network {n}"), TAG),
        ether_type(f"{name}.etype", TAG),
    )


NETWORKS = {0: "no VLAN, only a priority", 4095: "reserved"}
TAGS = {name: _rows(name) for name in ("vlan", "ieee8021ad")}
LABELS = {"vlan": "802.1Q Virtual LAN", "ieee8021ad": "802.1ad Service VLAN"}


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The tag at `start`: behind the EtherType that announced it, which says whether it is a provider's."""
    reader = Reader(data, start, len(data) if end is None else end)
    name = below.carries if below is not None and below.carries in TAGS else "vlan"
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        *_, following = reader.numbers(TAGS[name])
        carries = DISSECTORS.get(following, "")
        payload = (reader.at // 8, reader.end // 8)
    except Short:
        pass
    return Layer(name, LABELS[name], start * 8, reader.at, tuple(reader.fields), carries, payload)
