"""JSON Web Keys and sets of them (RFC 7517), as issuers publish them; only what verifies, never a private part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from netlab.policy.jwt.encoding import decode
from netlab.policy.jwt.keys import ALIASES, Key, asymmetric_key, secret_key

MOST_KEYS = 64
ALGORITHMS = {"oct": "HS256", "RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}


def jwks_keys(text: str | bytes) -> tuple[Key, ...]:
    """The keys of a set that this place can use; ValueError for what is no set.

    Keys of unknown kinds are passed over (RFC 7517 5): issuers publish what their newest clients understand.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a key set is JSON: {error}") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ValueError("a key set is an object with a list of objects, `keys` (RFC 7517 5)")
    if len(keys) > MOST_KEYS:
        raise ValueError(f"a key set has at most {MOST_KEYS} keys here, not {len(keys)}")
    return tuple(key for key in map(jwk_key, keys) if key is not None)


def jwk_key(jwk: Mapping[str, Any]) -> Key | None:
    """The key of one JSON Web Key; None for one that is not for signatures, or not of a kind known here.

    ValueError where it claims to be one and is broken.
    """
    kind, kid = jwk.get("kty"), jwk.get("kid")
    expected = ALGORITHMS.get(kind) if isinstance(kind, str) else None
    if expected is None or jwk.get("use", "sig") != "sig":
        return None
    if "alg" in jwk and jwk["alg"] != expected and ALIASES.get(str(jwk["alg"])) != expected:
        return None
    if kid is not None and not isinstance(kid, str):
        raise ValueError("a key's `kid` is a string (RFC 7517 4.5)")
    if kind == "oct":
        return secret_key(_member(jwk, "k"), kid=kid)
    if kind == "RSA":
        return _rsa(jwk, kid)
    return _elliptic(jwk, kid) if kind == "EC" else _edwards(jwk, kid)


def _rsa(jwk: Mapping[str, Any], kid: str | None) -> Key:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    exponent, modulus = (int.from_bytes(_member(jwk, name), "big") for name in ("e", "n"))
    return asymmetric_key(RSAPublicNumbers(exponent, modulus).public_key(), kid=kid)


def _elliptic(jwk: Mapping[str, Any], kid: str | None) -> Key | None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers

    if jwk.get("crv") != "P-256":
        return None
    x, y = (int.from_bytes(_member(jwk, name), "big") for name in ("x", "y"))
    return asymmetric_key(EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key(), kid=kid)


def _edwards(jwk: Mapping[str, Any], kid: str | None) -> Key | None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if jwk.get("crv") != "Ed25519":
        return None
    return asymmetric_key(Ed25519PublicKey.from_public_bytes(_member(jwk, "x")), kid=kid)


def _member(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    found = decode(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"`{name}` of a {jwk['kty']} key is base64url without padding (RFC 7518 6)")
    return found
