"""Paths that want credentials: Basic (RFC 7617), openly or hidden, and Bearer (RFC 6750)."""

from __future__ import annotations

import hmac
from unicodedata import normalize

from netlab.cores.http1 import Request
from netlab.http.endpoints.answers import HTML, respond, respond_json
from netlab.http.endpoints.status import respond_status
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.policy.auth.basic import basic_credentials
from netlab.policy.auth.credentials import Credentials, parse_credentials
from netlab.service import Context


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/basic-auth/{user}/{password}", basic, "wants this user and password (Basic)")
    routes.add("GET", "/hidden-basic-auth/{user}/{password}", hidden_basic, "the same, and 404 without them")
    routes.add("GET", "/bearer", bearer, "wants any bearer token")


def basic(exchange: Exchange, user: str, password: str) -> None:
    if is_known(exchange, user, password):
        respond_json(exchange, {"authenticated": True, "user": user})
    else:
        respond_status(exchange, 401)


def hidden_basic(exchange: Exchange, user: str, password: str) -> None:
    if is_known(exchange, user, password):
        respond_json(exchange, {"authenticated": True, "user": user})
    else:
        respond_status(exchange, 404)


def bearer(exchange: Exchange) -> None:
    given = credentials(exchange.request, "bearer")
    if given is not None and given.token:
        respond_json(exchange, {"authenticated": True, "token": given.token})
    else:
        respond(exchange, 401, [HTML, ("WWW-Authenticate", "Bearer")])


def is_known(exchange: Exchange, user: str, password: str) -> bool:
    """Whether the request carries this user and password; compared in a time that does not tell how far it agreed."""
    given = credentials(exchange.request, "basic")
    pair = basic_credentials(given) if given is not None else None
    if not isinstance(pair, tuple):
        return False
    expected = normalize("NFC", f"{user}:{password}")
    return hmac.compare_digest(":".join(pair).encode(), expected.encode())


def credentials(request: Request, scheme: str) -> Credentials | None:
    """The credentials in Authorization, if they are of this scheme."""
    given = parse_credentials(request.fields.get("authorization") or "")
    return given if isinstance(given, Credentials) and given.scheme == scheme else None
