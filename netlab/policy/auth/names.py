"""Names of users, roles and realms: what may be one."""

from __future__ import annotations

import re
from unicodedata import normalize

INSIDE = r"[^\x00-\x1f\x7f-\x9f:\ud800-\udfff]"
EDGE = r"[^\x00-\x20\x7f-\xa0:#\ud800-\udfff]"  # a line that begins with "#" is a comment
NAME = re.compile(rf"{EDGE}(?:{INSIDE}{{0,126}}{EDGE})?")
ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
REALM = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}")


class UserName(str):
    """A user's name: 1 to 128 characters, no colon, no control characters, no blank at either end; in NFC."""

    __slots__ = ()

    def __new__(cls, text: str) -> UserName:
        """ValueError for what cannot be one."""
        name = normalize("NFC", text)
        if not NAME.fullmatch(name):
            raise ValueError("a user's name has 1 to 128 characters, no colon, no controls and no blank at its ends")
        return super().__new__(cls, name)


def parse_roles(text: str) -> tuple[str, ...]:
    """Roles with commas between; none for no text. ValueError names the one that cannot be one."""
    roles = tuple(role.strip() for role in text.split(",")) if text.strip() else ()
    for role in roles:
        if not ROLE.fullmatch(role):
            raise ValueError(f"{role[:40]!r} is no role: letters, digits, _ . and -")
    return tuple(dict.fromkeys(roles))


def parse_realm(text: str) -> str:
    """A realm's name (RFC 9110 11.5), such that every client reads it alike; ValueError for any other."""
    if not REALM.fullmatch(text):
        raise ValueError("a realm's name is 1 to 64 printable ASCII characters without quotes and backslashes")
    return text
