"""Keys that sign and verify tokens, each for one algorithm only (RFC 8725 3.1), and where they come from as PEM."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # cryptography takes 90 ms to import: only where a key of it is used
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    Public = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
    Private = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]
ALIASES = {"Ed25519": "EdDSA"}  # RFC 9864 2.2 names the curve; the key says it in any case

SECRET_BYTES = 32  # RFC 7518 3.2: not shorter than the hash
RSA_BITS = range(2048, 8193)  # RFC 7518 3.3; much longer ones only cost time
COORDINATE = 32  # bytes of each half of an ES256 signature (RFC 7518 3.4)


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the one algorithm it is for: so a public RSA key can never be taken for the secret of an HMAC.

    `secret` is for HS256; `public` verifies the others, `private` signs them where it is known.
    """

    algorithm: Algorithm
    kid: str | None = None
    secret: bytes = field(default=b"", repr=False)
    public: Public | None = field(default=None, repr=False)
    private: Private | None = field(default=None, repr=False)

    @property
    def signs(self) -> bool:
        return self.private is not None or bool(self.secret)

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`; ValueError for a key that can only verify."""
        if self.algorithm == "HS256":
            return hmac.digest(self.secret, data, "sha256")
        if self.private is None:
            raise ValueError(f"a public key cannot sign: {self!r}")
        return _sign(self.private, data)

    def verifies(self, data: bytes, signature: bytes) -> bool:
        if self.algorithm == "HS256":
            return hmac.compare_digest(hmac.digest(self.secret, data, "sha256"), signature)
        assert self.public is not None
        return _verifies(self.public, data, signature)


def secret_key(secret: bytes, *, kid: str | None = None) -> Key:
    """A key for HS256; ValueError for a secret that is too short to be one."""
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a secret for HS256 has {SECRET_BYTES} bytes or more, not {len(secret)} (RFC 7518 3.2)")
    return Key("HS256", kid, secret=secret)


def pem_key(pem: bytes, *, kid: str | None = None) -> Key:
    """A key from PEM, public or private and unencrypted; its kind says the algorithm. ValueError if it is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    try:
        if b"PRIVATE KEY-----" in pem:
            return asymmetric_key(load_pem_private_key(pem, None), kid=kid)
        return asymmetric_key(load_pem_public_key(pem), kid=kid)
    except (TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise ValueError(str(error)) from None


def asymmetric_key(key: object, *, kid: str | None = None) -> Key:
    """The algorithm for a key of cryptography's; ValueError for a kind, curve or size that none here is for."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    private = (
        key if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) else None
    )
    public = private.public_key() if private is not None else key
    algorithm: Algorithm
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size not in RSA_BITS:
            allowed = f"{RSA_BITS.start} to {RSA_BITS.stop - 1} bits"
            raise ValueError(f"an RSA key for RS256 has {allowed}, not {public.key_size} (RFC 7518 3.3)")
        algorithm = "RS256"
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if not isinstance(public.curve, ec.SECP256R1):
            raise ValueError(f"ES256 is for the curve P-256, not {public.curve.name} (RFC 7518 3.4)")
        algorithm = "ES256"
    elif isinstance(public, ed25519.Ed25519PublicKey):
        algorithm = "EdDSA"
    else:
        raise ValueError("the key is for none of RS256, ES256 and EdDSA (Ed25519)")
    return Key(algorithm, kid, public=public, private=private)


def _sign(private: Private, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(data)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(COORDINATE, "big") + s.to_bytes(COORDINATE, "big")  # RFC 7518 3.4: raw, not DER
    return private.sign(data, padding.PKCS1v15(), SHA256())


def _verifies(public: Public, data: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, data)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            if len(signature) != 2 * COORDINATE:
                return False
            r, s = (int.from_bytes(half, "big") for half in (signature[:COORDINATE], signature[COORDINATE:]))
            public.verify(encode_dss_signature(r, s), data, ec.ECDSA(SHA256()))
        else:
            public.verify(signature, data, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
