"""Methods that concern a server and not what it serves: TRACE, CONNECT, and OPTIONS for `*`."""

from __future__ import annotations

from netlab.http.exchange import Exchange

SECRET = frozenset(("authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token", "x-csrf-token"))
"""Fields that a TRACE does not show: a page's script could read there what the browser keeps from it."""
KNOWN = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
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


def refuse_method(exchange: Exchange, allow: str) -> None:
    """405 for a method that this resource has not, with `allow`; 501 for one that none has (RFC 9110 9.1)."""
    method = exchange.request.method
    if method in KNOWN:
        exchange.refuse(405, f"{method} is not possible here; these methods are: {allow}", [("Allow", allow)])
    else:
        exchange.refuse(501, f"nothing here knows the method {method[:40]} (RFC 9110 9.1)")


def is_ours(exchange: Exchange) -> bool:
    """Whether a whole URL as target asks for what is served on this connection; if not, the client is told.

    An https resource is not given away over a connection that is not secured (RFC 9110 7.4).
    """
    scheme = exchange.request.target.partition(":")[0].lower()
    if scheme == ("https" if exchange.connection.secure else "http"):
        return True
    if scheme in ("http", "https"):
        exchange.refuse(421, f"{scheme} resources are not served on this connection (RFC 9110 7.4)")
    else:
        exchange.refuse(400, f"{scheme} resources are not served here; http and https are (RFC 9110 7.4)")
    return False


def ask_server(exchange: Exchange) -> None:
    """A target that is no path: OPTIONS for the server as a whole (RFC 9110 9.3.7), or CONNECT."""
    if exchange.request.method == "OPTIONS":
        exchange.respond(204, ALLOW)
    else:
        exchange.connection.core.will_close()  # what the client may have sent behind a CONNECT is no request
        exchange.refuse(405, "this is an origin server: it connects to nothing for others (RFC 9110 9.3.6)", ALLOW)
