"""Sticky sessions: what a client shows again, and which upstream it belongs to."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict

TOKEN_BYTES = 16
"""As much of the keyed hash as is told: enough that nobody guesses one."""


def token(key: bytes, pool: str, name: str) -> str:
    """What a cookie says instead of an upstream's name: a keyed hash, which tells nothing of the address, which nobody
    without the key can make, and by which every worker with the same key finds the upstream.
    """
    digest = hmac.digest(key, f"{pool}\0{name}".encode(), "sha256")
    return urlsafe_b64encode(digest[:TOKEN_BYTES]).rstrip(b"=").decode()


def set_cookie(name: str, value: str, *, secure: bool, lasts: float = 0.0) -> str:
    """A Set-Cookie field's value (RFC 6265 4.1); with `lasts` 0 it goes with the browser's session."""
    age = f"; Max-Age={int(lasts)}" if lasts else ""
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{age}"


def cookie(field: str | None, name: str) -> str:
    """The value of a cookie in a Cookie field, the first of that name (RFC 6265 5.4); empty without one."""
    for pair in (field or "").split(";"):
        key, equals, value = pair.strip().partition("=")
        if equals and key == name:
            return value.strip('"')
    return ""


class StickyTable:
    """Who had which upstream last: for what a client shows that is not of our making, its address or a field.

    `size` bounds it, the one not seen for longest goes first; `lasts` is for how many seconds one is remembered.
    """

    __slots__ = ("_entries", "lasts", "size")

    def __init__(self, *, size: int = 100_000, lasts: float = 1800.0) -> None:
        self.size, self.lasts = size, lasts
        self._entries: OrderedDict[bytes, tuple[str, float]] = OrderedDict()  # the oldest first

    def upstream_of(self, shown: bytes, now: float) -> str:
        """The name of its upstream; empty where none is remembered."""
        name, seen = self._entries.get(shown, ("", 0.0))
        if name and now - seen > self.lasts:
            del self._entries[shown]
            return ""
        return name

    def remember(self, shown: bytes, name: str, now: float) -> None:
        self._entries[shown] = (name, now)
        self._entries.move_to_end(shown)
        if len(self._entries) > self.size:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)
