"""The parts that the data of records is made of, each in its two forms: bytes, and text of a master file."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from netlab.cores import dns_location, dns_parameters
from netlab.cores.dns_codes import type_name, type_number
from netlab.cores.dns_names import ESCAPED, from_text, malformed, read, to_text, unescaped
from netlab.errors import UsageError


class Token(NamedTuple):
    """One word of a master file; a quoted one may hold blanks. Escapes are still in it."""

    text: str
    quoted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One kind of part.

    end    (data, index) → the index behind it; RemoteProtocolError or IndexError where it is cut
    show   (data, index) → text; `data` ends with the record
    take   (tokens, origin) → bytes; UsageError
    """

    end: Callable[[bytes, int], int]
    show: Callable[[bytes, int], str]
    take: Callable[[Sequence[Token], bytes], bytes]
    takes_rest: bool = False
    may_be_absent: bool = False


def number(text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > largest:
        raise UsageError(f"{text[:40]!r} is no number from 0 to {largest}")
    return int(text)


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SPAN = re.compile(r"(?:(\d+)([smhdw]))+", re.IGNORECASE | re.ASCII)


def seconds(text: str) -> int:
    """A time as master files have it: seconds, or with units as in 1h30m; UsageError."""
    if not SPAN.fullmatch(text):
        return number(text, 0x7FFFFFFF)
    total = sum(int(count) * UNITS[unit.lower()] for count, unit in re.findall(r"(\d+)(\D)", text))
    return number(str(total), 0x7FFFFFFF)


def hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is not hex") from None


def character_string(token: Token) -> bytes:
    """The bytes that a word or quoted string stands for."""
    pieces = []
    for digits, character, plain in ESCAPED.findall(token.text):
        pieces.append(plain.encode() if plain else unescaped(digits, character, token.text))
    return b"".join(pieces)


def quoted(data: bytes) -> str:
    shown = (
        f"\\{byte:03}" if byte < 32 or byte > 126 else f"\\{byte:c}" if byte in b'"\\' else chr(byte) for byte in data
    )
    return f'"{"".join(shown)}"'


def _integer(size: int, read_text: Callable[[str], int] | None = None, show: Callable[[int], str] = str) -> Part:
    largest = (1 << 8 * size) - 1

    def take(tokens: Sequence[Token], origin: bytes) -> bytes:
        text = tokens[0].text
        return (number(text, largest) if read_text is None else read_text(text)).to_bytes(size, "big")

    return Part(end=_fixed(size), show=lambda data, at: show(int.from_bytes(data[at : at + size], "big")), take=take)


def _fixed(size: int) -> Callable[[bytes, int], int]:
    def end(data: bytes, at: int) -> int:
        if at + size > len(data):
            raise malformed(f"{len(data) - at} bytes where {size} are due", at, "rdata.cut", "RFC 1035 3.3")
        return at + size

    return end


def _string_end(data: bytes, at: int) -> int:
    if at >= len(data) or at + 1 + data[at] > len(data):
        raise malformed("a character string that runs past its record", at, "rdata.string", "RFC 1035 3.3")
    return at + 1 + data[at]


def _string(token: Token) -> bytes:
    data = character_string(token)
    if len(data) > 255:
        raise UsageError(f"a string of {len(data)} bytes; 255 is the most, write it as several")
    return b"%c%b" % (len(data), data)


def _show_strings(data: bytes, at: int) -> str:
    shown = []
    while at < len(data):
        end = _string_end(data, at)
        shown.append(quoted(data[at + 1 : end]))
        at = end
    return " ".join(shown)


def _strings_end(data: bytes, at: int) -> int:
    at = _string_end(data, at)  # RFC 1035 3.3.14: one or more
    while at < len(data):
        at = _string_end(data, at)
    return at


def _address(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> bytes:
    try:
        return kind(text).packed
    except AddressValueError as error:
        raise UsageError(f"{text[:60]!r} is no {'IPv4' if kind is IPv4Address else 'IPv6'} address: {error}") from None


def _rest(show: Callable[[bytes], str], take: Callable[[str], bytes], *, may_be_absent: bool = False) -> Part:
    """What fills the record, written as any number of words."""
    return Part(
        end=lambda data, at: len(data),
        show=lambda data, at: show(data[at:]),
        take=lambda tokens, origin: take("".join(token.text for token in tokens)),
        takes_rest=True,
        may_be_absent=may_be_absent,
    )


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UsageError(f"{text[:40]!r} is not base64: {error}") from None


def _time(text: str) -> int:
    """RFC 4034 3.2: YYYYMMDDHHmmSS, or seconds since the epoch."""
    if len(text) != 14:
        return number(text, 0xFFFFFFFF)
    try:
        return int(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()) & 0xFFFFFFFF
    except ValueError:
        raise UsageError(f"{text!r} is no time YYYYMMDDHHmmSS") from None


def _show_time(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y%m%d%H%M%S")


def _take_salt(tokens: Sequence[Token], origin: bytes) -> bytes:
    salt = b"" if tokens[0].text == "-" else hexadecimal(tokens[0].text)
    return _counted(salt, "salt")


def _counted(data: bytes, what: str) -> bytes:
    if len(data) > 255:
        raise UsageError(f"a {what} of {len(data)} bytes; 255 is the most")
    return b"%c%b" % (len(data), data)


BASE32, BASE32HEX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHIJKLMNOPQRSTUV"
TO_HEX, FROM_HEX = str.maketrans(BASE32, BASE32HEX), str.maketrans(BASE32HEX, BASE32)


def base32hex(data: bytes) -> str:
    """Without padding, as NSEC3 has its hashes (RFC 5155 3.3)."""
    return base64.b32encode(data).decode().rstrip("=").translate(TO_HEX)


def _take_hash(tokens: Sequence[Token], origin: bytes) -> bytes:
    text = tokens[0].text.upper()
    try:
        return _counted(base64.b32decode(text.translate(FROM_HEX) + "=" * (-len(text) % 8)), "hash")
    except binascii.Error as error:
        raise UsageError(f"{text[:60]!r} is not base32hex: {error}") from None


def _show_types(data: bytes, at: int) -> str:
    shown = []
    while at < len(data):
        window, size = data[at], data[at + 1]
        for place, byte in enumerate(data[at + 2 : at + 2 + size]):
            shown += [type_name(window << 8 | place << 3 | bit) for bit in range(8) if byte & 0x80 >> bit]
        at += 2 + size
    return " ".join(shown)


def type_bitmap(types: Sequence[int]) -> bytes:
    """Which types there are at a name (RFC 4034 4.1.2)."""
    windows: dict[int, bytearray] = {}
    for kind in sorted(set(types)):
        block = windows.setdefault(kind >> 8, bytearray())
        place = kind >> 3 & 31
        block.extend(bytes(place + 1 - len(block)))
        block[place] |= 0x80 >> (kind & 7)
    return b"".join(b"%c%c%b" % (window, len(block), bytes(block)) for window, block in windows.items())


def _eui(size: int) -> Part:
    def take(tokens: Sequence[Token], origin: bytes) -> bytes:
        data = hexadecimal(tokens[0].text.replace("-", ""))
        if len(data) != size:
            raise UsageError(f"{tokens[0].text!r} is not {size} bytes in hex with dashes between")
        return data

    return Part(end=_fixed(size), show=lambda data, at: data[at : at + size].hex("-"), take=take)


def _tag(tokens: Sequence[Token], origin: bytes) -> bytes:
    if not (tokens[0].text.isascii() and tokens[0].text.isalnum()):
        raise UsageError(f"{tokens[0].text!r} is no tag: letters and digits only (RFC 8659 4.1)")
    return _string(tokens[0])


PARTS: dict[str, Part] = {
    "name": Part(
        end=lambda data, at: read(data, at)[1],
        show=lambda data, at: to_text(read(data, at)[0]),
        take=lambda tokens, origin: from_text(tokens[0].text, origin),
    ),
    "u8": _integer(1),
    "u16": _integer(2),
    "u32": _integer(4),
    "ttl": _integer(4, seconds),
    "type": _integer(2, type_number, type_name),
    "time": _integer(4, _time, _show_time),
    "ipv4": Part(
        end=_fixed(4),
        show=lambda data, at: str(IPv4Address(data[at : at + 4])),
        take=lambda tokens, origin: _address(tokens[0].text, IPv4Address),
    ),
    "ipv6": Part(
        end=_fixed(16),
        show=lambda data, at: str(IPv6Address(data[at : at + 16])),
        take=lambda tokens, origin: _address(tokens[0].text, IPv6Address),
    ),
    "string": Part(
        end=_string_end,
        show=lambda data, at: quoted(data[at + 1 : at + 1 + data[at]]),
        take=lambda tokens, origin: _string(tokens[0]),
    ),
    "strings": Part(
        end=_strings_end,
        show=_show_strings,
        take=lambda tokens, origin: b"".join(map(_string, tokens)),
        takes_rest=True,
    ),
    "tag": Part(
        end=_string_end,
        show=lambda data, at: data[at + 1 : at + 1 + data[at]].decode("ascii"),
        take=_tag,
    ),
    "text": Part(
        end=lambda data, at: len(data),
        show=lambda data, at: quoted(data[at:]),
        take=lambda tokens, origin: character_string(tokens[0]),
    ),
    "hex": _rest(lambda data: data.hex().upper(), hexadecimal),
    "base64": _rest(lambda data: base64.b64encode(data).decode(), _base64),
    "salt": Part(
        end=_string_end,
        show=lambda data, at: data[at + 1 : at + 1 + data[at]].hex().upper() or "-",
        take=_take_salt,
    ),
    "hash": Part(end=_string_end, show=lambda data, at: base32hex(data[at + 1 : at + 1 + data[at]]), take=_take_hash),
    "types": Part(
        end=lambda data, at: len(data),
        show=_show_types,
        take=lambda tokens, origin: type_bitmap([type_number(token.text) for token in tokens]),
        takes_rest=True,
        may_be_absent=True,
    ),
    "eui48": _eui(6),
    "eui64": _eui(8),
    "location": Part(
        end=_fixed(16),
        show=lambda data, at: dns_location.show(data[at : at + 16]),
        take=lambda tokens, origin: dns_location.take([token.text for token in tokens]),
        takes_rest=True,
    ),
    "parameters": Part(
        end=lambda data, at: len(data),
        show=lambda data, at: dns_parameters.show(data[at:]),
        take=lambda tokens, origin: dns_parameters.take([token.text for token in tokens]),
        takes_rest=True,
        may_be_absent=True,
    ),
}  # fmt: skip
