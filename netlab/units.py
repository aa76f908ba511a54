"""Durations and sizes as people write them in settings, rules and filters: `500ms`, `1h30m`, `64KiB`."""

from __future__ import annotations

import re

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds, from `30`, `30s`, `500ms`, `2m`, `1h30m`."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", text):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def write_duration(seconds: float) -> str:
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.12g}{unit}"
    return f"{seconds * 1000:.12g}ms" if 0 < seconds < 1 else f"{seconds:.12g}"


_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_BYTES |= {
    f"{letter}{suffix}": 1 << shift for letter, shift in zip("kmg", (10, 20, 30), strict=True) for suffix in ("", "ib")
}


def parse_size(text: str) -> int:
    """Bytes, from `512`, `64KiB` (1024), `10MB` (1000 · 1000), `1g` (as nginx writes 1 GiB)."""
    match = re.fullmatch(r"([0-9]+) ?([a-z]*)", text.lower())
    if match is None or match[2] not in _BYTES:
        raise ValueError
    return int(match[1]) * _BYTES[match[2]]


def write_size(size: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift}{unit}"
    return str(size)
