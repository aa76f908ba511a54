"""The page that names every fault, what is wrong with it and what a client should do."""

from __future__ import annotations

import html
from collections.abc import Iterable

from netlab.http.broken.fault import Fault
from netlab.http.endpoints.answers import HTML, respond, respond_json
from netlab.http.endpoints.index import VARY, table, wants_html
from netlab.http.exchange import Exchange

LEAD = (
    "Each of these paths answers in a way that is wrong, or hard to take, on purpose. "
    "See what your client makes of it: most of these must not look like success."
)
COLUMNS = ("path", "what is wrong", "what a client should do", "see")


def answer(faults: Iterable[Fault], exchange: Exchange) -> None:
    """HTML for browsers, JSON for programs."""
    if wants_html(exchange):
        page = table("Broken on purpose", LEAD, COLUMNS, [as_row(fault) for fault in faults])
        respond(exchange, 200, [HTML, VARY], page)
    else:
        respond_json(exchange, {"broken": [as_json(fault) for fault in faults]}, fields=[VARY])


def as_row(fault: Fault) -> list[str]:
    link = f'<a href="{fault.path}"><code>{fault.name}</code></a>'
    section = html.escape(fault.section).replace(" ", "&nbsp;")
    return [link, html.escape(fault.wrong), html.escape(fault.client), section]


def as_json(fault: Fault) -> dict[str, str]:
    return {
        "name": fault.name,
        "path": fault.path,
        "method": fault.method,
        "wrong": fault.wrong,
        "client": fault.client,
        "section": fault.section,
    }
