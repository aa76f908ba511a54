"""Text for people: what came from outside made harmless to a terminal, durations and sizes in few characters."""

from __future__ import annotations

import re

# control characters, and the marks that turn the direction of what follows them
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def escape(text: str) -> str:
    """Captured text that cannot steer a terminal: what would is written as `\\x1b`, `\\u202e`."""
    return _STEERING.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def duration(seconds: float) -> str:
    """At most 8 characters: 850 µs, 3.2 ms, 1.5 s, 2.0 min."""
    if seconds < 0.0009995:
        return f"{max(seconds, 0) * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 99.5 else f"{seconds / 60:.1f} min"


def size(count: int) -> str:
    """At most 8 characters: 13 B, 1.5 KiB, 20 MiB."""
    if count < 1000:
        return f"{count} B"
    number = count / 1024
    for unit in ("KiB", "MiB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} GiB"
