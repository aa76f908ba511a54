"""ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861): errors, echoes, and who has which address on a link."""

from __future__ import annotations

from collections.abc import Callable

from captures.checksum import judge
from captures.dissectors import icmpv6_listeners, icmpv6_neighbours
from captures.dissectors.icmpv6_neighbours import address, flag
from captures.tree import Layer, Reader, Row, Short

MESSAGE = "RFC 4443 2.1"
PROTOCOL = 58
TYPES = {
    1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem", 128: "echo request",
    129: "echo reply", 130: "multicast listener query", 131: "multicast listener report",
    132: "multicast listener gone",
    133: "router solicitation", 134: "router advertisement", 135: "neighbour solicitation",
    136: "neighbour advertisement", 137: "redirect", 143: "multicast listener report, version 2",
}  # fmt: skip
UNREACHABLE = (
    "no route", "prohibited by a filter", "beyond the source address's scope", "address unreachable",
    "port unreachable: nobody listens", "source address failed policy", "route rejected",
)  # fmt: skip
EXCEEDED = ("the hop limit ran out on the way", "a fragment was missing for too long")
PREFERENCES = ("medium", "high", "not allowed", "low")


def _code(kind: int, number: int) -> str:
    table = {1: UNREACHABLE, 3: EXCEEDED}.get(kind, ())
    return table[number] if number < len(table) else "no more is said" if not number else f"code {number}"


def dissect(data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None) -> Layer:
    """The message at `start`; an error carries the beginning of the packet it is about."""
    reader = Reader(data, start, len(data) if end is None else end)
    behind = reader.end // 8
    carries, payload = "", (behind, behind)
    try:
        kind = reader.number(Row("icmpv6.type", "Type", 8, lambda n: TYPES.get(n, f"type {n}"), MESSAGE))
        reader.number(Row("icmpv6.code", "Code", 8, lambda n: _code(kind, n), MESSAGE))
        reader.number(Row("icmpv6.checksum", "Checksum", 16, judge(data[start:behind], 2, below, PROTOCOL), MESSAGE))
        BODIES.get(kind, _unused)(reader)
        if 132 < kind < 138:
            icmpv6_neighbours.read(reader)
        carries, payload = "ipv6" if kind < 5 else "", (reader.at // 8, behind)
    except Short:
        pass
    label = "Internet Control Message Protocol version 6"
    return Layer("icmpv6", label, start * 8, reader.at, tuple(reader.fields), carries, payload)


def _unused(reader: Reader) -> None:
    reader.take(4, "icmpv6.reserved", "Reserved", "must be zero", MESSAGE)


def _echo(reader: Reader) -> None:
    what = "tells one program's echoes from another's"
    reader.number(Row("icmpv6.echo.identifier", "Identifier", 16, what, "RFC 4443 4.1"))
    reader.number(Row("icmpv6.echo.sequence_number", "Sequence Number", 16, "which of its echoes", "RFC 4443 4.1"))


def _too_big(reader: Reader) -> None:
    reader.number(Row("icmpv6.mtu", "MTU", 32, "the most that the next link takes", "RFC 4443 3.2"))


def _pointer(reader: Reader) -> None:
    reader.number(Row("icmpv6.pointer", "Pointer", 32, "the byte where the problem is", "RFC 4443 3.4"))


def _solicitation(reader: Reader) -> None:
    _unused(reader)
    address(reader, "icmpv6.nd.ns.target_address", "Target Address", "who has this?", "RFC 4861 4.3")


def _advertisement(reader: Reader) -> None:
    flags = ("Router", "it is a router"), ("Solicited", "it was asked for"), ("Override", "it replaces what is known")
    for label, words in flags:
        name = f"icmpv6.nd.na.flag.{label[0].lower()}"
        reader.number(Row(name, label, 1, flag(words), "RFC 4861 4.4"))
    reader.number(Row("icmpv6.nd.na.flag.rsv", "Reserved", 29, "must be zero", "RFC 4861 4.4"))
    address(reader, "icmpv6.nd.na.target_address", "Target Address", "whose link address this tells", "RFC 4861 4.4")


def _router(reader: Reader) -> None:
    rows = (
        Row("icmpv6.nd.ra.cur_hop_limit", "Hop Limit", 8, "what senders should begin with", "RFC 4861 4.2"),
        Row("icmpv6.nd.ra.flag.m", "Managed", 1, flag("addresses are given out by DHCPv6"), "RFC 4861 4.2"),
        Row("icmpv6.nd.ra.flag.o", "Other", 1, flag("DHCPv6 knows more than addresses"), "RFC 4861 4.2"),
        Row("icmpv6.nd.ra.flag.h", "Home Agent", 1, flag("it is a home agent of mobile hosts"), "RFC 6275 7.1"),
        Row("icmpv6.nd.ra.flag.prf", "Preference", 2, lambda n: PREFERENCES[n], "RFC 4191 2.2"),
        Row("icmpv6.nd.ra.flag.p", "Proxy", 1, flag("it speaks for other routers"), "RFC 4389 4.1.3.3"),
        Row("icmpv6.nd.ra.flag.rsv", "Reserved", 2, "must be zero", "RFC 4861 4.2"),
        Row("icmpv6.nd.ra.router_lifetime", "Lifetime", 16, "seconds as a default router", "RFC 4861 4.2"),
        Row("icmpv6.nd.ra.reachable_time", "Reachable Time", 32, "milliseconds", "RFC 4861 4.2"),
        Row("icmpv6.nd.ra.retrans_timer", "Retransmission Timer", 32, "milliseconds", "RFC 4861 4.2"),
    )
    reader.numbers(rows)


def _redirect(reader: Reader) -> None:
    _unused(reader)
    address(reader, "icmpv6.nd.rd.target_address", "Target Address", "send it there instead", "RFC 4861 4.5")
    address(reader, "icmpv6.rd.na.destination_address", "Destination Address", "what is for this", "RFC 4861 4.5")


BODIES: dict[int, Callable[[Reader], None]] = {
    2: _too_big,
    4: _pointer,
    128: _echo,
    129: _echo,
    130: icmpv6_listeners.message,
    131: icmpv6_listeners.message,
    132: icmpv6_listeners.message,
    133: _unused,
    134: _router,
    135: _solicitation,
    136: _advertisement,
    137: _redirect,
    143: icmpv6_listeners.report,
}
"""What stands behind the checksum, by type."""
