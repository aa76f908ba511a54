"""Digest: the client proves that it knows the password without sending it (RFC 7616)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

from netlab.policy.auth.credentials import Credentials, Refusal, challenge, quoted
from netlab.policy.auth.nonces import Nonces
from netlab.policy.auth.users import HASHES, digest_hash

Algorithm = Literal["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"]
ALGORITHMS = {name.lower(): name for base in HASHES for name in (base, f"{base}-sess")}

Ha1 = Callable[[str, str, bool], tuple[str, str] | None]
"""From algorithm (without -sess), the client's name for the user, and whether that is its hash: name and H(A1)."""

COUNT = re.compile(r"[0-9a-fA-F]{8}")
EXTENDED = re.compile(r"UTF-8'[A-Za-z0-9-]*'((?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*)", re.IGNORECASE)  # RFC 8187
REQUIRED = ("realm", "nonce", "uri", "response", "qop", "nc", "cnonce")

SECTION = "RFC 7616 3.4"
WRONG = Refusal("digest.wrong", "user or password are wrong", SECTION)
REALM = Refusal("digest.realm", "the credentials are for another realm", SECTION)
STALE = Refusal(
    "digest.stale", "the nonce is too old or was used up; a new one is in the answer", "RFC 7616 3.3", 401, True
)
URI = Refusal("digest.uri", "the credentials are for another target than the request's", "RFC 7616 3.4.6", 400)
NAME = Refusal("digest.username", "the user's name cannot be read", "RFC 7616 3.4.4", 400)
VALUES = Refusal("digest.values", "qop is auth or auth-int, and nc 8 hexadecimal digits", SECTION, 400)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that the credentials came with.

    targets   the spellings of its target that `uri` may have: as on the request line, and as path and query
    content   all of its content, for auth-int
    """

    method: str
    targets: Sequence[str]
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Who it is; `info` is the value of Authentication-Info, by which the server proves itself (RFC 7616 3.5)."""

    user: str
    info: str = ""


class Digest:
    """One realm: its challenges, and the judgement of what clients make of them.

    algorithms   offered in this order; -sess forms may be among them
    secret       random bytes that no one else knows: they seal the nonces
    lifetime     seconds after which a nonce is stale
    """

    def __init__(
        self,
        realm: str,
        secret: bytes,
        *,
        algorithms: Sequence[str] = ("SHA-256", "MD5"),
        qualities: Sequence[str] = ("auth",),
        lifetime: float = 300.0,
        userhash: bool = False,
        tracked: int = 10_000,
    ) -> None:
        self.realm, self.algorithms, self.qualities = realm, tuple(algorithms), tuple(qualities)
        self.userhash = userhash
        self._secret = secret
        self._nonces = Nonces(secret, lifetime=lifetime, tracked=tracked)

    def challenges(self, now: float, *, stale: bool = False) -> list[str]:
        """A challenge for each algorithm, best first, all with one nonce: some clients mix what they read of each."""
        nonce = self._nonces.make(now)
        return [self._challenge(algorithm, nonce, stale) for algorithm in self.algorithms]

    def _challenge(self, algorithm: str, nonce: str, stale: bool) -> str:
        parameters = [
            ("realm", quoted(self.realm)),
            ("nonce", quoted(nonce)),
            ("qop", quoted(", ".join(self.qualities))),
            ("algorithm", algorithm),
            ("charset", "UTF-8"),
        ]
        if self.userhash:
            parameters.append(("userhash", "true"))
        if stale:
            parameters.append(("stale", "true"))
        return challenge("Digest", parameters)

    def wants_content(self, given: Credentials) -> bool:
        """Whether `check` needs the request's content."""
        return given.parameters.get("qop") == "auth-int"

    def check(self, given: Credentials, asked: Asked, now: float, ha1: Ha1) -> Accepted | Refusal:
        """Right, or why not. A nonce is judged last: `stale` is said only to who knows the password (RFC 7616 3.3)."""
        parameters = given.parameters
        algorithm = ALGORITHMS.get(parameters.get("algorithm", "MD5").lower(), "")
        if refusal := self._refuse_shape(parameters, algorithm, asked):
            return refusal
        name, hashed = _name(parameters)
        if name is None:
            return NAME
        known = ha1(algorithm.removesuffix("-sess"), name, hashed)
        user, secret_part = known or ("", digest_hash(algorithm.removesuffix("-sess"), self._secret))
        proof = Proof(parameters, algorithm, secret_part)
        expected = proof.response(asked.method, asked.content)
        right = hmac.compare_digest(expected, parameters["response"].lower().encode("latin-1", "replace"))
        if not right or known is None:
            return WRONG
        if self._nonces.use(parameters["nonce"], int(parameters["nc"], 16), now) != "fresh":
            return STALE
        return Accepted(user, proof.info())

    def _refuse_shape(self, parameters: Mapping[str, str], algorithm: str, asked: Asked) -> Refusal | None:
        missing = [name for name in REQUIRED if name not in parameters]
        if missing:
            return Refusal("digest.missing", f"the credentials have no {missing[0]}", SECTION, 400)
        if parameters["realm"] != self.realm:
            return REALM
        if algorithm not in self.algorithms:
            words = f"the algorithm is not one of {', '.join(self.algorithms)}"
            return Refusal("digest.algorithm", words, "RFC 7616 3.4")
        if parameters["qop"] not in self.qualities or not COUNT.fullmatch(parameters["nc"]):
            return VALUES
        if parameters["uri"] not in asked.targets:
            return URI
        return None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a client that knows H(A1) answers to its own parameters (RFC 7616 3.4.1)."""

    parameters: Mapping[str, str]
    algorithm: str
    ha1: str

    def response(self, method: str, content: bytes | None) -> bytes:
        return self._keyed(self._a2(method, content))

    def info(self) -> str:
        """Authentication-Info: the same with A2 without a method. None for auth-int, for which all content would have
        to be known before the head is sent.
        """
        if self.parameters["qop"] != "auth":
            return ""
        proof = self._keyed(self._a2("", None)).decode("ascii")
        nc, cnonce = self.parameters["nc"], quoted(self.parameters["cnonce"])
        return f'rspauth="{proof}", qop=auth, nc={nc}, cnonce={cnonce}'

    def _a2(self, method: str, content: bytes | None) -> str:
        a2 = f"{method}:{self.parameters['uri']}"
        if self.parameters["qop"] == "auth-int":
            a2 += f":{self._hash(content or b'')}"
        return a2

    def _keyed(self, a2: str) -> bytes:
        given = self.parameters
        ha1 = self.ha1
        if self.algorithm.endswith("-sess"):
            ha1 = self._hash(f"{ha1}:{given['nonce']}:{given['cnonce']}".encode("latin-1"))
        middle = [given[name] for name in ("nonce", "nc", "cnonce", "qop")]
        text = ":".join([ha1, *middle, self._hash(a2.encode("latin-1"))])
        return self._hash(text.encode("latin-1")).encode("ascii")

    def _hash(self, data: bytes) -> str:
        return digest_hash(self.algorithm.removesuffix("-sess"), data)


def _name(parameters: Mapping[str, str]) -> tuple[str | None, bool]:
    """The client's name for the user, and whether it is a hash (RFC 7616 3.4.4)."""
    plain, extended = parameters.get("username"), parameters.get("username*")
    hashed = parameters.get("userhash", "false").lower() == "true"
    if (plain is None) == (extended is None) or (hashed and extended is not None):
        return None, False
    if extended is not None:
        match = EXTENDED.fullmatch(extended)
        data = unquote_to_bytes(match[1]) if match is not None else None
    else:
        data = (plain or "").encode("latin-1")
    try:
        return (None if data is None else data.decode()), hashed
    except UnicodeDecodeError:
        return (data or b"").decode("latin-1"), hashed  # clients that do not know the parameter charset
