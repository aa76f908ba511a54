"""A server's certificates in words: who they are for, who vouches, until when, and whom of them we trust.

Imported only where someone wants to see them: `cryptography` takes its time to load.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """One certificate; dates are in UTC, `key` is such as "ECDSA P-256" or "RSA 2048 bits"."""

    subject: str
    issuer: str
    names: tuple[str, ...]  # subject alternative names
    not_before: datetime
    not_after: datetime
    serial: str
    key: str
    signature: str  # ecdsa-with-SHA256
    authority: bool  # it may issue others
    sha256: str

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer

    def fault(self, now: datetime | None = None) -> str:
        """What is wrong with its dates now; empty if nothing."""
        now = now or datetime.now(UTC)
        if now < self.not_before:
            return f"not valid before {day(self.not_before)}"
        return f"expired on {day(self.not_after)}" if now > self.not_after else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "names": list(self.names),
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "serial": self.serial,
            "key": self.key,
            "signature": self.signature,
            "authority": self.authority,
            "sha256": self.sha256,
        }


def read(der: bytes) -> Certificate:
    """Read one certificate; raises ValueError if it is none."""
    found = x509.load_der_x509_certificate(der)
    return Certificate(
        subject=found.subject.rfc4514_string() or "(empty)",
        issuer=found.issuer.rfc4514_string() or "(empty)",
        names=_names(found),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        serial=f"{found.serial_number:x}",
        key=_key(found),
        signature=found.signature_algorithm_oid._name,
        authority=_is_authority(found),
        sha256=found.fingerprint(hashes.SHA256()).hex(),
    )


def verified(ssl_object: ssl.SSLObject) -> list[bytes]:
    """The chain that was verified, in DER, leaf first, trust anchor last; empty if nothing was."""
    if ssl_object.context.verify_mode is ssl.CERT_NONE:
        return []
    if hasattr(ssl_object, "get_verified_chain"):  # Python 3.13
        return list(ssl_object.get_verified_chain())
    inner = ssl_object._sslobj  # type: ignore[attr-defined]  # the method is there since 3.10, one layer below
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in inner.get_verified_chain() or ()]


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):  # ValueError: an extension that cannot be read
        return ()
    return tuple(str(name.value) for name in names)


def _is_authority(found: x509.Certificate) -> bool:
    try:
        return found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _key(found: x509.Certificate) -> str:
    try:
        key = found.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return f"unknown ({found.public_key_algorithm_oid.dotted_string})"
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size} bits"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {CURVES.get(key.curve.name, key.curve.name)}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case dsa.DSAPublicKey():
            return f"DSA {key.key_size} bits"
    return type(key).__name__


CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
