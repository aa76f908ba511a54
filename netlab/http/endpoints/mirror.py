"""Paths that show a request to whoever sent it, as JSON in httpbin's form."""

from __future__ import annotations

from typing import Any

from netlab.cores.http1 import Request
from netlab.http.endpoints.answers import LIMIT, respond_json
from netlab.http.endpoints.arguments import grouped, query
from netlab.http.endpoints.forms import content_of
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context
from netlab.text import host_port

WITHOUT_CONTENT = ("args", "headers", "origin", "url")
WITH_CONTENT = (*WITHOUT_CONTENT, "data", "files", "form", "json")
DELAYED = (*WITHOUT_CONTENT, "data", "files", "form")
EVERYTHING = (*WITH_CONTENT, "method")


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/get", get, "the request, asked with GET")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        routes.add(method, f"/{method.lower()}", with_content, f"the request, asked with {method}")
    routes.add("*", "/anything", anything, "the request, asked with any method")
    routes.add("*", "/anything/{rest...}", anything, "the same, under any path")
    routes.add("GET", "/headers", headers, "the request's fields")
    routes.add("GET", "/ip", address, "the client's address")
    routes.add("GET", "/user-agent", user_agent, "the request's User-Agent")


def get(exchange: Exchange) -> None:
    respond_json(exchange, mirror(exchange, WITHOUT_CONTENT))


def with_content(exchange: Exchange) -> None:
    exchange.collect(LIMIT, lambda body: respond_json(exchange, mirror(exchange, WITH_CONTENT, body)))


def anything(exchange: Exchange, rest: str = "") -> None:
    exchange.collect(LIMIT, lambda body: respond_json(exchange, mirror(exchange, EVERYTHING, body)))


def headers(exchange: Exchange) -> None:
    respond_json(exchange, mirror(exchange, ("headers",)))


def address(exchange: Exchange) -> None:
    respond_json(exchange, mirror(exchange, ("origin",)))


def user_agent(exchange: Exchange) -> None:
    respond_json(exchange, {"user-agent": exchange.request.fields.get("user-agent")})


def mirror(exchange: Exchange, keys: tuple[str, ...], body: bytes = b"") -> dict[str, Any]:
    """What httpbin tells of a request, as far as `keys` name it."""
    request = exchange.request
    told: dict[str, Any] = {"url": url_of(exchange), "args": grouped(query(request)), "headers": joined_fields(request)}
    told["origin"] = origin_of(exchange)
    if "method" in keys:
        told["method"] = request.method
    if "data" in keys:
        told |= content_of(request, body)
    return {name: value for name, value in told.items() if name in keys}


def joined_fields(request: Request) -> dict[str, str]:
    """Name → value; the name in Title-Case, as httpbin shows it, repeated fields joined by a comma."""
    fields: dict[str, str] = {}
    for name, value in request.fields:
        key = "-".join(part.capitalize() for part in name.split("-"))
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return fields


def origin_of(exchange: Exchange) -> str:
    """Who asked; where proxies are between, whom they say they ask for."""
    client = exchange.flow.client
    peer = str(client[0]) if isinstance(client, tuple) else str(client or "")
    return exchange.request.fields.get("x-forwarded-for") or peer


def url_of(exchange: Exchange) -> str:
    """The request's URL as the client meant it (RFC 9110 7.1); a proxy may tell that its side was https."""
    fields = exchange.request.fields
    told = fields.get("x-forwarded-proto") or fields.get("x-forwarded-protocol")
    if told is None and fields.get("x-forwarded-ssl") == "on":
        told = "https"
    return f"{told or scheme_of(exchange)}://{authority_of(exchange)}{exchange.request.path}"


def base_of(exchange: Exchange) -> str:
    """Scheme and authority of this server, as the client calls it."""
    return f"{scheme_of(exchange)}://{authority_of(exchange)}"


def scheme_of(exchange: Exchange) -> str:
    return "https" if exchange.connection.secure else "http"


def authority_of(exchange: Exchange) -> str:
    authority = exchange.request.authority
    if not authority and isinstance(exchange.flow.server, tuple):  # an HTTP/1.0 client need not say it
        authority = host_port(*exchange.flow.server[:2])
    return authority
