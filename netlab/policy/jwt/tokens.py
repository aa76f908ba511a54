"""Signing a token, and verifying one: what it must be, in which order, and which rule one that is refused breaks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from netlab.policy.jwt.encoding import decode, encode, json_object
from netlab.policy.jwt.keys import ALIASES, Key

TYPES = (None, "JWT", "AT+JWT", "APPLICATION/JWT", "APPLICATION/AT+JWT")  # RFC 7519 5.1, RFC 9068 2.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What is wanted of a token besides a right signature.

    audience     who is asked, if it has a name: a token must be for it; a token for anyone else is refused in any case
    issuer       who must have made it; None: whoever has the key
    leeway       seconds by which clocks may differ
    require      claims that must be there
    max_length   characters of a token
    """

    audience: str | None = None
    issuer: str | None = None
    leeway: float = 30.0
    require: tuple[str, ...] = ("exp",)
    max_length: int = 8192


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was right: what it claims, and its header."""

    claims: Mapping[str, Any]
    header: Mapping[str, Any]

    @property
    def subject(self) -> str | None:
        return self.claims.get("sub")

    def words(self, claim: str) -> tuple[str, ...]:
        """A claim that lists words: as an array of strings, or as one string with blanks between (RFC 8693 4.2)."""
        value = self.claims.get(claim)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        return tuple(word for word in words if isinstance(word, str))


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a token is refused: a stable name for the rule, one sentence, and where the rule stands."""

    rule: str
    reason: str
    section: str


class Fault(Exception):
    """A step's "no", on its way to `verify`."""

    def __init__(self, rule: str, reason: str, section: str) -> None:
        super().__init__(reason)
        self.rejected = Rejected(rule, reason, section)


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """A token in compact form (RFC 7515 7.1); ValueError for a key that can only verify."""
    header = {"alg": key.algorithm, "typ": "JWT"}
    if key.kid is not None:
        header["kid"] = key.kid
    parts = [encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, dict(claims))]
    signed = ".".join(parts)
    return f"{signed}.{encode(key.sign(signed.encode('ascii')))}"


def verify(token: str, keys: Iterable[Key], now: float, rules: Rules | None = None) -> Token | Rejected:
    """The token if it is right by one of the keys at `now` (seconds since the epoch), else the first rule it breaks."""
    rules = rules or Rules()
    try:
        header, claims, signed, signature = _parts(token, rules.max_length)
        _check_signature(_fitting(header, keys), signed, signature)
        found = _object(claims, "claims", "RFC 7519 7.2")
        _check_times(found, now, rules)
        _check_parties(found, rules)
    except Fault as fault:
        return fault.rejected
    return Token(found, header)


# -- the steps ---------------------------------------------------------------------------------------------------


def _parts(token: str, most: int) -> tuple[dict[str, Any], bytes, bytes, bytes]:
    """Header, claims as bytes (not looked at before the signature is right), what is signed, signature."""
    if len(token) > most:
        raise Fault("token.size", f"a token has at most {most} characters here, not {len(token)}", "RFC 8725 2.10")
    pieces = token.split(".")
    if len(pieces) != 3:
        why = f"a signed token has three parts with dots between, not {len(pieces)}"
        raise Fault("token.parts", why, "RFC 7515 7.1")
    decoded = []
    for name, piece in zip(("header", "claims", "signature"), pieces, strict=True):
        data = decode(piece)
        if data is None:
            raise Fault("token.base64url", f"the {name} is not base64url without padding", "RFC 7515 2")
        decoded.append(data)
    header, claims, signature = decoded
    return _object(header, "header", "RFC 7515 4"), claims, f"{pieces[0]}.{pieces[1]}".encode("ascii"), signature


def _object(data: bytes, name: str, section: str) -> dict[str, Any]:
    try:
        return json_object(data)
    except ValueError as error:
        raise Fault(f"token.{name}", f"the {name} cannot be read: {error}", section) from None


def _fitting(header: Mapping[str, Any], keys: Iterable[Key]) -> list[Key]:
    """The keys that the header may mean. A key has one algorithm, so the header cannot choose another for it."""
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if "crit" in header:
        raise Fault("header.crit", "the header demands extensions that are not known here", "RFC 7515 4.1.11")
    if kind is not None and (not isinstance(kind, str) or kind.upper() not in TYPES):
        raise Fault("header.typ", f"the header says that this is {str(kind)[:40]!r}, not a JWT", "RFC 8725 3.11")
    if not isinstance(algorithm, str) or algorithm.lower() == "none":
        raise Fault("header.alg", "the token is not signed: `alg` is none, or missing", "RFC 8725 3.2")
    named = [key for key in keys if kid is None or key.kid is None or key.kid == kid]
    if not named:
        raise Fault("header.kid", f"no key here is called {str(kid)[:40]!r}", "RFC 7515 4.1.4")
    fitting = [key for key in named if key.algorithm == ALIASES.get(algorithm, algorithm)]
    if not fitting:
        allowed = ", ".join(sorted({key.algorithm for key in named}))
        why = f"the token is signed with {algorithm[:40]!r}; the key here is for {allowed} only"
        raise Fault("header.alg", why, "RFC 8725 3.1")
    return fitting


def _check_signature(keys: Iterable[Key], signed: bytes, signature: bytes) -> None:
    if not any(key.verifies(signed, signature) for key in keys):
        raise Fault("signature.wrong", "the signature does not fit the token", "RFC 7515 5.2")


def _check_times(claims: Mapping[str, Any], now: float, rules: Rules) -> None:
    missing = [name for name in rules.require if name not in claims]
    if missing:
        raise Fault(f"claim.{missing[0]}", f"the token does not say `{missing[0]}`", "RFC 7519 4.1")
    expires, begins, issued = (_date(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is not None and now >= expires + rules.leeway:
        raise Fault("claim.exp", f"the token expired {now - expires:.0f} seconds ago", "RFC 7519 4.1.4")
    if begins is not None and now < begins - rules.leeway:
        raise Fault("claim.nbf", f"the token is not valid for another {begins - now:.0f} seconds", "RFC 7519 4.1.5")
    if issued is not None and now < issued - rules.leeway:
        raise Fault("claim.iat", "the token says that it was issued in the future", "RFC 7519 4.1.6")


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        raise Fault(f"claim.{name}", f"`{name}` is not a date in seconds since 1970", "RFC 7519 2")
    return float(value)


def _check_parties(claims: Mapping[str, Any], rules: Rules) -> None:
    subject, audience, issuer = claims.get("sub"), claims.get("aud"), claims.get("iss")
    if subject is not None and not isinstance(subject, str):
        raise Fault("claim.sub", "`sub` is not a string", "RFC 7519 4.1.2")
    meant = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if "aud" in claims and (rules.audience is None or rules.audience not in meant):
        raise Fault("claim.aud", "the token is for someone else", "RFC 7519 4.1.3")
    if rules.audience is not None and "aud" not in claims:
        raise Fault("claim.aud", f"the token does not say that it is for {rules.audience!r}", "RFC 7519 4.1.3")
    if rules.issuer is not None and issuer != rules.issuer:
        raise Fault("claim.iss", f"the token was not issued by {rules.issuer!r}", "RFC 7519 4.1.1")
