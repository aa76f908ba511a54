"""Paths that want credentials: Basic (RFC 7617), openly or hidden, and Bearer (RFC 6750)."""

from __future__ import annotations

import base64
import hmac

from netlab.cores.http1 import Request
from netlab.http.endpoints.answers import HTML, respond, respond_json
from netlab.http.endpoints.status import respond_status
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/basic-auth/{user}/{password}", basic, "wants this user and password (Basic)")
    routes.add("GET", "/hidden-basic-auth/{user}/{password}", hidden_basic, "the same, and 404 without them")
    routes.add("GET", "/bearer", bearer, "wants any bearer token")


def basic(exchange: Exchange, user: str, password: str) -> None:
    if basic_credentials(exchange.request, user, password):
        respond_json(exchange, {"authenticated": True, "user": user})
    else:
        respond_status(exchange, 401)


def hidden_basic(exchange: Exchange, user: str, password: str) -> None:
    if basic_credentials(exchange.request, user, password):
        respond_json(exchange, {"authenticated": True, "user": user})
    else:
        respond_status(exchange, 404)


def bearer(exchange: Exchange) -> None:
    scheme, _, token = (exchange.request.fields.get("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        respond_json(exchange, {"authenticated": True, "token": token.strip()})
    else:
        respond(exchange, 401, [HTML, ("WWW-Authenticate", "Bearer")])


def basic_credentials(request: Request, user: str, password: str) -> bool:
    """Whether the request carries this user and password; compared in a time that does not tell how far it agreed."""
    scheme, _, encoded = (request.fields.get("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except ValueError:
        return False
    pair = f"{user}:{password}"
    return hmac.compare_digest(given, pair.encode()) or hmac.compare_digest(given, pair.encode("latin-1", "replace"))
