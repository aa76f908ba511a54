"""What runs: endpoints, flows so far, what is kept of them, memory and time used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netlab.control.client import OneLab, reach
from netlab.text import counted, escape, size

EXAMPLES = (
    ("netlab status", "the only lab that runs"),
    ("netlab status --json", "the same for programs"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    json: bool = False
    """Print JSON."""


async def run(config: Config) -> int:
    async with reach(config) as control:
        status = await control.call("status")
    print(json.dumps(status) if config.json else page(status))
    return 0


def page(status: Mapping[str, Any]) -> str:
    """The status as lines for a person."""
    flows, kept = status["flows"], status["kept"]
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(flows["outcomes"].items()))
    workers = f", {status['workers']} workers" if status["workers"] > 1 else ""
    evicted = f", {size(kept['evicted'])} let go" if kept["evicted"] else ""
    width = max((len(endpoint["name"]) for endpoint in status["endpoints"]), default=0)
    return "\n".join(
        [
            f"{status['name']}  pid {status['pid']}, up {_age(status['uptime'])}{workers}, netlab {status['version']}",
            *(f"  {endpoint['name']:<{width}}  {escape(endpoint['url'])}" for endpoint in status["endpoints"]),
            f"  flows   {flows['ended']} ended ({outcomes or 'none yet'}), {flows['opened'] - flows['ended']} open",
            f"  kept    {counted(kept['flows'], 'flow')}, {size(kept['bytes'])} of raw bytes{evicted}; "
            f"level {status['level']}",
            f"  used    {size(status['memory'])} at most, {status['cpu']:.2f} s of CPU",
        ]
    )


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
