"""What an intermediary does to the fields of a message on its way (RFC 9110 7.6, RFC 7239)."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

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
    (
        *("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip"),
        *("client-cert", "client-cert-chain"),  # RFC 9440
    )
)
"""By these an intermediary tells of a client; from anybody else they are made up."""
ALIKE = HOP_BY_HOP | FORWARDING | {"host", "proxy-authorization", "via"}
"""Fields that must not come twice: CGI and its heirs take X_Forwarded_For for X-Forwarded-For (RFC 3875 4.1.18)."""
WRITTEN: dict[str, frozenset[str]] = {
    "nothing": frozenset(),
    "x-forwarded": frozenset(("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")),
    "forwarded": frozenset(("forwarded",)),
}
WRITTEN["both"] = WRITTEN["x-forwarded"] | WRITTEN["forwarded"]
"""By what a hop tells: the fields that it writes anew."""
NO_TRAILERS = ALIKE | frozenset(  # RFC 9110 6.5.1: what routes, modifies, authenticates, or says how to take a content
    (
        *(
            "max-forwards",
            "expect",
            "range",
            "cache-control",
            "cdn-cache-control",
            "pragma",
            "if-match",
            "if-none-match",
        ),
        *("if-modified-since", "if-unmodified-since", "if-range", "authorization", "proxy-authenticate"),
        *("www-authenticate", "cookie", "set-cookie", "age", "date", "expires", "location", "retry-after", "vary"),
        *("content-encoding", "content-type", "content-range", "trailer", "strict-transport-security"),
    )
)
"""Fields that count in a head alone: among trailers they would speak past whoever has checked the head, for there are
recipients that merge the two.
"""
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
PARAMETER = re.compile(r'[ \t]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"]*)[ \t]*(?:;|\Z)')

Told = Literal["both", "x-forwarded", "forwarded", "nothing"]
Node = Literal["address", "hidden", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """This intermediary, as the fields it writes describe it.

    name     its pseudonym in Via, unique to this instance, so that a loop is recognised (RFC 9110 7.6.3)
    tells    which of X-Forwarded-* and Forwarded it writes
    trusted  peers whose own forwarding fields are believed and added to; those of everyone else are replaced
    node     what it calls a client: its address, an identifier that tells it from others and no more, or "unknown"
    secret   what such identifiers are made with, so that nobody can look an address up in them (RFC 7239 6.3)
    passes   where it tells nothing, what clients say of themselves travels on
    """

    name: str
    tells: Told = "both"
    trusted: tuple[Network, ...] = ()
    node: Node = "address"
    secret: bytes = b""
    passes: bool = False
    via: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """How a request reached us."""

    client: str  # IP address
    scheme: str
    host: str  # the authority the client asked for
    version: str  # "1.1"
    certificate: bytes = b""  # the client's own, in DER, where it has shown one that was verified


class FieldsRead(Protocol):
    """Fields, looked up by lower-case name; lines of one name joined by commas."""

    def get(self, name: str, /) -> str | None: ...


def request_fields(pairs: Iterable[Pair], connection: Sequence[str], hop: Hop, arrival: Arrival) -> list[Pair]:
    """The fields that travel on with a request; Host and framing are the next hop's business and left out.

    `connection` are the members of the Connection field, lower case: what they name ends here too.
    """
    drop = HOP_BY_HOP | {"host", "proxy-authorization", *connection}
    before: dict[str, str] = {}
    kept: list[Pair] = []
    written = WRITTEN[hop.tells]
    believed = is_trusted(arrival.client, hop.trusted)
    replaced = FORWARDING if not believed and not (hop.passes and not written) else written
    for name, value in pairs:
        key = name.lower()
        if "_" in key and key.replace("_", "-") in ALIKE:
            continue
        if key in drop:
            if key == "te" and "trailers" in value.lower().replace(";", ",").replace(" ", "").split(","):
                kept.append(("TE", "trailers"))  # they are relayed, so they may be sent (RFC 9110 10.1.4)
            continue
        if believed and key in FORWARDING:
            before[key] = f"{before[key]}, {value}" if key in before else value
        if key in replaced:
            continue
        if hop.via and key == "via":
            before[key] = f"{before[key]}, {value}" if key in before else value
            continue
        kept.append((name, value))
    if hop.via:
        kept.append(("Via", _joined(before.get("via"), f"{arrival.version} {hop.name}")))
    if "x-forwarded-for" in written:
        kept += x_forwarded(before, hop, arrival)
    if "forwarded" in written:
        kept.append(("Forwarded", forwarded(before, hop, arrival)))
    if written and arrival.certificate:  # RFC 9440
        kept.append(("Client-Cert", f":{base64.b64encode(arrival.certificate).decode('ascii')}:"))
    return kept


def response_fields(pairs: Iterable[Pair], connection: Sequence[str], hop: Hop, version: str) -> list[Pair]:
    """The fields that travel back with a response."""
    drop = HOP_BY_HOP.union(connection)
    kept = [pair for pair in pairs if pair[0].lower() not in drop]
    if hop.via:
        before = ", ".join(value for name, value in kept if name.lower() == "via")
        kept = [pair for pair in kept if pair[0].lower() != "via"] if before else kept
        kept.append(("Via", _joined(before, f"{version} {hop.name}")))
    return kept


def trailer_fields(pairs: Iterable[Pair]) -> list[Pair]:
    """The trailers that travel on, in either direction."""
    return [pair for pair in pairs if pair[0].lower().replace("_", "-") not in NO_TRAILERS]


# -- what is told of the client ----------------------------------------------------------------------------------


def x_forwarded(before: FieldsRead, hop: Hop, arrival: Arrival) -> list[Pair]:
    """X-Forwarded-For grows at each hop; -Proto and -Host keep what the first one saw. `before` is what those said
    that we trust, in these fields or in Forwarded (RFC 7239 7.4).
    """
    seen = seen_first(before, arrival, hop.trusted)
    chain = before.get("x-forwarded-for") or ", ".join(node for node, _ in _elements(before))
    fields = [
        ("X-Forwarded-For", _joined(chain, named(hop, arrival.client))),
        ("X-Forwarded-Proto", before.get("x-forwarded-proto") or seen.scheme),
    ]
    host = before.get("x-forwarded-host") or seen.host
    return [*fields, ("X-Forwarded-Host", host)] if host else fields  # an HTTP/1.0 client may have named none


def forwarded(before: FieldsRead, hop: Hop, arrival: Arrival) -> str:
    """Forwarded, grown by an element of ours: `for=192.0.2.60;host=example.org;proto=https` (RFC 7239 4)."""
    chain = before.get("forwarded") or ""
    if not chain and (nodes := before.get("x-forwarded-for")):
        elements = [[("for", node_name(node.strip()))] for node in nodes.split(",")]
        facts = ("host", before.get("x-forwarded-host")), ("proto", before.get("x-forwarded-proto"))
        elements[0] += [(name, value) for name, value in facts if value]
        chain = ", ".join(map(_element, elements))
    own = [("for", node_name(named(hop, arrival.client))), ("host", arrival.host), ("proto", arrival.scheme)]
    return _joined(chain, _element(own))


def named(hop: Hop, address: str) -> str:
    """What this hop calls a client: its address, or an obfuscated identifier of its own (RFC 7239 6.3)."""
    if hop.node == "address":
        return plain(address)
    if hop.node == "unknown":
        return "unknown"
    digest = hashlib.blake2b(address.encode(), key=hop.secret[:64], digest_size=10).digest()
    return "_" + base64.b32encode(digest).decode("ascii")


def node_name(address: str) -> str:
    """An address as RFC 7239 6 writes nodes: IPv6 in brackets."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def quoted(value: str) -> str:
    """A token as it is, everything else as a quoted-string (RFC 7239 4)."""
    if TOKEN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _element(pairs: Iterable[Pair]) -> str:
    return ";".join(f"{name}={quoted(value)}" for name, value in pairs if value)


# -- who is believed ---------------------------------------------------------------------------------------------


Facts = dict[str, str]
"""What one element of Forwarded says."""


class First(NamedTuple):
    """A request as the first of the proxies that are trusted saw it."""

    client: str  # an address; what that proxy calls it where it tells none
    scheme: str
    host: str


def seen_first(fields: FieldsRead, arrival: Arrival, trusted: Sequence[Network]) -> First:
    """Who asked, for what origin: as the last peer says that is not trusted, and as we see it where nobody is.

    X-Forwarded-For goes before Forwarded. The chain is walked from its end: what the first untrusted one has written
    before that could be made up.
    """
    if not is_trusted(arrival.client, trusted):
        return First(arrival.client, arrival.scheme, arrival.host)
    nodes = fields.get("x-forwarded-for")
    chain = [(node_address(node.strip()), Facts()) for node in nodes.split(",")] if nodes else _elements(fields)
    untrusted = (link for link in reversed(chain) if not is_trusted(link[0], trusted))
    client, element = next(untrusted, chain[0] if chain else (arrival.client, Facts()))
    scheme = first(fields.get("x-forwarded-proto")) or element.get("proto") or arrival.scheme
    host = first(fields.get("x-forwarded-host")) or element.get("host") or arrival.host
    return First(client, scheme, host)


def _elements(fields: FieldsRead) -> list[tuple[str, Facts]]:
    """Forwarded's elements: the client that each names, and all that it says."""
    elements = parse_forwarded(fields.get("forwarded") or "")
    return [(node_address(element.get("for", "unknown")), element) for element in elements]


def parse_forwarded(value: str) -> list[Facts]:
    """The elements of Forwarded, nearest to the client first, by lower-case name; one that is none says nothing."""
    found = []
    for element in ELEMENT.findall(value):
        facts, at = Facts(), 0
        while at < len(element) and (match := PARAMETER.match(element, at)) is not None:
            text = match[2]
            facts.setdefault(match[1].lower(), re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] == '"' else text.strip())
            at = match.end()
        found.append(facts if at >= len(element) else Facts())
    return found


def node_address(node: str) -> str:
    """The address that a node names, without brackets and port; an obfuscated identifier as it is (RFC 7239 6)."""
    if node.startswith("["):
        return node[1:].partition("]")[0]
    host, colon, port = node.partition(":")
    return host if colon and ":" not in port else node


def first(value: str | None) -> str:
    """The first member of a list: what the hop nearest to the client said."""
    return (value or "").partition(",")[0].strip()


def plain(address: str) -> str:
    """Without a zone, and IPv4 as IPv4, however it came in."""
    address = address.partition("%")[0]
    mapped = ipaddress.IPv6Address(address).ipv4_mapped if address[:7].lower() == "::ffff:" else None
    return address if mapped is None else str(mapped)


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    if not trusted:
        return False
    try:
        parsed = ipaddress.ip_address(plain(address))
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in trusted)


def has_loop(via: str | None, hop: Hop) -> bool:
    """Whether a request has been here before (RFC 9110 7.6.3)."""
    return via is not None and any(part.split()[1:2] == [hop.name] for part in via.split(","))


def _joined(before: str | None, value: str) -> str:
    return f"{before}, {value}" if before else value
