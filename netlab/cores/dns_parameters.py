"""The parameters of SVCB and HTTPS records: keys and values that tell how a service is reached (RFC 9460)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from netlab.cores.dns_names import ESCAPED, malformed, unescaped
from netlab.errors import UsageError

KEYS = {
    "mandatory": 0, "alpn": 1, "no-default-alpn": 2, "port": 3, "ipv4hint": 4, "ech": 5, "ipv6hint": 6, "dohpath": 7,
    "ohttp": 8,
}  # fmt: skip
NAMES = {number: name for name, number in KEYS.items()}
EMPTY = frozenset((2, 8))
KEY = re.compile(r"key(0|[1-9][0-9]{0,4})")


def pairs(data: bytes) -> list[tuple[int, bytes]]:
    """(key, value) in ascending order of keys; RemoteProtocolError where they are not, or are cut (RFC 9460 2.2)."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        if at + 4 > len(data) or at + 4 + int.from_bytes(data[at + 2 : at + 4], "big") > len(data):
            raise malformed("a parameter that runs past its record", at, "svcb.cut", "RFC 9460 2.2")
        key, length = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        if found and found[-1][0] >= key:
            raise malformed("parameters that do not ascend", at, "svcb.order", "RFC 9460 2.2")
        found.append((key, data[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def show(data: bytes) -> str:
    """`alpn="h2,h3" port=443`, as dig shows them."""
    return " ".join(_shown(key, value) for key, value in pairs(data))


def _shown(key: int, value: bytes) -> str:
    name = NAMES.get(key) or f"key{key}"
    if key == 0:
        numbers = [int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value), 2)]
        return f"{name}={','.join(NAMES.get(number) or f'key{number}' for number in numbers)}"
    if key == 1:
        return f'{name}="{",".join(_listed(protocol) for protocol in protocols(value))}"'
    if key == 3 and len(value) == 2:
        return f"{name}={int.from_bytes(value, 'big')}"
    if key == 4:
        return f"{name}={','.join(str(IPv4Address(value[at : at + 4])) for at in range(0, len(value), 4))}"
    if key == 5:
        return f"{name}={base64.b64encode(value).decode()}"
    if key == 6:
        return f"{name}={','.join(str(IPv6Address(value[at : at + 16])) for at in range(0, len(value), 16))}"
    return name if key in EMPTY and not value else f'{name}="{_escaped(value)}"'


def protocols(value: bytes) -> list[bytes]:
    """The ALPN ids of a value: each with its length in front (RFC 9460 7.1.1)."""
    found, at = [], 0
    while at < len(value):
        end = at + 1 + value[at]
        if end > len(value) or end == at + 1:
            raise malformed("an ALPN id that is empty or runs past its value", at, "svcb.alpn", "RFC 9460 7.1.1")
        found.append(value[at + 1 : end])
        at = end
    return found


def _escaped(value: bytes) -> str:
    return "".join(
        f"\\{byte:03}" if byte < 32 or byte > 126 else f"\\{byte:c}" if byte in b'"\\' else chr(byte) for byte in value
    )


def _listed(protocol: bytes) -> str:
    """RFC 9460 A.1: a comma or backslash within a member is escaped, and that again as a string."""
    return _escaped(protocol.replace(b"\\", b"\\\\").replace(b",", b"\\,"))


def take(words: Sequence[str]) -> bytes:
    """Parameters from `key=value` words in any order, quotes around the value or not; UsageError."""
    values: dict[int, bytes] = {}
    for word in words:
        name, equals, text = word.partition("=")
        key = _key(name)
        if key in values:
            raise UsageError(f"{name} is given twice (RFC 9460 2.1)")
        values[key] = _value(key, name, _unquoted(text), bool(equals))
    _check_mandatory(values)
    if 2 in values and 1 not in values:
        raise UsageError("no-default-alpn needs alpn beside it (RFC 9460 7.1.1)")
    return b"".join(
        key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for key, value in sorted(values.items())
    )


def _key(name: str) -> int:
    known = KEYS.get(name)
    match = KEY.fullmatch(name)
    if known is not None:
        return known
    if match is None or int(match[1]) > 65534:
        raise UsageError(f"{name[:40]!r} is no parameter; {', '.join(KEYS)} and key123 are")
    return int(match[1])


def _unquoted(text: str) -> bytes:
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    return b"".join(
        plain.encode() if plain else unescaped(digits, character, text)
        for digits, character, plain in ESCAPED.findall(inner)
    )


def _value(key: int, name: str, value: bytes, given: bool) -> bytes:
    if key in EMPTY:
        if value:
            raise UsageError(f"{name} has no value")
        return b""
    if not value and (key < 7 or not given):
        raise UsageError(f"{name} needs a value")
    try:
        if key == 0:
            return b"".join(
                number.to_bytes(2, "big") for number in sorted(_key(each) for each in value.decode().split(","))
            )
        if key == 1:
            return b"".join(b"%c%b" % (len(each), each) for each in _members(name, value))
        if key == 3:
            return int(value).to_bytes(2, "big")
        if key == 4:
            return b"".join(IPv4Address(each.decode()).packed for each in value.split(b","))
        if key == 5:
            return base64.b64decode(value, validate=True)
        if key == 6:
            return b"".join(IPv6Address(each.decode()).packed for each in value.split(b","))
    except (AddressValueError, UnicodeDecodeError, binascii.Error, ValueError, OverflowError) as error:
        raise UsageError(f"{name}={value.decode(errors='replace')[:40]} cannot be meant: {error}") from None
    return value


def _members(name: str, value: bytes) -> list[bytes]:
    """RFC 9460 A.1: members between commas that are not escaped."""
    members, at = [b""], 0
    while at < len(value):
        byte = value[at : at + 1]
        if byte == b"\\":
            at += 1
            members[-1] += value[at : at + 1]
        elif byte == b",":
            members.append(b"")
        else:
            members[-1] += byte
        at += 1
    if any(not 0 < len(member) < 256 for member in members):
        raise UsageError(f"{name} has a member that is empty or longer than 255 bytes")
    return members


def _check_mandatory(values: dict[int, bytes]) -> None:
    """RFC 9460 8: what is mandatory is there, once each, and not `mandatory` itself."""
    listed = values.get(0)
    if listed is None:
        return
    numbers = [int.from_bytes(listed[at : at + 2], "big") for at in range(0, len(listed), 2)]
    for number in numbers:
        if number == 0 or number not in values or numbers.count(number) > 1:
            shown = NAMES.get(number) or f"key{number}"
            raise UsageError(f"mandatory names {shown}, which is not another parameter here, or is named twice")
