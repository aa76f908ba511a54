"""Text for people: what came from outside made harmless to a terminal; durations, sizes, counts in few characters."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

# control characters, and the marks that turn the direction of what follows them
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def escape(text: str) -> str:
    """Captured text that cannot steer a terminal: what would is written as `\\x1b`, `\\u202e`."""
    return _STEERING.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def duration(seconds: float) -> str:
    """At most 8 characters: 850 µs, 3.2 ms, 1.5 s, 2.0 min, 5.3 h."""
    if seconds < 0.0009995:
        return f"{max(seconds, 0) * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 99.5:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 5997 else f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """At most 8 characters: 13 B, 1.5 KiB, 20 MiB."""
    if count < 1024:
        return f"{count} B"
    number = count / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if number < 1023.5:
            return f"{number:.3g} {unit}" if number < 999.5 else f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"


def counted(count: int, thing: str) -> str:
    """A number of things, in words: `1 flow`, `2 flows`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def peer_text(peer: tuple[Any, ...] | str | None) -> str | None:
    """A socket's address as `host:port`, an IPv6 host in brackets, a Unix socket by its path."""
    return host_port(peer[0], peer[1]) if isinstance(peer, tuple) else peer


def host_port(host: str, port: int) -> str:
    """`host:port`, an IPv6 host in brackets."""
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """A host as it stands in a URL and before a port: an IPv6 address in brackets (RFC 3986 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def in_json(data: bytes | bytearray) -> dict[str, str]:
    """Bytes as JSON has them: `{"text": …}` where they are UTF-8, else `{"base64": …}`."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode("ascii")}
