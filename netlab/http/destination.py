"""Where a request to a proxy is meant to go: targets in absolute and in authority form (RFC 9112 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from netlab.cores.http1 import Request
from netlab.errors import UsageError
from netlab.http.url import PORTS, Url
from netlab.net.pool import Origin
from netlab.text import host_port


class Destination(NamedTuple):
    """A server as a client named it."""

    scheme: str  # lower case; for a tunnel, whose bytes mean nothing here, empty
    host: str  # lower case, without brackets; empty for schemes other than http and https
    port: int
    authority: str  # as it stands in a Host field; of a tunnel always with the port
    origin: Origin  # whose connections may serve it


class Turn(NamedTuple):
    """What a request has become: where it goes, as what, and how its fields change on the way."""

    to: Destination
    target: str
    change: Callable[[list[tuple[str, str]]], list[tuple[str, str]]] | None = None
    moved: bool = False  # a rule of the user's sends it there, and not its client


def destination(request: Request) -> tuple[Destination, str]:
    """Of an absolute-form target, or of a CONNECT; and the target as it is sent there: path and query, or `*` where
    OPTIONS names no path (RFC 9112 3.2.4). UsageError says what is wrong with it.
    """
    if request.method == "CONNECT":
        return _tunnelled(request.target), ""
    return destination_of(request.target, asterisk=request.method == "OPTIONS")


@lru_cache(512)  # a URL may be long
def destination_of(url: str, *, asterisk: bool = False) -> tuple[Destination, str]:
    """Of a URL: where it is, and the target it is asked for with."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if "?" in authority:
        authority, slash, path = rest.partition("?")
        return _named(scheme, authority), f"/?{path}"
    if not slash and asterisk:
        return _named(scheme, authority), "*"
    return _named(scheme, authority), f"/{path}"


@lru_cache(4096)
def _named(scheme: str, authority: str) -> Destination:
    scheme = scheme.lower()
    if scheme not in PORTS:
        return Destination(scheme, "", 0, authority, Origin(scheme, "", 0))
    url = Url.parse(f"{scheme}://{authority}/")
    return Destination(scheme, url.host, url.port, url.authority, Origin(scheme, url.host, url.port))


@lru_cache(4096)
def _tunnelled(authority: str) -> Destination:
    url = Url.parse(f"http://{authority}/")
    return tunnelled(url.host, url.port)


def tunnelled(host: str, port: int) -> Destination:
    """The far end of a tunnel."""
    return Destination("", host, port, host_port(host, port), Origin("", host, port))


def bad_target(error: UsageError) -> str:
    return f"the target cannot be reached: {error}"
