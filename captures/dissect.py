"""Dissection: a buffer's layers, from the outermost protocol in, every byte accounted for."""

from __future__ import annotations

from collections.abc import Callable

from captures.blocks import LinkType
from captures.dissectors import arp, cooked, ethernet, icmp, icmpv6, ip, ipv6, loopback, tcp, udp, vlan
from captures.tree import Field, Layer

Dissector = Callable[[bytes, int, int | None, Layer | None], Layer]
"""(buffer, first byte, byte behind the last, the layer around it) → layer; any bytes give one."""

DISSECTORS: dict[str, Dissector] = {
    "eth": ethernet.dissect,
    "vlan": vlan.dissect,
    "ieee8021ad": vlan.dissect,
    "sll": cooked.dissect,
    "sll2": cooked.dissect_2,
    "null": loopback.dissect,
    "arp": arp.dissect,
    "ip": ip.dissect,
    "ipv6": ipv6.dissect,
    "icmp": icmp.dissect,
    "icmpv6": icmpv6.dissect,
    "tcp": tcp.dissect,
    "udp": udp.dissect,
}

LINKS = {
    LinkType.NULL: "null",
    LinkType.LOOP: "null",
    LinkType.ETHERNET: "eth",
    LinkType.LINUX_COOKED: "sll",
    LinkType.LINUX_COOKED_2: "sll2",
    LinkType.IPV4: "ip",
    LinkType.IPV6: "ipv6",
}
"""What packets of a link type begin with; those of raw IP tell by their first byte."""

DEPTH = 16
"""Layers in layers at most: a packet in a packet in a packet ends somewhere."""


def outermost(link_type: int, data: bytes) -> str:
    """The protocol that a packet of this link type begins with; empty where that is not known here."""
    if link_type in (LinkType.RAW_IP, LinkType.RAW_BSD, 14):  # 14: the same on OpenBSD
        return "ipv6" if data[:1] and data[0] >> 4 == 6 else "ip"
    return LINKS.get(LinkType(link_type), "") if link_type in LINKS else ""


def packet(data: bytes) -> tuple[Layer, ...]:
    """A packet that begins with its IP header: link type raw IP, or a SYN that the kernel kept."""
    return dissect(data, outermost(LinkType.RAW_IP, data))


def dissect(data: bytes, protocol: str) -> tuple[Layer, ...]:
    """The layers of a buffer whose outermost protocol is known; what nobody can read is a layer `data`."""
    layers: list[Layer] = []
    behind: list[Layer] = []  # what lies behind a layer's payload: padding of a link, or damage
    at, end = 0, len(data)
    while protocol in DISSECTORS and at < end and len(layers) < DEPTH:
        layer = DISSECTORS[protocol](data, at, end, layers[-1] if layers else None)
        layers.append(layer)
        begin, until = layer.payload
        if until < end:
            behind.insert(0, opaque(data, until, end, "padding", "Padding", "behind the end of the packet"))
        at, end, protocol = begin, until, layer.carries
    if at < end:
        layers.append(opaque(data, at, end))
    return (*layers, *behind)


def opaque(
    data: bytes, start: int, end: int, name: str = "data", label: str = "Data", meaning: str = "not dissected further"
) -> Layer:
    """Bytes that nobody here can read, as a layer of one field."""
    field = Field(name, label, data[start:end], start * 8, end * 8, meaning)
    return Layer(name, label, start * 8, end * 8, (field,), "", (end, end))
