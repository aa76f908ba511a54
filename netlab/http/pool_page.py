"""The answer where no upstream can: which there are, in what state each is, and when it is worth asking again."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from netlab.cores.http1 import phrase
from netlab.http.exchange import Exchange
from netlab.http.pages import HTML, OFFERED, STYLE
from netlab.http.roles import Asker
from netlab.policy.gateway_errors import Failure
from netlab.policy.media import choose_type

if TYPE_CHECKING:
    from netlab.http.upstreams import Upstreams

TABLE = "table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1.2rem .2rem 0;vertical-align:top}"


def refuse(exchange: Asker, group: Upstreams, failed: Failure) -> None:
    """Answer for a group: to a browser with the group's state, to others in one sentence."""
    fields = group.gateway.refusal_fields(failed)
    wants = choose_type(exchange.request.fields.get("accept"), OFFERED)
    own = isinstance(exchange, Exchange) and failed.status in exchange.connection.http.settings.pages
    if wants != HTML or own:
        exchange.refuse(failed.status, f"{failed.reason} ({failed.error}, RFC 9209)", fields)
        return
    told = [("Content-Type", "text/html; charset=utf-8"), ("Vary", "Accept"), *fields]
    exchange.respond(failed.status, told, page(group, failed).encode())


def page(group: Upstreams, failed: Failure) -> str:
    """The group's members, one row each."""
    title = f"{failed.status} {phrase(failed.status)}"
    excluded = group.excluded(group.clock.now())
    rows = "".join(
        f"<tr><td>{html.escape(member.name)}<td>{html.escape(excluded.get(member.name, 'takes requests'))}"
        f"<td>{member.active}\n"
        for member in group.members
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n<style>{STYLE}{TABLE}</style>\n'
        f"<h1>{title}</h1>\n<p>No upstream of <b>{html.escape(group.name)}</b> could answer this request.\n"
        f"<table>\n<tr><th>upstream<th>state<th>requests now\n{rows}</table>\n"
        f"<p>{html.escape(failed.reason)} ({html.escape(failed.error)}, RFC 9209)\n</html>\n"
    )
