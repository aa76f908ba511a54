"""The status page of a balancer: its pools as tables that renew themselves."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from netlab.balancing.status import Record
from netlab.text import duration

STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .9rem .25rem 0;vertical-align:top}
td.n,th.n{text-align:right}td.n,td small{white-space:nowrap}
tr.up td:first-child{border-left:.4rem solid #2a9d4a;padding-left:.5rem}
tr.out td:first-child{border-left:.4rem solid #c0392b;padding-left:.5rem}small{color:#777}
@media(prefers-color-scheme:dark){body{background:#181a1f;color:#ddd}}"""

HEADINGS = (
    *("upstream", "state", "weight", "now", "total", "errors", "p50", "p90", "p99", "ejected", "breaker"),
    "last check",
)
NUMBERS = range(2, 10)
"""Columns of numbers."""


def page(service: str, pools: Iterable[Record]) -> str:
    """All of it; it asks for itself again every two seconds."""
    tables = "".join(map(_table, pools))
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta http-equiv="refresh" content="2">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{escape(service)}</title>\n'
        f"<style>{STYLE}</style>\n<h1>{escape(service)}</h1>\n{tables}"
        f'<p><small>The same as JSON: <a href="/api/pools">/api/pools</a>; for Prometheus: '
        f'<a href="/metrics">/metrics</a>; to change something: <code>netlab balancer --help</code></small>\n</html>\n'
    )


def _table(pool: Record) -> str:
    heads = "".join(f'<th class="n">{name}' if at in NUMBERS else f"<th>{name}" for at, name in enumerate(HEADINGS))
    rows = "".join(map(_row, pool["upstreams"]))
    able = f"{pool['available']} of {len(pool['upstreams'])} take work"
    return (
        f"<h2>{escape(pool['pool'])} <small>{pool['balance']}, {able}"
        f"{''.join(f', {note}' for note in pool['notes'])}{_queue(pool)}{_moved(pool)}</small></h2>\n"
        f"<table>\n<tr>{heads}\n{rows}</table>\n"
    )


def _queue(pool: Record) -> str:
    return f", {pool['waiting']} waiting" if pool.get("waiting") else ""


def _moved(pool: Record) -> str:
    moved = pool.get("keys_moved") or {}
    told = [
        f"keys that move if one {change}: {', '.join(f'{share:.0%} with {name}' for name, share in shares.items())}"
        for change, shares in moved.items()
    ]
    return "".join(f"; {words}" for words in told)


def _row(member: Record) -> str:
    latency = member["latency"]
    times = [duration(latency[name]) if latency["count"] else "–" for name in ("p50", "p90", "p99")]
    ago = member["checked_ago"]
    check = f"{escape(member['last_check'])} <small>{ago:.0f} s ago</small>" if ago is not None else "–"
    weight = f"{member['weight']:g}"
    if member["effective_weight"] != member["weight"]:
        weight += f" <small>now {member['effective_weight']:g}</small>"
    cells = [
        escape(member["upstream"]) + (" <small>backup</small>" if member["backup"] else ""),
        escape(member["state"]),
        weight,
        str(member["active"]) + (f" <small>of {member['limit']}</small>" if member["limit"] else ""),
        f"{member['total']:,}",
        f"{member['errors']:,}",
        *times,
        str(member["ejections"]),
        member["breaker"],
        check,
    ]
    told = "".join(f'<td class="n">{cell}' if at in NUMBERS else f"<td>{cell}" for at, cell in enumerate(cells))
    return f'<tr class="{"up" if member["takes_work"] else "out"}">{told}\n'
