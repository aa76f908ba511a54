"""The data of LOC records: where on Earth something is (RFC 1876)."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

from netlab.errors import UsageError

EQUATOR = 1 << 31
SEA_LEVEL = 10_000_000  # centimetres above the base of the scale (RFC 1876 2)
LAYOUT = struct.Struct(">BBBBIII")
WRITTEN = re.compile(
    r"(?P<lat>\d+(?: \d+(?: \d+(?:\.\d+)?)?)?) (?P<ns>[NS]) "
    r"(?P<long>\d+(?: \d+(?: \d+(?:\.\d+)?)?)?) (?P<ew>[EW]) "
    r"(?P<alt>-?\d+(?:\.\d+)?)m?(?: (?P<size>\d+(?:\.\d+)?)m?)?"
    r"(?: (?P<hp>\d+(?:\.\d+)?)m?)?(?: (?P<vp>\d+(?:\.\d+)?)m?)?",
    re.IGNORECASE | re.ASCII,
)


def take(words: Sequence[str]) -> bytes:
    """16 bytes from `42 21 54 N 71 06 18 W -24m 30m`."""
    text = " ".join(words)
    match = WRITTEN.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:60]!r} is no location; 42 21 54 N 71 06 18 W -24m 30m is one")
    latitude = _angle(match["lat"], 90, match["ns"] in "Nn")
    longitude = _angle(match["long"], 180, match["ew"] in "Ee")
    altitude = SEA_LEVEL + round(float(match["alt"]) * 100)
    if not 0 <= altitude <= 0xFFFFFFFF:
        raise UsageError(f"{match['alt']} m is out of range: -100000 to 42849672.95")
    sizes = [_power(match[name] or default) for name, default in (("size", "1"), ("hp", "10000"), ("vp", "10"))]
    return LAYOUT.pack(0, *sizes, latitude, longitude, altitude)


def _angle(text: str, most: int, positive: bool) -> int:
    degrees, minutes, seconds = (*map(float, text.split()), 0.0, 0.0)[:3]
    size = round((degrees * 3600 + minutes * 60 + seconds) * 1000)
    if minutes >= 60 or seconds >= 60 or size > most * 3_600_000:
        raise UsageError(f"{text!r} is no angle: up to {most} degrees, minutes and seconds below 60")
    return EQUATOR + size if positive else EQUATOR - size


def _power(metres: str) -> int:
    """Centimetres as one digit and a power of ten, each in four bits."""
    size, exponent = round(float(metres) * 100), 0
    while size > 9:
        size, exponent = size // 10, exponent + 1
    if exponent > 9:
        raise UsageError(f"{metres} m is too large: 90000000 at most")
    return size << 4 | exponent


def show(data: bytes) -> str:
    """ValueError for another version than 0, or digits that are none."""
    version, size, horizontal, vertical, latitude, longitude, altitude = LAYOUT.unpack(data)
    if version or any(part > 9 for byte in (size, horizontal, vertical) for part in (byte >> 4, byte & 15)):
        raise ValueError("not a LOC record of version 0")
    places = f"{_shown(latitude, 'NS')} {_shown(longitude, 'EW')} {(altitude - SEA_LEVEL) / 100:.2f}m"
    metres = (f"{(byte >> 4) * 10 ** (byte & 15) / 100:.2f}m" for byte in (size, horizontal, vertical))
    return f"{places} {' '.join(metres)}"


def _shown(angle: int, sides: str) -> str:
    size = abs(angle - EQUATOR)
    return f"{size // 3_600_000} {size // 60_000 % 60} {size % 60_000 / 1000:.3f} {sides[angle < EQUATOR]}"
