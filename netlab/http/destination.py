"""Where a request to a proxy is meant to go: targets in absolute and in authority form (RFC 9112 3.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from netlab.cores.http1 import Request
from netlab.errors import UsageError
from netlab.http.url import PORTS, Url


class Destination(NamedTuple):
    """A server as a client named it."""

    scheme: str  # lower case; for a tunnel, whose bytes mean nothing here, empty
    host: str  # lower case, without brackets; empty for schemes other than http and https
    port: int
    authority: str  # as it stands in a Host field; of a tunnel always with the port

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"


def destination(request: Request) -> Destination:
    """Of an absolute-form target, or of a CONNECT; UsageError says what is wrong with it."""
    if request.method == "CONNECT":
        return _tunnelled(request.target)
    return _named(request.target.partition("://")[0].lower(), request.authority)


@lru_cache(4096)
def _named(scheme: str, authority: str) -> Destination:
    if scheme not in PORTS:
        return Destination(scheme, "", 0, authority)
    url = Url.parse(f"{scheme}://{authority}/")
    return Destination(scheme, url.host, url.port, url.authority)


@lru_cache(4096)
def _tunnelled(authority: str) -> Destination:
    url = Url.parse(f"http://{authority}/")
    return Destination("", url.host, url.port, url.endpoint)


def origin_target(request: Request) -> str:
    """The target as it is sent to the origin: path and query, or `*` where OPTIONS names no path (RFC 9112 3.2.4)."""
    if request.method == "OPTIONS" and request.target.partition("://")[2] == request.authority:
        return "*"
    return request.path


def bad_target(error: UsageError) -> str:
    return f"the target cannot be reached: {error}"
