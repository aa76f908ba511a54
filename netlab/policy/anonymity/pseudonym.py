"""Names for Via that tell nobody that two requests came from the same proxy, but are known again by that proxy."""

from __future__ import annotations

from hashlib import blake2s

PREFIX = "netlab-"
NONCE = 4
"""Bytes."""


def pseudonym(secret: bytes, nonce: bytes) -> str:
    """A name of one request's own (RFC 9110 7.6.3)."""
    return f"{PREFIX}{nonce.hex()}{_mark(secret, nonce)}"


def is_own(name: str, secret: bytes) -> bool:
    """Whether a name was made with this secret."""
    text = name.removeprefix(PREFIX)
    if name == text or len(text) != NONCE * 4:
        return False
    try:
        nonce = bytes.fromhex(text[: NONCE * 2])
    except ValueError:
        return False
    return text[NONCE * 2 :] == _mark(secret, nonce)


def has_own(via: str, secret: bytes) -> bool:
    """Whether a Via field names us."""
    return any(is_own(part.split()[1], secret) for part in via.split(",") if len(part.split()) > 1)


def _mark(secret: bytes, nonce: bytes) -> str:
    return blake2s(nonce, key=secret, digest_size=NONCE).hexdigest()
