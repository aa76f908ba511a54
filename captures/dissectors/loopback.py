"""The loopback of BSD systems: four bytes that say which family of addresses follows."""

from __future__ import annotations

from captures.tree import Field, Layer, Reader, Short

SECTION = "LINKTYPE_NULL"
FAMILIES = {2: "ip", 10: "ipv6", 24: "ipv6", 28: "ipv6", 30: "ipv6"}
"""AF_INET everywhere; AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS."""


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The header at `start`, in the byte order of whoever captured; OpenBSD's LINKTYPE_LOOP has the network's."""
    reader = Reader(data, start, len(data) if end is None else end)
    carries, payload = "", (reader.end // 8, reader.end // 8)
    try:
        raw = data[start : start + 4]
        little, big = int.from_bytes(raw, "little"), int.from_bytes(raw, "big")
        family = little if little < 0x10000 else big
        meaning = {"ip": "IPv4 follows", "ipv6": "IPv6 follows"}.get(FAMILIES.get(family, ""), "not known here")
        reader.take(4, "null.family", "Address Family", meaning, SECTION, value=family)
        carries, payload = FAMILIES.get(family, ""), (reader.at // 8, reader.end // 8)
    except Short:
        pass
    fields: tuple[Field, ...] = tuple(reader.fields)
    return Layer("null", "BSD loopback", start * 8, reader.at, fields, carries, payload)
