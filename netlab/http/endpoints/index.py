"""The front page: every built-in path and what it is for, for people and for programs."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from netlab.http.endpoints.answers import HTML, respond, respond_json
from netlab.http.exchange import Exchange
from netlab.http.routes import Route, Routes
from netlab.policy.media import choose_type
from netlab.service import Context

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;
vertical-align:top}code{font-size:.95em}@media(prefers-color-scheme:dark){body{background:#181a1f;color:#ddd}
a{color:#8ab4f8}td,th{border-color:#333}}"""


def register(routes: Routes, context: Context) -> None:
    routes.add("GET", "/", lambda exchange: index(routes, exchange), "this page")


def index(routes: Routes, exchange: Exchange) -> None:
    shown = [route for route in routes.all if route.about]
    if wants_html(exchange):
        rows = [(linked(route), html.escape(methods_of(route)), html.escape(route.about)) for route in shown]
        respond(exchange, 200, [HTML, VARY], table("netlab", "What this server answers.", PATHS, rows))
    else:
        paths = [{"path": route.pattern, "methods": methods_of(route), "about": route.about} for route in shown]
        respond_json(exchange, {"paths": paths}, fields=[VARY])


def methods_of(route: Route) -> str:
    """The methods that make a difference here."""
    return "any" if "*" in route.handlers else ", ".join(sorted(set(route.handlers) - {"OPTIONS"}))


def linked(route: Route) -> str:
    """A path as HTML, as a link where it can be followed as it stands."""
    text = html.escape(route.pattern)
    followed = "{" not in route.pattern and route.handler("GET") is not None
    return f"<code>{text}</code>" if not followed else f'<a href="{text}"><code>{text}</code></a>'


def wants_html(exchange: Exchange) -> bool:
    """Browsers name text/html; programs mostly take anything."""
    return choose_type(exchange.request.fields.get("accept"), ("application/json", "text/html")) == "text/html"


def table(title: str, lead: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A page with one table; cells are HTML."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{lead}</p>\n"
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</html>\n"
    ).encode()


PATHS = ("path", "methods", "answers")
VARY = ("Vary", "Accept")
