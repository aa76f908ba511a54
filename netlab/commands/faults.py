"""Faults of a running lab: what goes wrong on purpose, switched while it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from netlab.config import positional
from netlab.control.client import OneLab, reach
from netlab.errors import UsageError
from netlab.text import escape

EXAMPLES = (
    ("netlab faults", "what is set, and how often it has struck"),
    ("netlab faults add latency=200ms±50ms", "every answer to a client comes later"),
    ("netlab faults add 'status=503 probability=10% when path contains /api'", "one in ten requests, chosen by lot"),
    ("netlab faults add 'name=dead leg=upstream reset when upstream == 127.0.0.1:9101'", "one upstream resets"),
    ("netlab faults add 'truncate after=head+1KiB when method == GET'", "answers break off"),
    ("netlab faults remove dead", "by name"),
    ("netlab faults seed 7", "the same lots again from here on"),
    ("netlab faults clear", "none any more"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    action: Annotated[Literal["list", "add", "remove", "clear", "seed"], positional] = "list"
    """What to do with them."""
    what: Annotated[tuple[str, ...], positional] = ()
    """For add: the fault, quoted or not. For remove: names. For seed: a number."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        needed = {"add": "a fault, such as latency=200ms", "remove": "a name", "seed": "a number"}.get(self.action)
        if needed and not self.what:
            raise UsageError(f"netlab faults {self.action} needs {needed}")
        if not needed and self.what:
            raise UsageError(f"netlab faults {self.action} takes nothing behind it, not {self.what[0]!r}")

    def change(self) -> dict[str, Any]:
        """The arguments of the call."""
        match self.action:
            case "add":
                return {"add": [" ".join(self.what)]}
            case "remove":
                return {"remove": list(self.what)}
            case "clear":
                return {"clear": True}
            case "seed":
                return {"seed": seed(self.what)}
        return {}


def seed(what: tuple[str, ...]) -> int:
    try:
        (text,) = what
        return int(text)
    except ValueError:
        raise UsageError(f"netlab faults seed takes one whole number, not {' '.join(what)!r}") from None


async def run(config: Config) -> int:
    async with reach(config) as control:
        found = await control.call("faults", **config.change())
    print(json.dumps(found) if config.json else page(found))
    return 0


def page(found: Mapping[str, Any]) -> str:
    """The faults as lines for a person."""
    rows = [(fault["name"], f"{fault['struck']} of {fault['met']}", fault["fault"]) for fault in found["faults"]]
    if not rows:
        return f"no faults are set (seed {found['seed']})"
    table = [("name", "struck", "fault"), *rows]
    names, counts = (max(len(row[column]) for row in table) for column in (0, 1))
    lines = [f"{name:<{names}}  {count:<{counts}}  {escape(text)}" for name, count, text in table]
    return "\n".join([*lines, f"seed {found['seed']}: started with it, the same run again"])
