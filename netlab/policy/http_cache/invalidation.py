"""What an unsafe request makes worthless: its target, and the URIs that the answer names (RFC 9111 4.4)."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from netlab.policy.http_cache.directives import Lookup
from netlab.policy.http_cache.uri import spelled

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"))
"""Methods that change nothing (RFC 9110 9.2.1); one that is not known may."""


def invalidated(method: str, status: int, uri: str, response: Lookup) -> list[str]:
    """The URIs whose stored responses must not be used without asking; `uri` is the request's, absolute.

    Location and Content-Location only where they are of the same origin: nobody else's are ours to throw out.
    """
    if method in SAFE or not 200 <= status < 400:
        return []
    found = [uri]
    for name in ("location", "content-location"):
        value = response.get(name)
        if value is None:
            continue
        other = resolved(uri, value)
        if other is not None and same_origin(uri, other) and other not in found:
            found.append(other)
    return found


def resolved(base: str, reference: str) -> str | None:
    """A reference as an absolute URI without fragment; None where it is none."""
    try:
        joined = urlsplit(urljoin(base, reference))
    except ValueError:
        return None
    netloc = spelled(joined.scheme, joined.netloc)
    return joined._replace(fragment="", path=joined.path or "/", netloc=netloc).geturl()


def same_origin(one: str, other: str) -> bool:
    """Whether scheme, host and port are the same (RFC 9110 4.3.1)."""
    return _origin(one) == _origin(other)


def _origin(uri: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "", "", None
    return parts.scheme, parts.hostname or "", port or {"http": 80, "https": 443}.get(parts.scheme)
