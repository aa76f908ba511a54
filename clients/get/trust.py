"""Whom to believe about an https server, and in words why a certificate was believed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from netlab.net.certs import Authority, has_authority
from netlab.net.tls_context import client_context


@dataclass(frozen=True, kw_only=True)
class Trust:
    """`--cacert`, `--insecure`, `--cert` and `--key`; without any, the system's store and the lab's own authority."""

    cacert: Path | None = None
    insecure: bool = False
    certificate: Path | None = None
    key: Path | None = None

    @cached_property
    def authority(self) -> Authority | None:
        """The lab's own, if there is one: asking for a page is no reason to make it."""
        return Authority.load() if has_authority() else None

    def context(self) -> ssl.SSLContext:
        """The TLS context this comes to; raises UsageError for a file that is none."""
        return client_context(
            cafile=self.cacert,
            authority=None if self.insecure or self.cacert is not None else self.authority,
            insecure=self.insecure,
            certificate=self.certificate,
            key=self.key,
        )

    def blind(self) -> Trust:
        """The same, believing everybody: to see what a server sent that was not believed."""
        return replace(self, insecure=True)

    def anchored(self, fingerprint: str) -> str:
        """Where the anchor of a verified chain comes from."""
        if self.cacert is not None:
            return str(self.cacert)
        if self.authority is not None and self.authority.fingerprint == fingerprint:
            return f"this machine's lab ({self.authority.certificate_path})"
        return "the system's store"


def facts(ssl_object: ssl.SSLObject, chain: list[bytes], trust: Trust, host: str) -> dict[str, Any]:
    """A TLS connection as JSON: version, cipher, ALPN, the certificates sent, and whether and why they hold."""
    from netlab.net import chain as certificates

    cipher = ssl_object.cipher()
    sent = [certificates.read(der) for der in chain]
    believed = [certificates.read(der) for der in certificates.verified(ssl_object)]
    if believed:
        anchor = believed[-1]
        why = f"valid for {host}, vouched for by {anchor.subject}, which {trust.anchored(anchor.sha256)} trusts"
    else:
        faults = [f"{certificate.subject} {fault}" for certificate in sent if (fault := certificate.fault())]
        why = "; ".join(["nobody checked it (--insecure)", *faults])
    return {
        "version": ssl_object.version(),
        "cipher": cipher[0] if cipher else None,
        "alpn": ssl_object.selected_alpn_protocol(),
        "resumed": bool(ssl_object.session_reused),
        "verified": bool(believed),
        "why": why,
        "chain": [certificate.as_json() for certificate in sent],
    }
