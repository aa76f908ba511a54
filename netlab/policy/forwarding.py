"""What an intermediary does to the fields of a message on its way (RFC 9110 7.6, RFC 7239)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Pair = tuple[str, str]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOP_BY_HOP = frozenset(  # RFC 9110 7.6.1; Content-Length is written anew from the framing that was read
    (
        "connection",
        "proxy-connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "http2-settings",
    )
)
FORWARDING = frozenset(
    ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip")
)
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
OBFUSCATED = re.compile(r"_[A-Za-z0-9._-]+")

Told = Literal["both", "x-forwarded", "forwarded", "nothing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """This intermediary, as the fields it writes describe it.

    name     its pseudonym in Via, unique to this instance, so that a loop is recognised (RFC 9110 7.6.3)
    tells    which of X-Forwarded-* and Forwarded it writes
    trusted  peers whose own forwarding fields are believed and added to; those of everyone else are replaced
    node     what `for=` says of a client: its address, "unknown", or an obfuscated identifier (RFC 7239 6)
    """

    name: str
    tells: Told = "both"
    trusted: tuple[Network, ...] = ()
    node: str = "address"
    via: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """How a request reached us."""

    client: str  # IP address
    port: int
    scheme: str
    host: str  # the authority the client asked for
    version: str  # "1.1"


def request_fields(pairs: Iterable[Pair], connection: Sequence[str], hop: Hop, arrival: Arrival) -> list[Pair]:
    """The fields that travel on with a request; Host and framing are the next hop's business and left out.

    `connection` are the members of the Connection field, lower case: what they name ends here too.
    """
    drop = HOP_BY_HOP | {"host", "proxy-authorization", *connection}
    before: dict[str, list[str]] = {}
    kept: list[Pair] = []
    believed = is_trusted(arrival.client, hop.trusted)
    told = hop.tells != "nothing"
    for name, value in pairs:
        key = name.lower()
        if key in drop:
            continue
        if (told and key in FORWARDING) or (hop.via and key == "via"):
            if key == "via" or believed:
                before.setdefault(key, []).append(value)
            continue
        kept.append((name, value))
    if hop.via:
        kept.append(("Via", _joined(before.get("via"), f"{arrival.version} {hop.name}")))
    if hop.tells in ("both", "x-forwarded"):
        kept += x_forwarded(before, arrival)
    if hop.tells in ("both", "forwarded"):
        kept.append(("Forwarded", _joined(before.get("forwarded"), forwarded_element(hop, arrival))))
    return kept


def response_fields(pairs: Iterable[Pair], connection: Sequence[str], hop: Hop, version: str) -> list[Pair]:
    """The fields that travel back with a response."""
    drop = HOP_BY_HOP.union(connection)
    kept = [pair for pair in pairs if pair[0].lower() not in drop]
    if hop.via:
        before = [value for name, value in kept if name.lower() == "via"]
        kept = [pair for pair in kept if pair[0].lower() != "via"] if before else kept
        kept.append(("Via", _joined(before, f"{version} {hop.name}")))
    return kept


def x_forwarded(before: dict[str, list[str]], arrival: Arrival) -> list[Pair]:
    """X-Forwarded-For grows at each hop; -Proto and -Host keep what the first one saw."""
    host = before.get("x-forwarded-host", [arrival.host])[0]
    fields = [
        ("X-Forwarded-For", _joined(before.get("x-forwarded-for"), arrival.client)),
        ("X-Forwarded-Proto", before.get("x-forwarded-proto", [arrival.scheme])[0]),
    ]
    return [*fields, ("X-Forwarded-Host", host)] if host else fields  # an HTTP/1.0 client may have named none


def forwarded_element(hop: Hop, arrival: Arrival) -> str:
    """One element of Forwarded: `for=192.0.2.60;host=example.org;proto=https` (RFC 7239 4)."""
    node = node_name(arrival.client) if hop.node == "address" else hop.node
    parts = [f"for={quoted(node)}", f"proto={quoted(arrival.scheme)}"]
    if arrival.host:
        parts.insert(1, f"host={quoted(arrival.host)}")
    return ";".join(parts)


def node_name(address: str) -> str:
    """An address as RFC 7239 6 writes nodes: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def quoted(value: str) -> str:
    """A token as it is, everything else as a quoted-string (RFC 7239 4)."""
    if TOKEN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def has_loop(via: str | None, hop: Hop) -> bool:
    """Whether a request has been here before (RFC 9110 7.6.3)."""
    return via is not None and any(part.split()[1:2] == [hop.name] for part in via.split(","))


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    if not trusted:
        return False
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in trusted)


def client_address(before: str | None, peer: str, trusted: Sequence[Network]) -> str:
    """Who the client really is: from the right of X-Forwarded-For, the first address that is not a trusted proxy's."""
    chain = [*(part.strip() for part in before.split(",")), peer] if before else [peer]
    for address in reversed(chain):
        if not is_trusted(address, trusted):
            return address
    return chain[0]


def _joined(before: list[str] | None, value: str) -> str:
    return ", ".join([*before, value]) if before else value
