"""Steer a running balancer: weights, drains, maintenance, upstreams that come and go; or see how it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from netlab.config import positional
from netlab.control.client import OneLab, reach
from netlab.errors import UsageError
from netlab.text import duration, escape

EXAMPLES = (
    ("netlab balancer", "pools, upstreams, how they are"),
    ("netlab balancer weight 127.0.0.1:9101 5", "five times the work of one with weight 1; 0 is no new work"),
    ("netlab balancer drain 127.0.0.1:9101 30s", "no new work but its sessions'; what is left after 30 s is cut"),
    ("netlab balancer maintenance :9101", "none at all"),
    ("netlab balancer ready :9101", "as before; with slow start step by step"),
    ("netlab balancer add '127.0.0.1:9104*2' --service l7-balancer", "one more, with a weight"),
    ("netlab balancer remove 127.0.0.1:9104", "one less; what it has may end"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    action: Annotated[Literal["list", "weight", "drain", "ready", "maintenance", "add", "remove"], positional] = "list"
    """What to do."""
    upstream: Annotated[str, positional] = ""
    """Which upstream, as `netlab balancer` shows it; for add as in --to."""
    value: Annotated[str, positional] = ""
    """The weight; or for drain and remove how long it may go on with what it has."""
    pool: str = ""
    """Only in this pool; else in all that have the upstream."""
    service: str = ""
    """Only this balancer; else all that have the upstream."""
    backup: bool = False
    """Add it as one that gets work only while none of the others can."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.action != "list" and not self.upstream:
            raise UsageError(f"netlab balancer {self.action} needs an upstream, such as 127.0.0.1:9101")
        if self.action == "weight" and not self.value:
            raise UsageError("netlab balancer weight needs a number behind the upstream; 0 is no new work")
        if self.value and self.action not in ("weight", "drain", "remove"):
            raise UsageError(f"netlab balancer {self.action} takes nothing behind the upstream, not {self.value!r}")


async def run(config: Config) -> int:
    asked = {
        "action": config.action,
        "upstream": config.upstream,
        "value": config.value,
        "pool": config.pool,
        "service": config.service,
        "backup": config.backup,
    }
    async with reach(config, "steering") as control:
        pools = await control.call("balancer", **asked)
    print(json.dumps(pools) if config.json else "\n\n".join(map(page, pools)))
    return 0


HEADINGS = ("upstream", "weight", "now", "total", "errors", "p50", "p99", "state")


def page(pool: dict[str, Any]) -> str:
    """One pool as lines for a person."""
    rows = [HEADINGS, *(_row(member) for member in pool["upstreams"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [_line(row, widths) for row in rows]
    notes = [
        *pool["notes"],
        f"{pool['waiting']} waiting" if pool.get("waiting") else "",
        *map(_moved, (pool.get("keys_moved") or {}).items()),
        *(f"{gone['upstream']} leaves when its {gone['active']} are done" for gone in pool["leaving"]),
    ]
    title = f"{pool['service']}  {pool['pool']}  {pool['balance']}, {pool['available']} of {len(rows) - 1} take work"
    return "\n".join([title, *(f"  {line}" for line in lines), *(f"  {note}" for note in notes if note)])


def _moved(change: tuple[str, dict[str, float]]) -> str:
    told = ", ".join(f"{share:.0%} with {name}" for name, share in change[1].items())
    return f"keys that move if one {change[0]}: {told}"


def _row(member: dict[str, Any]) -> tuple[str, ...]:
    latency = member["latency"]
    times = [duration(latency[name]) if latency["count"] else "-" for name in ("p50", "p99")]
    check = f"; {member['last_check']}" if member["takes_work"] and member["last_check"] else ""
    return (
        escape(member["upstream"]) + (" (backup)" if member["backup"] else ""),
        f"{member['weight']:g}",
        str(member["active"]),
        str(member["total"]),
        str(member["errors"]),
        *times,
        escape(member["state"] + check),
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers, last = row
    middle = "  ".join(f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True))
    return f"{first:<{widths[0]}}  {middle}  {last}".rstrip()
