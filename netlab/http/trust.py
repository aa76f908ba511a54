"""Whom the lab's own calls believe: the system's authorities, and the lab's where there is one."""

from __future__ import annotations

from pathlib import Path

from netlab.net.certs import Authority, has_authority
from netlab.net.secure import TlsOptions
from netlab.net.tls_context import client_context


def lab_authority(state: Path | None) -> Authority | None:
    """The authority of a state directory (None: the user's), if there is one: a call is no reason to make it."""
    return Authority.load(state) if has_authority(state) else None


def tls_options(
    state: Path | None,
    *,
    cafile: Path | None = None,
    insecure: bool = False,
    certificate: Path | None = None,
    key: Path | None = None,
) -> TlsOptions:
    """How an https call is secured; raises UsageError for a file that is none. See `client_context`."""
    authority = None if insecure or cafile is not None else lab_authority(state)
    context = client_context(cafile=cafile, authority=authority, insecure=insecure, certificate=certificate, key=key)
    return TlsOptions(context=context)
