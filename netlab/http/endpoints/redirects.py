"""Paths that send the client elsewhere: n times, relative or absolute, or to a URL of its choice."""

from __future__ import annotations

from urllib.parse import quote

from netlab.http.endpoints.answers import HTML, Unusable, answering, respond, respond_redirect
from netlab.http.endpoints.arguments import Arguments, segment
from netlab.http.endpoints.mirror import base_of
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/redirect/{n}", redirect, "n redirects, then /get; ?absolute=true for absolute ones")
    routes.add("GET", "/relative-redirect/{n}", relative_redirect, "n redirects by path, then /get")
    routes.add("GET", "/absolute-redirect/{n}", absolute_redirect, "n redirects by full URL, then /get")
    about = "a redirect to ?url=, with ?status_code= where 302 is not wanted"
    routes.add("GET POST PUT DELETE PATCH TRACE", "/redirect-to", redirect_to, about)


@answering
def redirect(exchange: Exchange, n: str) -> None:
    absolute = Arguments(exchange.request).true("absolute")
    respond_redirect(exchange, next_stop(exchange, n, "absolute" if absolute else "relative"))


@answering
def relative_redirect(exchange: Exchange, n: str) -> None:
    respond(exchange, 302, [HTML, ("Location", next_stop(exchange, n, "relative"))])


@answering
def absolute_redirect(exchange: Exchange, n: str) -> None:
    respond_redirect(exchange, next_stop(exchange, n, "absolute"))


@answering
def redirect_to(exchange: Exchange) -> None:
    arguments = Arguments(exchange.request)
    url = arguments.get("url")
    if url is None:
        raise Unusable("say where to: /redirect-to?url=…")
    code = arguments.whole("status_code", 302)
    respond(exchange, code if 300 <= code < 400 else 302, [HTML, ("Location", as_uri(url))])


def next_stop(exchange: Exchange, n: str, kind: str) -> str:
    left = segment(n)
    if left < 1:
        raise Unusable("a number of redirects is 1 or more")
    path = "/get" if left == 1 else f"/{kind}-redirect/{left - 1}"
    return base_of(exchange) + path if kind == "absolute" else path


def as_uri(text: str) -> str:
    """A URL fit for a Location field: what is no URI character is percent-encoded as UTF-8 (RFC 3987 3.1)."""
    return quote(text, safe=PRINTABLE)
