"""How the built-in paths answer: JSON as httpbin prints it, streams with back-pressure, and CORS on all of them."""

from __future__ import annotations

import asyncio
import functools
import html
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from netlab.cores.http1 import Request
from netlab.http.exchange import Exchange

LIMIT = 32 << 20
"""Bytes of content these paths take; more is a 413."""
GATHERED = 64 << 10
"""Bytes of a stream that may leave before the client has to take them."""

Pairs = Iterable[tuple[str, str]]
JSON = ("Content-Type", "application/json")
HTML = ("Content-Type", "text/html; charset=utf-8")
TEXT = ("Content-Type", "text/plain; charset=utf-8")
NO_SCRIPTS = ("Content-Security-Policy", "sandbox")
"""For HTML out of a request: it is shown, but cannot act as a page of this server (CSP3 6.3.2)."""
EVERYONE = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Credentials", "true")]


class Unusable(Exception):
    """A part of the path or query that this endpoint cannot use; becomes the answer."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def answering(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an `Unusable` that the handler raises (before it waits for anything) into its answer."""

    @functools.wraps(handler)
    def answer(*arguments: Any, **caught: str) -> Any:
        try:
            return handler(*arguments, **caught)
        except Unusable as unusable:
            exchange = next(argument for argument in arguments if isinstance(argument, Exchange))
            exchange.refuse(unusable.status, str(unusable), cross_origin(exchange.request))

    return answer


def respond(exchange: Exchange, status: int, fields: Pairs = (HTML,), body: bytes = b"") -> None:
    exchange.respond(status, [*fields, *cross_origin(exchange.request)], body)


def respond_json(exchange: Exchange, value: Any, status: int = 200, fields: Pairs = ()) -> None:
    respond(exchange, status, [JSON, *fields], printed(value))


def respond_redirect(exchange: Exchange, location: str, fields: Pairs = ()) -> None:
    """302, with a page for those who do not follow."""
    shown = html.escape(location)
    page = f'<!doctype html>\n<title>Redirecting...</title>\n<p>The page is at <a href="{shown}">{shown}</a>.\n'
    respond(exchange, 302, [HTML, ("Location", location), *fields], page.encode())


def printed(value: Any) -> bytes:
    """JSON as httpbin writes it: two blanks of indent, sorted names, ASCII, a newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


async def stream(
    exchange: Exchange,
    status: int,
    fields: Pairs,
    pieces: AsyncIterator[bytes],
    *,
    length: int | None = None,
    trailers: Callable[[], Pairs] = tuple,
) -> None:
    """A response whose content comes piece by piece, no faster than the client takes it; none of it for HEAD."""
    exchange.start(status, [*fields, *cross_origin(exchange.request)], length=length)
    if exchange.connection.core.writing_content:
        size = count = 0
        async for piece in pieces:
            exchange.send(piece)
            size, count = size + len(piece), count + 1
            if size > GATHERED or count > GATHERED // 256:
                size = count = 0
                await exchange.ready()
                await asyncio.sleep(0)  # others have their turn
    exchange.finish(trailers())


def cross_origin(request: Request) -> list[tuple[str, str]]:
    """The fields that let pages of any origin read an answer (CORS), as httpbin sends them.

    Credentials only to pages of this machine and the lab: else any site on the web could read and set the cookies that
    a browser keeps for localhost.
    """
    origin = request.fields.get("origin")
    if origin is None:
        return EVERYONE
    fields = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    return [*fields, ("Access-Control-Allow-Credentials", "true")] if is_local(origin) else fields


def preflight(allow: str, exchange: Exchange, **caught: str) -> None:
    """OPTIONS: what is allowed here, for clients (RFC 9110 9.3.7) and for a browser's preflight."""
    fields = [
        ("Allow", allow),
        ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, PATCH, OPTIONS"),
        ("Access-Control-Max-Age", "3600"),
    ]
    wanted = exchange.request.fields.get("access-control-request-headers")
    if wanted is not None:
        fields.append(("Access-Control-Allow-Headers", wanted))
    respond(exchange, 200, [HTML, *fields])


def is_local(origin: str) -> bool:
    """Whether an origin is this machine or a name of the lab."""
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    if host in ("localhost", "test") or host.endswith((".localhost", ".test")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
