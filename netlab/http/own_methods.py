"""Methods that concern a server and not what it serves: TRACE, CONNECT, and OPTIONS for `*`."""

from __future__ import annotations

from netlab.http.exchange import Exchange

SECRET = frozenset(("authorization", "proxy-authorization", "cookie"))
"""Fields that a TRACE does not show: a page's script could read there what the browser keeps from it."""
ALLOW = [("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")]


def trace(exchange: Exchange) -> None:
    """The request as it arrived here, as content (RFC 9110 9.3.8)."""
    request = exchange.request
    if request.frame.has_body:
        exchange.refuse(400, "a TRACE request has no content (RFC 9110 9.3.8)")
        return
    lines = [f"{request.method} {request.target} HTTP/{request.version}"]
    lines += [f"{name}: {value}" for name, value in request.fields if name.lower() not in SECRET]
    message = "\r\n".join([*lines, "", ""]).encode("latin-1")
    exchange.respond(200, [("Content-Type", "message/http"), ("Cache-Control", "no-store")], message)


def ask_server(exchange: Exchange) -> None:
    """A target that is no path: OPTIONS for the server as a whole (RFC 9110 9.3.7), or CONNECT."""
    if exchange.request.method == "OPTIONS":
        exchange.respond(204, ALLOW)
    else:
        exchange.refuse(405, "this is an origin server: it connects to nothing for others (RFC 9110 9.3.6)", ALLOW)
