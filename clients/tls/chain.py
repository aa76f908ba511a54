"""Why each certificate of a chain holds, or does not: dates, names, who signed it, and whether that one may."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from netlab.net.chain import Certificate, day, read

WEAK = ("md5", "sha1")
LEAST_RSA = 2048
"""Bits of an RSA key that nobody breaks soon."""


@dataclass(slots=True)
class Link:
    """One certificate; `holds` and `faults` are sentences on why it is valid, and why it is not."""

    certificate: Certificate
    sent: bool = True  # by the server; else it is one of the authorities that are trusted
    holds: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {**self.certificate.as_json(), "sent": self.sent, "holds": self.holds, "faults": self.faults}


class Anchors:
    """The authorities that are trusted."""

    def __init__(self, ders: Sequence[bytes]) -> None:
        self._known = set(ders)
        self._by_subject: dict[bytes, list[bytes]] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # old authorities have odd serial numbers
            for der in ders:
                subject = x509.load_der_x509_certificate(der).subject.public_bytes()
                self._by_subject.setdefault(subject, []).append(der)

    def __contains__(self, der: bytes) -> bool:
        return der in self._known

    def issuers(self, certificate: x509.Certificate) -> list[bytes]:
        """Those of the issuer's name."""
        return self._by_subject.get(certificate.issuer.public_bytes(), [])


def judge(ders: Sequence[bytes], name: str, anchors: Anchors, now: datetime | None = None) -> list[Link]:
    """A link for each certificate that was sent, and one for the authority behind the last, where it is trusted.

    ValueError for what is no certificate.
    """
    now = now or datetime.now(UTC)
    links: list[Link] = []
    for place, der in enumerate(ders):
        link, certificate = Link(read(der)), x509.load_der_x509_certificate(der)
        links.append(link)
        _dates(link, now)
        _strength(link, certificate)
        if place == 0:
            _names(link, certificate, name)
        else:
            _authority(link, certificate, below=place - 1)
        behind = ders[place + 1] if place + 1 < len(ders) else None
        if (anchor := _signed(link, der, certificate, behind, anchors)) is not None:
            links.append(Link(read(anchor), sent=False, holds=["it is one of the authorities that are trusted"]))
            _dates(links[-1], now)
    return links


def _dates(link: Link, now: datetime) -> None:
    if fault := link.certificate.fault(now):
        link.faults.append(fault)
    else:
        days = (link.certificate.not_after - now).days
        link.holds.append(f"valid until {day(link.certificate.not_after)}, {days:,} day{'s' * (days != 1)} more")


def _strength(link: Link, certificate: x509.Certificate) -> None:
    found = certificate.signature_hash_algorithm
    if found is not None and found.name in WEAK and not link.certificate.self_issued:
        link.faults.append(f"it is signed with {found.name.upper()}, which can be forged")
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < LEAST_RSA:
        link.faults.append(f"its RSA key has {key.key_size} bits; fewer than {LEAST_RSA} can be broken")


def _names(link: Link, certificate: x509.Certificate, name: str) -> None:
    """Whether it is the server's own, by the names in it alone (RFC 9525 6.3)."""
    names = link.certificate.names
    told = "its names are " + ", ".join(names[:10]) if names else "it has no names"
    if any(fits(name, one) for one in names):
        link.holds.append(f"for {name}: {told}")
    else:
        link.faults.append(f"not for {name}: {told}")
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    if usages is not None and ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        link.faults.append("its key is not for servers (RFC 5280 4.2.1.12)")


def fits(name: str, pattern: str) -> bool:
    """Whether a name in a certificate is this one; `*` stands for the whole first label (RFC 9525 6.3)."""
    if is_address(name):
        return is_address(pattern) and ip_address(name) == ip_address(pattern)
    name, pattern = name.lower().rstrip("."), pattern.lower().rstrip(".")
    if pattern.startswith("*."):
        first, _, rest = name.partition(".")
        return bool(first) and rest == pattern[2:] and "." in rest
    return name == pattern


def is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _authority(link: Link, certificate: x509.Certificate, *, below: int) -> None:
    """Whether it may issue the one before it (RFC 5280 4.2.1.9, 4.2.1.3)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca:
        link.faults.append("it is no authority's: basicConstraints do not say so (RFC 5280 4.2.1.9)")
    elif constraints.path_length is not None and below > constraints.path_length:
        link.faults.append(f"{below} authorities are below it, and it allows {constraints.path_length}")
    if usage is not None and not usage.key_cert_sign:
        link.faults.append("its key may not sign certificates (RFC 5280 4.2.1.3)")


def _signed(
    link: Link, der: bytes, certificate: x509.Certificate, behind: bytes | None, anchors: Anchors
) -> bytes | None:
    """Who vouches for it; the result is a trusted authority that was not sent."""
    issuer = link.certificate.issuer
    if der in anchors:
        link.holds.append("it is one of the authorities that are trusted")
        return None
    if link.certificate.self_issued and _is_by(certificate, der) == "":
        link.faults.append("it is signed by itself, and is not one of the authorities that are trusted")
        return None
    if behind is not None:
        follows = read(behind).subject
        if follows != issuer:
            link.faults.append(f"it is issued by {issuer}, but what follows is {follows}")
        elif why := _is_by(certificate, behind):
            link.faults.append(f"its signature is not by the key of {issuer}: {why}")
        else:
            link.holds.append(f"signed by {issuer}, which follows")
        return None
    for anchor in anchors.issuers(certificate):
        if not _is_by(certificate, anchor):
            link.holds.append(f"signed by {issuer}, which is trusted")
            return anchor
    link.faults.append(
        f"it is issued by {issuer}, which was not sent and is not one of the authorities that are trusted"
    )
    return None


def _is_by(certificate: x509.Certificate, issuer: bytes) -> str:
    """Why a certificate is not signed by this issuer; empty if it is."""
    try:
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(issuer))
    except InvalidSignature:
        return "the signature is another one"
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return str(error)
    return ""


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):  # ValueError: an extension that cannot be read
        return None


def staple_says(der: bytes) -> str:
    """What a stapled OCSP response says, in words (RFC 6960 4.2.1)."""
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return f"the responder says {response.response_status.name.lower()}"
        until = response.next_update_utc
        status = response.certificate_status.name.lower()
        return f"{status}, as of {day(response.this_update_utc)}" + (f", until {day(until)}" if until else "")
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"it cannot be read: {error}"
