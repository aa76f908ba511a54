"""X.509 certificates as they are made: the authority's own, and what it issues. Imported only when one is made."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netlab.errors import UsageError

SKEW = timedelta(hours=1)  # a client whose clock is a little behind still finds it valid
CA_DAYS = 3652
COMMON_NAME_LIMIT = 64  # ub-common-name, RFC 5280 A.1


def new_authority() -> tuple[bytes, bytes]:
    """A new authority's key and certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # each authority has a subject of its own: trust stores look issuers up by it
    name = _name(f"netlab local CA {identifier.digest.hex()[:8]}")
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)


class Issuer:
    """An authority's key and certificate, ready to issue."""

    def __init__(self, key_pem: bytes, certificate_pem: bytes) -> None:
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
            self.certificate = x509.load_pem_x509_certificate(certificate_pem)
            self.certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise UsageError(f"the authority's files cannot be read: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self.certificate.public_key():
            raise UsageError("the authority's key and certificate do not belong together")
        self._key = key

    def issue(self, names: Sequence[str], *, days: int, client: bool = False) -> tuple[bytes, bytes, float]:
        """A key and a certificate for it, in PEM, and when it expires (seconds since the epoch)."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        expires = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        common = names[0] if len(names[0]) <= COMMON_NAME_LIMIT else None
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._authority_key_identifier(), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(name, client) for name in names]), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM), expires.timestamp()

    def _authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def public_key_info(certificate_pem: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate, in DER: what pins are made of (RFC 7469 2.4)."""
    public_key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def validity(certificate_pem: bytes) -> tuple[datetime, datetime]:
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _name(common: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "netlab")]
    if common is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common))
    return x509.Name(attributes)


def _general_name(name: str, client: bool) -> x509.GeneralName:
    if client and "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
