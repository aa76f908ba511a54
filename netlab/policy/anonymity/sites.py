"""Where a request comes from, seen from where it goes: the same origin, the same site, another, or nowhere."""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from netlab.text import bracketed

Relation = Literal["none", "same-origin", "same-site", "cross-site"]

SECOND_LEVEL = frozenset(("ac", "co", "com", "edu", "gov", "ltd", "net", "nom", "org", "or", "ne", "go"))
"""Under a country's two letters, names below these are separate sites: shop.co.uk and bank.co.uk."""
DEFAULT_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """An origin (RFC 6454): scheme, host in lower case without brackets, port."""

    scheme: str
    host: str
    port: int

    @property
    def trustworthy(self) -> bool:
        """Whether browsers take it for secure (W3C Secure Contexts 3.1): hints and fetch metadata go only there."""
        return self.scheme == "https" or is_loopback(self.host)

    def __str__(self) -> str:
        port = "" if DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{bracketed(self.host)}{port}"


def place(url: str) -> Place | None:
    """The origin of a URL in Referer or Origin; None where it has none ("null", about:blank, nonsense)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return None
    return Place(parts.scheme, parts.hostname.rstrip("."), port or DEFAULT_PORTS[parts.scheme])


def site(host: str) -> str:
    """The registrable part of a name, near enough without the list of public suffixes; an address is its own."""
    labels = host.rstrip(".").split(".")
    if ":" in host or labels[-1].isdigit() or len(labels) < 3:
        return host
    below_country = len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL
    return ".".join(labels[-3:] if below_country else labels[-2:])


def relation(to: Place, metadata: str | None, referer: str | None, origin: str | None) -> Relation:
    """What Sec-Fetch-Site says, as browsers work it out; else by Referer or Origin; else nothing is known."""
    match metadata:
        case "none" | "same-origin" | "same-site" | "cross-site":
            return metadata
    start = place(referer or "") or place(origin or "")
    if start is None:
        return "cross-site" if origin == "null" else "none"
    if start == to:
        return "same-origin"
    return "same-site" if start.scheme == to.scheme and site(start.host) == site(to.host) else "cross-site"


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.endswith(".localhost") or is_127(host)


def is_127(host: str) -> bool:
    labels = host.split(".")
    return len(labels) == 4 and labels[0] == "127" and all(label.isdigit() for label in labels)
