"""A user as one line of text: a name, roles, and for each mechanism a verifier from which no password can be read.

    ada:staff,admin:$scrypt$ln=15,r=8,p=3$SALT$HASH $digest$alg=SHA-256,realm=bmV0bGFi$HA1

Verifiers have the shape of PHC strings. Those of kinds that are not known here are kept as they are, so that a file
can serve mechanisms that come later.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from unicodedata import normalize

from netlab.policy.auth.names import UserName, parse_roles
from netlab.policy.auth.sasl import ScramVerifier

VERIFIER = re.compile(r"\$[a-z0-9-]{1,32}(?:\$[A-Za-z0-9+/=,.-]*)+")
SCRYPT = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,88})\$([A-Za-z0-9+/]{22,88})")
SCRAM = re.compile(r"\$scram-sha-256\$i=(\d{1,7})\$([A-Za-z0-9+/]{1,88})\$([A-Za-z0-9+/]{43})\$([A-Za-z0-9+/]{43})")
DIGEST = re.compile(r"\$digest\$alg=([A-Za-z0-9-]+),realm=([A-Za-z0-9+/]*)\$([0-9a-f]{32,64})")

COST = (15, 8, 3)
"""log2 N, r and p of new scrypt verifiers: 32 MiB and some 0.2 s, one of the equals that OWASP recommends."""
MEMORY = 256 << 20

HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}  # RFC 7616 6.1


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may come in."""

    name: str
    roles: tuple[str, ...] = ()
    verifiers: tuple[str, ...] = field(default=(), repr=False)

    def line(self) -> str:
        return f"{self.name}:{','.join(self.roles)}:{' '.join(self.verifiers)}"

    @property
    def scrypt(self) -> str | None:
        return next((verifier for verifier in self.verifiers if SCRYPT.fullmatch(verifier)), None)

    @property
    def scram(self) -> ScramVerifier | None:
        match = next((found for verifier in self.verifiers if (found := SCRAM.fullmatch(verifier))), None)
        return (
            None
            if match is None
            else ScramVerifier(_unbase64(match[2]), int(match[1]), *map(_unbase64, match.groups()[2:]))
        )

    def ha1(self, algorithm: str, realm: str) -> str | None:
        """H(user:realm:password), what stands for the password in Digest (RFC 7616 3.4.2); None without one."""
        for verifier in self.verifiers:
            match = DIGEST.fullmatch(verifier)
            if match is not None and match[1] == algorithm and match[2] == _base64(realm.encode()):
                return match[3]
        return None


def parse_user(line: str) -> User:
    """ValueError says what is wrong with the line, and repeats nothing of it but the name."""
    name, first, rest = line.partition(":")
    roles, second, verifiers = rest.partition(":")
    if not first or not second:
        raise ValueError("a line is NAME:ROLES:VERIFIERS")
    user = User(UserName(name), parse_roles(roles), tuple(verifiers.split()))
    for verifier in user.verifiers:
        if not VERIFIER.fullmatch(verifier) or (verifier.startswith("$scrypt$") and _scrypt(verifier) is None):
            raise ValueError(f"a verifier of {name!r} is damaged")
    return user


# -- verifiers ---------------------------------------------------------------------------------------------------


def make_scrypt(password: str, salt: bytes, cost: tuple[int, int, int] = COST) -> str:
    """A verifier for everything that brings the password itself: Basic, SMTP's PLAIN, a form (RFC 7914)."""
    ln, r, p = cost
    return f"$scrypt$ln={ln},r={r},p={p}${_base64(salt)}${_base64(_derive(password, salt, cost, 32))}"


def check_scrypt(verifier: str, password: str) -> bool:
    """Slow on purpose: a tenth of a second and more. Nothing that answers others may wait for it."""
    parts = _scrypt(verifier)
    if parts is None:
        return False
    cost, salt, expected = parts
    return hmac.compare_digest(_derive(password, salt, cost, len(expected)), expected)


def _derive(password: str, salt: bytes, cost: tuple[int, int, int], length: int) -> bytes:
    ln, r, p = cost
    secret = normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=1 << ln, r=r, p=p, maxmem=2 * MEMORY, dklen=length)


def _scrypt(verifier: str) -> tuple[tuple[int, int, int], bytes, bytes] | None:
    """Cost, salt and hash; None for what is none, or would take more memory than is sane."""
    match = SCRYPT.fullmatch(verifier)
    if match is None:
        return None
    ln, r, p = int(match[1]), int(match[2]), int(match[3])
    if not (1 <= ln <= 24 and r >= 1 and 1 <= p <= 16) or 128 * r << ln > MEMORY:
        return None
    try:
        return (ln, r, p), _unbase64(match[4]), _unbase64(match[5])
    except ValueError:
        return None


ITERATIONS = 4096
"""Of PBKDF2 in SCRAM; RFC 7677 4 wants at least so many, and each client pays for them at each login."""


def scram_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> ScramVerifier:
    """Salted password, stored key and server key of RFC 5802 3, with SHA-256 (RFC 7677)."""
    salted = hashlib.pbkdf2_hmac("sha256", normalize("NFC", password).encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return ScramVerifier(salt, iterations, stored, hmac.digest(salted, b"Server Key", "sha256"))


def unknown_scram(secret: bytes, name: str) -> ScramVerifier:
    """A verifier that no password matches, for a name that has none: the same each time, as a real one would be."""
    password = hmac.digest(secret, b"password " + name.encode(), "sha256").hex()
    return scram_verifier(password, hmac.digest(secret, name.encode(), "sha256")[:16])


def make_scram(password: str, salt: bytes) -> str:
    """A verifier for SCRAM-SHA-256, as it is written in a file."""
    made = scram_verifier(password, salt)
    return f"$scram-sha-256$i={made.iterations}${_base64(salt)}${_base64(made.stored_key)}${_base64(made.server_key)}"


def make_digest(algorithm: str, user: str, realm: str, password: str) -> str:
    """A verifier for Digest: good for this realm alone, and quickly guessed from by whoever reads it."""
    a1 = f"{normalize('NFC', user)}:{realm}:{normalize('NFC', password)}"
    return f"$digest$alg={algorithm},realm={_base64(realm.encode())}${digest_hash(algorithm, a1.encode())}"


def digest_hash(algorithm: str, data: bytes) -> str:
    """H of RFC 7616 3.2 for an algorithm's name without -sess."""
    return hashlib.new(HASHES[algorithm], data, usedforsecurity=False).hexdigest()


def _base64(data: bytes) -> str:
    return b64encode(data).rstrip(b"=").decode("ascii")


def _unbase64(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)
