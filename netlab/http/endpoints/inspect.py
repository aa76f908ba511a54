"""`/inspect`: what this server knows of the very connection and request that ask for it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from netlab.http.endpoints.answers import HTML, JSON, Unusable, answering
from netlab.http.endpoints.index import VARY, wants_html
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/inspect", inspect, "your own SYN, TCP state, ClientHello and request, explained")


@answering
def inspect(exchange: Exchange) -> None:
    """A page where Accept names HTML, else JSON; `?format=` says which.

    Nothing lets pages of other origins read it (no CORS), and no cache keeps it: it shows the visitor's own secrets.
    """
    # imported at the first visit: tables and trees that a server may never need
    from netlab.http.inspection.facts import gather

    if _format(exchange) == "html":
        from netlab.http.inspection.page import page
        from netlab.http.inspection.style import policy

        fields = [HTML, ("Content-Security-Policy", policy()), ("Referrer-Policy", "no-referrer")]
        body = page(gather(exchange))
    else:
        from netlab.http.inspection.record import to_record

        fields = [JSON]
        body = json.dumps(to_record(gather(exchange)), indent=2).encode() + b"\n"
    exchange.respond(200, [*fields, VARY, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")], body)


def _format(exchange: Exchange) -> str:
    query = parse_qs(exchange.request.path.partition("?")[2])
    wanted = query.get("format", ["html" if wants_html(exchange) else "json"])[-1]
    if wanted not in ("html", "json"):
        raise Unusable(f"format={wanted[:40]} is not known; there are html and json")
    return wanted
