"""ICMP (RFC 792): echoes, and what routers and hosts say of packets that did not arrive."""

from __future__ import annotations

from ipaddress import IPv4Address

from captures.checksum import checksum, untold
from captures.tree import Layer, Reader, Row, Short

MESSAGE = "RFC 792"
TYPES = {
    0: "echo reply", 3: "destination unreachable", 4: "source quench (RFC 6633: ignored)", 5: "redirect",
    8: "echo request", 9: "router advertisement (RFC 1256)", 10: "router solicitation (RFC 1256)", 11: "time exceeded",
    12: "parameter problem", 13: "timestamp", 14: "timestamp reply", 42: "extended echo request (RFC 8335)",
    43: "extended echo reply (RFC 8335)",
}  # fmt: skip
UNREACHABLE = (
    "network unreachable", "host unreachable", "protocol unreachable", "port unreachable: nobody listens",
    "fragmentation needed, and forbidden", "source route failed", "network unknown", "host unknown", "source isolated",
    "network prohibited", "host prohibited", "network unreachable for this service", "host unreachable for the service",
    "prohibited by a filter", "host precedence violated", "precedence cut off",
)  # fmt: skip
EXCEEDED = ("the hop limit ran out on the way", "a fragment was missing for too long")
NEEDS_FRAGMENTS = 4
ECHO = {0, 8, 13, 14}
TIMESTAMPS = {13, 14}
EXTENDED = {3, 11, 12}
TIMES = (
    Row("icmp.originate_timestamp", "Originate Timestamp", 32, "when it was sent, in ms since midnight UTC", MESSAGE),
    Row("icmp.receive_timestamp", "Receive Timestamp", 32, "when the other side had it", MESSAGE),
    Row("icmp.transmit_timestamp", "Transmit Timestamp", 32, "when the other side answered", MESSAGE),
)
QUOTING = {3, 4, 5, 11, 12}
"""Types behind whose eight bytes stands the beginning of the packet that they are about."""


def _code(kind: int, number: int) -> str:
    table = {3: UNREACHABLE, 11: EXCEEDED}.get(kind, ())
    return table[number] if number < len(table) else "no more is said" if not number else f"code {number}"


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The message at `start`; an error carries the beginning of the packet it is about."""
    reader = Reader(data, start, len(data) if end is None else end)
    behind = reader.end // 8
    carries, payload = "", (behind, behind)
    try:
        kind = reader.number(Row("icmp.type", "Type", 8, lambda n: TYPES.get(n, f"type {n}"), MESSAGE))
        code = reader.number(Row("icmp.code", "Code", 8, lambda n: _code(kind, n), MESSAGE))
        found = reader.number(Row("icmp.checksum", "Checksum", 16, "", MESSAGE))
        right = checksum(data[start : start + 2] + b"\0\0" + data[start + 4 : behind])
        said = "correct" if right == found else f"wrong: these bytes give 0x{right:04x}"
        reader.amend("icmp.checksum", meaning=(below and untold(data[start:behind], below)) or said)
        _rest(reader, kind, code)
        carries, payload = "ip" if kind in QUOTING else "", (reader.at // 8, behind)
    except Short:
        pass
    return Layer(
        "icmp", "Internet Control Message Protocol", start * 8, reader.at, tuple(reader.fields), carries, payload
    )


def _rest(reader: Reader, kind: int, code: int) -> None:
    """What stands behind the checksum, by type; behind it errors quote the packet that they are about."""
    if kind in ECHO:
        reader.number(Row("icmp.ident", "Identifier", 16, "tells one program's echoes from another's", MESSAGE))
        reader.number(Row("icmp.seq", "Sequence Number", 16, "which of its echoes", MESSAGE))
        if kind in TIMESTAMPS:
            reader.numbers(TIMES)
    elif kind == 5:
        gateway = str(IPv4Address(reader.peek(4)))
        reader.take(4, "icmp.redir_gw", "Gateway", "the router to take instead", MESSAGE, value=gateway)
    elif kind in EXTENDED:
        _error(reader, kind, code)
    elif kind in (42, 43):
        reader.number(Row("icmp.ident", "Identifier", 16, "tells one program's echoes from another's", "RFC 8335 2"))
        reader.number(Row("icmp.ext.echo.seq", "Sequence Number", 8, "which of its echoes", "RFC 8335 2"))
        reader.take(1, "icmp.ext.echo.flags", "Flags", "which interface is asked about, or its state", "RFC 8335 2")
    else:
        reader.take(4, "icmp.rest", "Rest of the Header", "differs by type", MESSAGE)


def _error(reader: Reader, kind: int, code: int) -> None:
    """Four bytes, of which the second may tell where the quoted packet ends, because extensions follow (RFC 4884)."""
    quoted = reader.data[reader.at // 8 + 1 : reader.at // 8 + 2] not in (b"\0", b"")
    mtu = kind == 3 and code == NEEDS_FRAGMENTS
    before = 0 if kind == 12 else 1
    if kind == 12:
        reader.number(Row("icmp.pointer", "Pointer", 8, "the byte where the problem is", MESSAGE))
    if not quoted:
        _unused(reader, (2 if mtu else 4) - (kind == 12))
    else:
        _unused(reader, before)
        what = "of the quoted packet, in words of 4 bytes: extensions follow it"
        reader.number(Row("icmp.length", "Length", 8, what, "RFC 4884 4"))
        _unused(reader, 0 if mtu else 2)
    if mtu:
        reader.number(Row("icmp.mtu", "MTU of the Next Hop", 16, "the most that fits through there", "RFC 1191 4"))


def _unused(reader: Reader, size: int) -> None:
    reader.take(size, "icmp.unused", "Unused", "must be zero", MESSAGE)
