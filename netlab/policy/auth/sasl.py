"""SASL mechanisms, the server's side, as scripts of challenges: PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256 (RFC 4422).

A mechanism is a generator: it yields challenges, is sent the client's responses, and returns what the client claims.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from hashlib import sha256
from unicodedata import normalize


@dataclass(frozen=True, slots=True)
class Password:
    """The client says it is `user` and gives a password that is still to be checked."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """The client has shown that it knows the user's password."""

    user: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It has not; or what it said is not the mechanism's (`malformed`)."""

    reason: str
    user: str = ""
    malformed: bool = False


Claim = Password | Proven | Failed
Script = Generator[bytes, bytes, Claim]


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """What a server keeps for SCRAM: from it no password can be read (RFC 5802 3)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


def plain() -> Script:
    """RFC 4616: authorization identity, user and password with NULs between."""
    given = yield b""
    parts = given.split(b"\0")
    if len(parts) != 3:
        return Failed("PLAIN is three texts with a NUL between (RFC 4616 2)", malformed=True)
    try:
        acting, user, password = (normalize("NFC", part.decode()) for part in parts)
    except UnicodeDecodeError:
        return Failed("PLAIN is UTF-8 (RFC 4616 2)", malformed=True)
    if not user or not password:
        return Failed("PLAIN needs a user and a password (RFC 4616 2)", user, malformed=True)
    if acting not in ("", user):
        return Failed("nobody acts for another one here (RFC 4616 2)", user)
    return Password(user, password)


def login() -> Script:
    """What came before PLAIN: user, then password, each asked for (draft-murchison-sasl-login)."""
    user = yield b"Username:"
    password = yield b"Password:"
    try:
        return Password(normalize("NFC", user.decode()), normalize("NFC", password.decode()))
    except UnicodeDecodeError:
        return Failed("LOGIN is UTF-8 here", malformed=True)


def cram_md5(challenge: bytes, password_of: Callable[[str], str | None] | None) -> Script:
    """RFC 2195: the challenge, keyed with the password; without `password_of` whatever is said is right."""
    given = yield challenge
    user, _, digest = given.decode("utf-8", "replace").rpartition(" ")
    if not user or not re.fullmatch("[0-9a-fA-F]{32}", digest):
        return Failed("CRAM-MD5 is a user and 32 hexadecimal digits (RFC 2195 2)", malformed=True)
    if password_of is None:
        return Proven(user)
    password = password_of(user)
    expected = hmac.new((password or "").encode(), challenge, "md5").hexdigest()
    if password is None or not hmac.compare_digest(expected, digest.lower()):
        return Failed("user or password are wrong", user)
    return Proven(user)


CLIENT_FIRST = re.compile(r"([ny]|p=[A-Za-z0-9.-]+),(?:a=([^,]*))?,(n=([^,]*),r=([!-+\--~]+)(?:,.*)?)")
CLIENT_FINAL = re.compile(r"(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)")


def scram_sha_256(nonce: str, verifier_of: Callable[[str], ScramVerifier | None]) -> Script:
    """RFC 5802 with SHA-256 (RFC 7677): both sides show that they know the password, and neither tells it.

    `verifier_of` gives one for anybody, so that no answer tells who is known; what it makes up matches nothing.
    """
    first = CLIENT_FIRST.fullmatch((yield b"").decode("utf-8", "replace"))
    if first is None or first[1].startswith("p="):
        return Failed("that is no first message of SCRAM-SHA-256 (RFC 5802 7)", malformed=True)
    user = first[4].replace("=2C", ",").replace("=3D", "=")
    if first[2] and first[2] != first[4]:
        return Failed("nobody acts for another one here (RFC 5802 5.1)", user)
    verifier = verifier_of(user)
    if verifier is None:
        return Failed("user or password are wrong", user)
    both = first[5] + nonce
    server_first = f"r={both},s={b64encode(verifier.salt).decode()},i={verifier.iterations}"
    final = CLIENT_FINAL.fullmatch((yield server_first.encode()).decode("utf-8", "replace"))
    header = f"{first[1]},{f'a={first[2]}' if first[2] else ''},"
    if final is None or final[3] != both or _unbase64(final[2]) != header.encode():
        return Failed("that is no final message of SCRAM-SHA-256 (RFC 5802 7)", user, malformed=True)
    said = f"{first[3]},{server_first},{final[1]}".encode()
    signature = hmac.digest(verifier.stored_key, said, "sha256")
    proof = _unbase64(final[4])
    key = bytes(a ^ b for a, b in zip(proof, signature, strict=False))
    if len(proof) != len(signature) or not hmac.compare_digest(sha256(key).digest(), verifier.stored_key):
        return Failed("user or password are wrong", user)
    yield b"v=" + b64encode(hmac.digest(verifier.server_key, said, "sha256"))
    return Proven(user)


def _unbase64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""
