"""The URI that a stored response is found by: as its client would write it, in one spelling."""

from __future__ import annotations

DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def uri_of(scheme: str, authority: str, path: str) -> str:
    """Of these parts; host in lower case, without the scheme's own port (RFC 9110 4.2.3)."""
    return f"{scheme}://{spelled(scheme, authority)}{path}"


def spelled(scheme: str, authority: str) -> str:
    return authority.lower().removesuffix(DEFAULT_PORTS.get(scheme, " "))
