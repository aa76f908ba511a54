"""SASL mechanisms, the client's side: what is said first, and what to each challenge (RFC 4422)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Generator, Sequence
from unicodedata import normalize

Answers = Generator[bytes | None, bytes, None]
"""Yields what to say (first None where the server speaks first), and is sent the challenges; ValueError says what is
wrong with one.
"""
PREFERRED = ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN")
"""The one that tells a server least comes first."""


def choose(offered: Sequence[str], *, secure: bool) -> str:
    """The mechanism to use, or nothing; inside TLS PLAIN will do, and costs least."""
    preferred = ("PLAIN", *PREFERRED) if secure else PREFERRED
    return next((name for name in preferred if name in offered), "")


def answers(mechanism: str, user: str, password: str, nonce: str) -> Answers:
    """The client's part of an exchange. `nonce` is for SCRAM: printable, no comma, never the same twice."""
    match mechanism:
        case "PLAIN":
            yield f"\0{user}\0{password}".encode()
        case "LOGIN":
            yield None
            yield user.encode()
            yield password.encode()
        case "CRAM-MD5":
            challenge = yield None
            yield f"{user} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}".encode()
        case "SCRAM-SHA-256":
            yield from _scram(user, password, nonce)
        case _:
            raise ValueError(f"{mechanism} is not spoken here")


def _scram(user: str, password: str, nonce: str) -> Answers:
    """RFC 5802 3; the server has to show that it knows the password, too."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={nonce}"
    server_first = (yield f"n,,{first}".encode()).decode()
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    if not fields["r"].startswith(nonce) or len(fields["r"]) <= len(nonce) or not 1 <= int(fields["i"]) <= 1_000_000:
        raise ValueError("the server's first message does not go with ours (RFC 5802 5.1)")
    salted = hashlib.pbkdf2_hmac(
        "sha256", normalize("NFC", password).encode(), b64decode(fields["s"]), int(fields["i"])
    )
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={fields['r']}"
    said = f"{first},{server_first},{final}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    server_final = yield f"{final},p={b64encode(proof).decode()}".encode()
    expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
    if server_final != b"v=" + b64encode(expected):
        raise ValueError("the server does not know the password: it is not who it says (RFC 5802 3)")
    yield b""
