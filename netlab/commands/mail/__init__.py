"""Mail: send it, and list, show, await, delete, import and export what a sink has kept."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Sequence
from types import ModuleType

from netlab.config_flags import CommandLine, Part, read, wants_help
from netlab.config_help import help_text
from netlab.config_sources import build, from_environment, nearest
from netlab.errors import UsageError

ACTIONS = {
    "list": "netlab.commands.mail.listing",
    "show": "netlab.commands.mail.showing",
    "wait": "netlab.commands.mail.waiting",
    "delete": "netlab.commands.mail.deleting",
    "import": "netlab.commands.mail.importing",
    "export": "netlab.commands.mail.exporting",
}
"""The module of each, with `Config`, `run` and `EXAMPLES`."""


def main(arguments: Sequence[str]) -> int:
    """The first word says what to do; the rest is that action's."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print(_overview())
        return 0
    action, rest = arguments[0], arguments[1:]
    if action not in ACTIONS:
        hint = nearest(action, ACTIONS) or f"; there are: {', '.join(ACTIONS)}"
        raise UsageError(f"netlab mail has no {action!r}{hint}")
    module = importlib.import_module(ACTIONS[action])
    line = CommandLine(
        name=f"netlab mail {action}",
        summary=_summary(module),
        parts=(Part(config=module.Config, heading="Settings", table="mail"),),
        examples=module.EXAMPLES,
    )
    if wants_help(rest):
        print(help_text(line))
        return 0
    variables = from_environment(module.Config, "mail", os.environ)
    return int(asyncio.run(module.run(build(module.Config, variables, read(line, rest), command=line.name))))


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().split("\n")[0]


def _overview() -> str:
    told = [f"  netlab mail {action:<8} {_summary(importlib.import_module(name))}" for action, name in ACTIONS.items()]
    return "\n".join([__doc__ or "", "", *told, "", "Every action has --help with examples."])
