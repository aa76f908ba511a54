"""TLS settings of a server or a client, as contexts of Python's ssl."""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from netlab.errors import UsageError
from netlab.net.certs import LEAVES, Authority, Leaf

if TYPE_CHECKING:
    from netlab.net.tls_own import OwnCertificates

Version = Literal["1.2", "1.3"]
ClientCertificates = Literal["none", "optional", "required"]

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
HTTP = ("http/1.1",)


class ServerContexts:
    """A server's contexts, one for each name it is asked for: `contexts(server_name)`.

    A `TlsLayer` takes it for its `context`. Each context has the same settings and its own leaf of the authority, but
    for the names in certificates of a person's `own` (each a file in PEM, and its key's, where that is another one);
    session tickets are a context's own, so a client resumes with the name it began with.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        alpn: Sequence[str] = HTTP,
        minimum: Version = "1.2",
        maximum: Version = "1.3",
        client_certificates: ClientCertificates = "none",
        client_ca: Path | None = None,
        own: Sequence[tuple[Path, Path | None]] = (),
    ) -> None:
        if client_certificates != "none" and client_ca is None:
            client_ca = authority.certificate_path
        self._authority = authority
        self._settings = (tuple(alpn), minimum, maximum, client_certificates, client_ca)
        self._contexts: OrderedDict[str | None, tuple[Leaf, ssl.SSLContext]] = OrderedDict()
        self._own = self._read(own) if own else None
        self(None)  # what is wrong with the settings shows here, not at the first connection

    def _read(self, files: Sequence[tuple[Path, Path | None]]) -> OwnCertificates:
        from netlab.net.tls_own import OwnCertificate, OwnCertificates

        found = []
        for certificate, key in files:
            context = server_context(*self._settings)
            _own(context, certificate, key)
            found.append(OwnCertificate(certificate, context))
        return OwnCertificates(found)

    def __call__(self, server_name: str | None) -> ssl.SSLContext:
        if self._own is not None and (context := self._own.find(server_name)) is not None:
            return context
        leaf = self._authority.leaf_for(server_name)
        key = leaf.names[0]
        known = self._contexts.get(key)
        if known is not None and known[0] is leaf:  # a leaf that was renewed gets a new context
            self._contexts.move_to_end(key)
            return known[1]
        context = leaf_context(leaf, *self._settings)
        self._contexts[key] = leaf, context
        if len(self._contexts) > LEAVES:
            self._contexts.popitem(last=False)
        return context


def leaf_context(
    leaf: Leaf,
    alpn: Sequence[str] = HTTP,
    minimum: Version = "1.2",
    maximum: Version = "1.3",
    client_certificates: ClientCertificates = "none",
    client_ca: Path | None = None,
) -> ssl.SSLContext:
    """A context for one certificate. `client_ca` is the file of the authorities client certificates must come from."""
    context = server_context(alpn, minimum, maximum, client_certificates, client_ca)
    leaf.load_into(context)
    return context


def server_context(
    alpn: Sequence[str],
    minimum: Version,
    maximum: Version,
    client_certificates: ClientCertificates,
    client_ca: Path | None,
) -> ssl.SSLContext:
    """A context that still lacks its certificate."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, alpn, minimum, maximum)
    if client_certificates != "none" and client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED if client_certificates == "required" else ssl.CERT_OPTIONAL
    return context


def client_context(
    *,
    cafile: Path | None = None,
    authority: Authority | None = None,
    insecure: bool = False,
    alpn: Sequence[str] = HTTP,
    minimum: Version = "1.2",
    maximum: Version = "1.3",
    certificate: Path | None = None,
    key: Path | None = None,
) -> ssl.SSLContext:
    """A client's context.

    cafile       the only authorities to trust; by default the system's, and `authority` besides
    insecure     take any certificate and any name
    certificate  our own, for servers that ask; `key` where it is not in the same file
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, alpn, minimum, maximum)
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif cafile is not None:
        _trust(context, cafile)
    else:
        context.load_default_certs()
        if authority is not None:
            context.load_verify_locations(cadata=authority.certificate_pem)
    if certificate is not None:
        _own(context, certificate, key)
    return context


def _context(role: int, alpn: Sequence[str], minimum: Version, maximum: Version) -> ssl.SSLContext:
    if VERSIONS[minimum] > VERSIONS[maximum]:
        raise UsageError(f"the lowest TLS version, {minimum}, is above the highest, {maximum}")
    context = ssl.SSLContext(role)
    context.minimum_version, context.maximum_version = VERSIONS[minimum], VERSIONS[maximum]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _trust(context: ssl.SSLContext, cafile: Path) -> None:
    try:
        context.load_verify_locations(cafile=cafile)
    except ssl.SSLError as error:
        raise UsageError(f"{cafile} holds no certificates in PEM") from error
    except OSError as error:
        raise UsageError(f"the authorities in {cafile} cannot be read: {error.strerror}") from error


def _own(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # an encrypted key must not ask on the terminal
    except ssl.SSLError as error:
        held = f"{certificate}" if key is None else f"{certificate} with {key}"
        raise UsageError(f"{held} is not a certificate with its unencrypted key in PEM ({error.reason})") from error
    except OSError as error:
        raise UsageError(f"the certificate in {certificate}, or its key, cannot be read: {error.strerror}") from error
