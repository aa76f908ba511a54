"""JSON Web Tokens (RFC 7519), signed (RFC 7515), strict in what they take: algorithm bound to key, `none` unknown."""

from __future__ import annotations

from netlab.policy.jwt.keys import Algorithm, Key, pem_key, secret_key
from netlab.policy.jwt.sets import jwk_key, jwks_keys
from netlab.policy.jwt.tokens import Rejected, Rules, Token, sign, verify

__all__ = [
    "Algorithm",
    "Key",
    "Rejected",
    "Rules",
    "Token",
    "jwk_key",
    "jwks_keys",
    "pem_key",
    "secret_key",
    "sign",
    "verify",
]
