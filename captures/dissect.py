"""Dissection: a buffer's layers, from the outermost protocol in, every byte accounted for."""

from __future__ import annotations

from collections.abc import Callable

from captures.dissectors import ip, ipv6, tcp
from captures.tree import Field, Layer

Dissector = Callable[[bytes, int, int | None, Layer | None], Layer]
"""(buffer, first byte, byte behind the last, the layer around it) → layer; any bytes give one."""

DISSECTORS: dict[str, Dissector] = {"ip": ip.dissect, "ipv6": ipv6.dissect, "tcp": tcp.dissect}

DEPTH = 16
"""Layers in layers at most: a packet in a packet in a packet ends somewhere."""


def packet(data: bytes) -> tuple[Layer, ...]:
    """A packet that begins with its IP header: link type raw IP, or a SYN that the kernel kept."""
    return dissect(data, "ipv6" if data[:1] and data[0] >> 4 == 6 else "ip")


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
            behind.insert(0, _opaque(data, until, end, "padding", "Padding", "behind the end of the packet"))
        at, end, protocol = begin, until, layer.carries
    if at < end:
        layers.append(_opaque(data, at, end, "data", "Data", "not dissected further"))
    return (*layers, *behind)


def _opaque(data: bytes, start: int, end: int, name: str, label: str, meaning: str) -> Layer:
    field = Field(name, label, data[start:end], start * 8, end * 8, meaning)
    return Layer(name, label, start * 8, end * 8, (field,), "", (end, end))
