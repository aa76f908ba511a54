"""Paths that show, set and delete cookies (RFC 6265)."""

from __future__ import annotations

import re

from netlab.cores.http1 import Request
from netlab.http.endpoints.answers import Unusable, answering, respond_json, respond_redirect
from netlab.http.endpoints.arguments import query
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context

NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
PLAIN_VALUE = re.compile(r"[\w!#$%&'()*+./:<=>?@\[\]^`{|}~-]*", re.ASCII)


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/cookies", cookies, "the cookies the client sent")
    routes.add("GET", "/cookies/set", set_cookies, "set a cookie for each ?name=value")
    routes.add("GET", "/cookies/set/{name}/{value}", set_one, "set one cookie")
    routes.add("GET", "/cookies/delete", delete_cookies, "delete each cookie that ?name names")


def cookies(exchange: Exchange) -> None:
    respond_json(exchange, {"cookies": cookies_of(exchange.request)})


@answering
def set_cookies(exchange: Exchange) -> None:
    pairs = dict(reversed(query(exchange.request)))  # of a name, the first counts
    fields = [set_cookie(name, value, secure=exchange.connection.secure) for name, value in reversed(pairs.items())]
    respond_redirect(exchange, "/cookies", fields)


@answering
def set_one(exchange: Exchange, name: str, value: str) -> None:
    respond_redirect(exchange, "/cookies", [set_cookie(name, value, secure=exchange.connection.secure)])


@answering
def delete_cookies(exchange: Exchange) -> None:
    names = dict(query(exchange.request))
    past = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
    respond_redirect(exchange, "/cookies", [("Set-Cookie", f"{checked(name)}=; {past}") for name in names])


def cookies_of(request: Request) -> dict[str, str]:
    """Name → value of the Cookie field; of a name that comes twice, the first."""
    found: dict[str, str] = {}
    for pair in (request.fields.get("cookie") or "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name:
            found.setdefault(name, unquoted(value.strip()))
    return found


def set_cookie(name: str, value: str, *, secure: bool = False) -> tuple[str, str]:
    """A Set-Cookie field for a session cookie of the whole host."""
    return "Set-Cookie", f"{checked(name)}={quoted(value)}; {'Secure; ' if secure else ''}Path=/"


def checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Unusable(f"{name[:40]!r} cannot be the name of a cookie: it must be a token (RFC 6265 4.1.1)")
    return name


def quoted(value: str) -> str:
    """A value as it is where RFC 6265 allows its characters, else in quotes with octal escapes, as browsers keep it."""
    if PLAIN_VALUE.fullmatch(value):
        return value
    return '"' + "".join(_escaped(byte) for byte in value.encode("utf-8", "replace")) + '"'


def unquoted(value: str) -> str:
    """The text that `quoted` made a value of; other values are read as UTF-8."""
    data = value.encode("latin-1")
    if len(data) >= 2 and data[:1] == data[-1:] == b'"':
        data = re.sub(rb"\\([0-3][0-7]{2}|.)", _unescaped, data[1:-1])
    return data.decode("utf-8", "replace")


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{byte:c}"
    return chr(byte) if 0x20 <= byte < 0x7F and byte not in b",;" else f"\\{byte:03o}"


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 8),)) if len(match[1]) == 3 else match[1]
