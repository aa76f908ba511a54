"""A server's own certificates, from files, and which of them is shown to a client that asks for a name (RFC 6066 3)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from netlab.errors import UsageError


class OwnCertificate(NamedTuple):
    """The files of one, and its context."""

    path: Path
    context: ssl.SSLContext


class OwnCertificates:
    """By the DNS names in them (RFC 9525 6.3): a wildcard stands for one label, the leftmost; a full name goes first.

    Of two for the same name the first counts; clients that name nothing get the first of all.
    """

    def __init__(self, certificates: Sequence[OwnCertificate]) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._first = certificates[0].context
        for path, context in certificates:
            for name in dns_names(path):
                self._contexts.setdefault(name, context)

    def find(self, server_name: str | None) -> ssl.SSLContext | None:
        """The context for a name in lower case; None: no certificate has it."""
        if server_name is None:
            return self._first
        name = server_name.removesuffix(".")
        return self._contexts.get(name) or self._contexts.get(f"*.{name.partition('.')[2]}")


def dns_names(path: Path) -> list[str]:
    """The names of the first certificate in a PEM file, in lower case."""
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise UsageError(f"{path} holds no certificate with names in PEM: {error}") from None
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]
