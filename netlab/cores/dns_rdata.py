"""The data of each record type as a row of parts: one table reads it, expands it, writes it and shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.cores.dns_codes import TYPES, type_name, type_number
from netlab.cores.dns_names import malformed, read
from netlab.cores.dns_parts import PARTS, Token, hexadecimal, number
from netlab.errors import RemoteProtocolError, UsageError

LAYOUTS: dict[int, tuple[str, ...]] = {
    TYPES[name]: tuple(parts.split())
    for name, parts in {
        "A": "ipv4", "NS": "name", "MD": "name", "MF": "name", "CNAME": "name", "MB": "name", "MG": "name",
        "SOA": "name name u32 ttl ttl ttl ttl", "MR": "name", "PTR": "name", "HINFO": "string string",
        "MINFO": "name name", "MX": "u16 name", "TXT": "strings", "RP": "name name", "AFSDB": "u16 name",
        "RT": "u16 name", "AAAA": "ipv6", "LOC": "location", "SRV": "u16 u16 u16 name", "KX": "u16 name",
        "NAPTR": "u16 u16 string string string name", "CERT": "u16 u16 u8 base64", "DNAME": "name",
        "DS": "u16 u8 u8 hex", "SSHFP": "u8 u8 hex", "RRSIG": "type u8 u8 u32 time time u16 name base64",
        "NSEC": "name types", "DNSKEY": "u16 u8 u8 base64", "DHCID": "base64", "NSEC3": "u8 u8 u16 salt hash types",
        "NSEC3PARAM": "u8 u8 u16 salt", "TLSA": "u8 u8 u8 hex", "SMIMEA": "u8 u8 u8 hex", "CDS": "u16 u8 u8 hex",
        "CDNSKEY": "u16 u8 u8 base64", "OPENPGPKEY": "base64", "CSYNC": "u32 u16 types", "ZONEMD": "u32 u8 u8 hex",
        "SVCB": "u16 name parameters", "HTTPS": "u16 name parameters", "SPF": "strings", "EUI48": "eui48",
        "EUI64": "eui64", "URI": "u16 u16 text", "CAA": "u8 tag text",
    }.items()
}  # fmt: skip
"""Type → its parts in order (RFC 1035 3.3 and the RFC of each type)."""

LENGTHS = {TYPES["A"]: 4, TYPES["AAAA"]: 16}
"""Types whose data is right when it has this length."""

COMPRESSIBLE = frozenset(
    TYPES[name] for name in ("NS", "MD", "MF", "CNAME", "SOA", "MB", "MG", "MR", "PTR", "MINFO", "MX")
)
"""Types whose names may be compressed: those of RFC 1035, and no later ones (RFC 3597 4)."""
EXPANDED = COMPRESSIBLE | {TYPES[name] for name in ["RP", "AFSDB", "RT", "SRV", "NAPTR", "KX", "DNAME"]}
"""Types whose names are read even so (RFC 3597 4)."""


def expanded(kind: int, message: bytes, at: int, stop: int, seen: dict[int, bytes] | None = None) -> bytes:
    """The data between two indexes of a message with its names written out; RemoteProtocolError if it is not right.

    `seen` is as `dns_names.read` has it.
    """
    pieces: list[bytes] = []
    start = at
    for part in LAYOUTS[kind]:
        if part == "name":
            name, at = read(message, at, seen)
            pieces.append(name)
        else:
            behind = PARTS[part].end(message[:stop], at)
            pieces.append(message[at:behind])
            at = behind
    if at != stop:
        raise malformed(f"{type_name(kind)} data does not fill its length", start, "rdata.length", "RFC 1035 3.3")
    return b"".join(pieces)


def names_in(kind: int, rdata: bytes) -> Iterator[tuple[bytes, bool]]:
    """The parts of data in wire form, each with whether it is a name."""
    at = 0
    for part in LAYOUTS[kind]:
        behind = PARTS[part].end(rdata, at)
        yield rdata[at:behind], part == "name"
        at = behind


def target(kind: int, rdata: bytes) -> bytes:
    """The one name that data of this type points to: of CNAME, DNAME, NS, PTR, MX, SRV, SVCB."""
    at = 0
    for part in LAYOUTS[kind]:
        if part == "name":
            return read(rdata, at)[0]
        at = PARTS[part].end(rdata, at)
    raise ValueError(f"{type_name(kind)} names nothing")


def is_right(kind: int, rdata: bytes) -> bool:
    """Whether data has the parts of its type and nothing else; of an unknown type everything is right."""
    length = LENGTHS.get(kind)
    if length is not None:
        return len(rdata) == length
    try:
        for part, at, _behind in spans(kind, rdata):
            PARTS[part].show(rdata, at)
    except (RemoteProtocolError, ValueError, IndexError):
        return False
    return True


def spans(kind: int, rdata: bytes) -> list[tuple[str, int, int]]:
    """(part, begin, end) of each part of data in wire form; RemoteProtocolError where they do not fill it."""
    found, at = [], 0
    for part in LAYOUTS.get(kind, ()):
        behind = PARTS[part].end(rdata, at)
        found.append((part, at, behind))
        at = behind
    if kind in LAYOUTS and at != len(rdata):
        raise malformed(f"{type_name(kind)} data does not fill its length", at, "rdata.length", "RFC 1035 3.3")
    return found


def show(kind: int, rdata: bytes) -> str:
    """Data as a master file has it; what is not of its type's form, or of no known type, as `\\# 4 0A000001`."""
    if kind not in LAYOUTS:
        return unknown(rdata)
    try:
        shown = [PARTS[part].show(rdata[:behind], at) for part, at, behind in spans(kind, rdata)]
    except (RemoteProtocolError, ValueError, IndexError):
        return unknown(rdata)
    return " ".join(text for text in shown if text)


def unknown(rdata: bytes) -> str:
    """RFC 3597 5."""
    return f"\\# {len(rdata)} {rdata.hex().upper()}".rstrip()


def from_tokens(kind: int, tokens: Sequence[Token], origin: bytes) -> bytes:
    """Data in wire form from the tokens of a master file; UsageError says which part is wrong, and how."""
    if tokens and tokens[0] == Token("\\#", quoted=False):
        return _from_unknown(kind, tokens)
    layout = LAYOUTS.get(kind)
    if layout is None:
        raise UsageError(f"data of {type_name(kind)} is written as \\# LENGTH HEX (RFC 3597 5)")
    left = list(tokens)
    pieces = []
    for place, part in enumerate(layout):
        if not left and not PARTS[part].may_be_absent:
            wanted = ", ".join(layout)
            raise UsageError(f"{type_name(kind)} has {place} of its {len(layout)} parts ({wanted})")
        taken = left if PARTS[part].takes_rest else left[:1]
        left = [] if PARTS[part].takes_rest else left[1:]
        pieces.append(PARTS[part].take(taken, origin))
    if left:
        raise UsageError(f"{left[0].text[:40]!r} stands behind all that {type_name(kind)} has ({', '.join(layout)})")
    return b"".join(pieces)


def _from_unknown(kind: int, tokens: Sequence[Token]) -> bytes:
    if len(tokens) < 2:
        raise UsageError("\\# wants a length and as many bytes in hex")
    length, data = number(tokens[1].text, 0xFFFF), hexadecimal("".join(token.text for token in tokens[2:]))
    if len(data) != length:
        raise UsageError(f"\\# says {length} bytes, and {len(data)} follow")
    if not is_right(kind, data):
        raise UsageError(f"these {length} bytes are no data of {type_name(kind)}")
    return data


def from_text(kind: str | int, text: str, origin: bytes = b"\0") -> bytes:
    """Data in wire form from plain words, for types without quoted strings: `from_text("MX", "10 mail.test.")`."""
    words = [Token(word, quoted=False) for word in text.split()]
    return from_tokens(type_number(kind) if isinstance(kind, str) else kind, words, origin)
