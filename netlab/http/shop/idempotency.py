"""Idempotency-Key: a POST that is sent again is done once (draft-ietf-httpapi-idempotency-key-header-07)."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from netlab.http.shop.problems import Problem

if TYPE_CHECKING:
    from netlab.http.shop.operations import Reply

FIELD = "Idempotency-Key"
PATTERN = '^("[ !#-\\[\\]-~]{1,100}"|[A-Za-z0-9._:/+-]{1,100})$'
"""A string as structured fields have it (RFC 9651 3.3.3), without escapes; or bare, as many clients send it."""
KEY = re.compile(PATTERN.removesuffix("$") + r"\Z")
LIFETIME = 86_400.0
MOST = 2000


@dataclass(slots=True)
class Entry:
    """What became of the request with a key; nothing yet while it is under way."""

    expires: float
    fingerprint: bytes = b""
    reply: Reply | None = None


class Keys:
    """Keys by their user, for a day, at most so many: the oldest is forgotten first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()

    def begin(self, user: str, key: str, now: float) -> Entry:
        """The entry of a key, new or from before; Problem for what is none, and while its request is under way."""
        if not KEY.match(key):
            raise Problem("field", f'{FIELD} is a string in quotes, such as "8e03978e-40d5-43dd-bc93-6894a57f9324"')
        key = key.strip('"')
        entry = self._entries.get((user, key))
        if entry is None or entry.expires <= now:
            entry = self._entries[user, key] = Entry(now + LIFETIME)
            if len(self._entries) > MOST:
                self._entries.popitem(last=False)
            return entry
        if entry.reply is None:
            raise Problem("in-progress", f"the request with {FIELD} {key} is under way", fields=[("Retry-After", "1")])
        return entry

    def replay(self, entry: Entry, path: str, content: bytes) -> Reply | None:
        """The stored answer, if there is one and it is this request's; Problem for another request's."""
        fingerprint = fingerprint_of(path, content)
        if entry.reply is not None and entry.fingerprint != fingerprint:
            raise Problem("key-reused", f"this {FIELD} came with another request before")
        return entry.reply

    def finish(self, entry: Entry, path: str, content: bytes, reply: Reply) -> None:
        entry.fingerprint, entry.reply = fingerprint_of(path, content), reply

    def abandon(self, user: str, key: str, entry: Entry) -> None:
        """Its request is over; if nothing came of it, it may be tried again with the same key."""
        key = key.strip('"')
        if entry.reply is None and self._entries.get((user, key)) is entry:
            del self._entries[user, key]


def fingerprint_of(path: str, content: bytes) -> bytes:
    return sha256(path.encode() + b"\0" + content).digest()
