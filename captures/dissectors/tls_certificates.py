"""The Certificate message of TLS: the chain, each with whom it names, who signed it and how long it holds."""

from __future__ import annotations

import warnings
from typing import Any

from captures.tree import Reader, Row

SECTION = "RFC 8446 4.4.2"
TLS_1_3 = 0x0304


def read(reader: Reader, facts: dict[str, Any]) -> None:
    """Pass the chain; TLS 1.3 has a context before it and extensions behind each certificate, but is encrypted here."""
    later = facts.get("version") == TLS_1_3
    if later:
        size = reader.number(Row("tls.handshake.certificate_request_context_length", "Context Length", 8, "", SECTION))
        reader.take(size, "tls.handshake.certificate_request_context", "Context", "", SECTION)
    total = reader.number(Row("tls.handshake.certificates_length", "Certificates Length", 24, "", SECTION))
    inner = reader.within(total)
    try:
        while inner.left:
            _certificate(inner, later=later)
    finally:
        reader.adopt(inner)


def _certificate(reader: Reader, *, later: bool) -> None:
    size = reader.number(Row("tls.handshake.certificate_length", "Certificate Length", 24, "", SECTION))
    at = reader.at // 8
    meaning = describe(reader.data[at : min(at + size, reader.end // 8)])
    reader.take(size, "tls.handshake.certificate", "Certificate", meaning, SECTION)
    if later:
        extra = reader.number(Row("tls.handshake.extensions_length", "Extensions Length", 16, "", SECTION))
        reader.take(extra, "tls.handshake.extension.data", "Extensions", "", SECTION)


def describe(certificate: bytes) -> str:
    """Whom it names, who signed it, until when it holds; in one sentence, whatever the bytes are."""
    from cryptography import x509  # some milliseconds, and only where a certificate is looked at
    from cryptography.exceptions import UnsupportedAlgorithm

    wrong = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion)
    try:
        with warnings.catch_warnings(action="ignore"):  # about certificates of others, which is nobody's concern here
            read_ = x509.load_der_x509_certificate(certificate)
            names = _names(read_)
            subject, issuer = read_.subject.rfc4514_string(), read_.issuer.rfc4514_string()
            until = read_.not_valid_after_utc.date().isoformat()
    except (*wrong, x509.UnsupportedGeneralNameType) as error:
        return f"no X.509 certificate that can be read: {error}"
    return f"{subject or 'no subject'}, for {', '.join(names[:20]) or 'no names'}, by {issuer}, until {until}"


def _names(certificate: Any) -> list[str]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return [str(name.value) for name in extension.value]
