"""Built-in paths for people who write clients: what was sent, and answers of every kind, as httpbin has them."""

from __future__ import annotations

from functools import partial

from netlab.http.endpoints import (
    authentication,
    caching,
    codings,
    cookies,
    data,
    digest,
    images,
    index,
    inspect,
    mirror,
    pages,
    redirects,
    slow,
    status,
    streams,
)
from netlab.http.endpoints.answers import preflight
from netlab.http.routes import Routes
from netlab.service import Context

FAMILIES = (
    index,
    inspect,
    mirror,
    status,
    redirects,
    cookies,
    authentication,
    digest,
    caching,
    codings,
    data,
    slow,
    streams,
    pages,
    images,
)


def register_all(routes: Routes, context: Context) -> None:
    """Every family's paths, each of them with an answer to OPTIONS."""
    known = list(routes.all)
    for family in FAMILIES:
        family.register(routes, context)
    for route in routes.all:
        if route not in known and "*" not in route.handlers:
            route.handlers["OPTIONS"] = partial(preflight, route.allow)
