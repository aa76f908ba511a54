"""An audit for people: what the origin saw side by side, what that tells, and how it adds up."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clients.get.audit.evidence import View, names_of
from clients.get.audit.stands import TUNNEL, UNKNOWN
from netlab.policy.anonymity.score import FORMULA, ITEMS, Mark, score
from netlab.text import escape

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from clients.get.audit import Audit

WIDE = 160
"""Columns where nobody is at a terminal."""
NONE = "·"
RESOLVERS = {
    "client": "the client",
    "here": "the proxy, on this machine",
    "proxy": "the proxy",
    "parent": "the proxy's parent",
    "nobody": "nobody: it is known here",
    "unknown": "not known",
}


def show(audit: Audit, views: Sequence[View]) -> None:
    """Two tables and what there is to remark."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    console = Console(
        width=width, no_color=bool(os.environ.get("NO_COLOR")), highlight=False, emoji=False, markup=False
    )
    origin = "a netlab http server, which tells what it saw" if audit.inspected else "a stranger"
    console.print(f"{escape(str(audit.command.request.url))}: {origin}")
    answered = [view for view in views if not view.failed]
    _print_seen(console, answered)
    _print_marks(console, answered, views[0])
    for note in notes(audit, views):
        console.print(f"* {note}")


def _print_seen(console: Console, views: Sequence[View]) -> None:
    table = _table("what the origin saw", views)
    table.add_row("address", *(escape(view.seen.address) or "not known" for view in views))
    table.add_row("name looked up by", *(RESOLVERS[view.seen.resolver] for view in views))
    if any(view.seen.hello is not None for view in views):
        table.add_row("JA4", *(view.seen.hello.ja4 if view.seen.hello is not None else NONE for view in views))
        table.add_row("JA3", *(view.seen.hello.ja3 if view.seen.hello is not None else NONE for view in views))
    for name in names_of(views):
        table.add_row(escape(name), *(_field(view, name.lower()) for view in views))
    console.print(table)


def _field(view: View, name: str) -> str:
    """Where it stood, and its value; `3.` is the third line behind the request line."""
    if view.seen.fields is None:
        return "not known"
    lines = [f"{at}. {value}" for at, (key, value) in enumerate(view.seen.fields, 1) if key.lower() == name]
    return escape(" / ".join(lines)) or NONE


def _print_marks(console: Console, views: Sequence[View], direct: View) -> None:
    table = _table("what it learnt", views, ("weight",))
    marks = [view.marks(direct.seen) for view in views]
    for at, item in enumerate(ITEMS):
        table.add_row(item.sentence, str(item.weight), *(_word(found[at]) for found in marks))
    table.add_section()
    table.add_row("score", "100", *(str(score(found)) for found in marks), style="bold")
    console.print(table)


def _word(mark: Mark) -> str:
    return NONE if mark.learnt is False else escape(mark.words)


def _table(title: str, views: Sequence[View], more: Sequence[str] = ()) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, overflow="fold")
    for name in (*more, *(view.name for view in views)):
        table.add_column(name, overflow="fold")
    return table


def notes(audit: Audit, views: Sequence[View]) -> list[str]:
    """What is to be known to read the tables rightly."""
    found = [f"{FORMULA}; {NONE} is not learnt"]
    if audit.samples:
        names = ", ".join(name for name, _ in audit.samples)
        found.append(f"asked at {audit.request.url.target}; sent besides, to have something to tell: {names}")
    if not audit.inspected:
        found.append(
            "the origin is a stranger: all of this is inferred from what was sent; what it made of it, and an address "
            "that was translated on the way (NAT), cannot be seen from here"
        )
    if any(view.way == TUNNEL for view in views):
        found.append(
            "tunnel: at every level a tunnel (CONNECT, SOCKS) changes the address and who looks the name up, no more; "
            "the levels beside it are with TLS opened by the proxy (--intercept)"
        )
    if any(view.way == UNKNOWN for view in views):
        found.append("through a tunnel a proxy that does not open TLS changes the address and the look-up, no more")
    if any(view.inferred and audit.inspected for view in views):
        found.append("who looked the name up is inferred: no origin can see that")
    found += [f"{view.name}: {view.failed}" for view in views if view.failed]
    return found
