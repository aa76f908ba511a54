"""docs/reference.md: every setting of every service, client and command, made from their dataclasses.

Write it anew with `python -m netlab.reference > docs/reference.md`; a test holds the file to it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from netlab import rooms
from netlab.cli import first_line
from netlab.config import Setting, docs, settings
from netlab.lab.options import ServeOptions

HEAD = """# Reference

Every setting of every service, client and command, as `--help` has them. Services take theirs from flags, from
variables (`NETLAB_HTTP_LISTEN`) and from the service's table in a file (`[http] listen = "…"`); clients and commands
from flags and variables. Made from the source by `python -m netlab.reference`.
"""
FOR_PEOPLE = ("netlab browser", "wireshark", "eth0")
"""In these words of an example somebody's screen is meant, or his network."""


def reference() -> str:
    """The page."""
    parts = [HEAD, "## Services\n\nEach is `netlab serve NAME`, and runs in `netlab up`.\n"]
    for name, entry in rooms.services().items():
        parts += section(f"### {name}", entry.load(), entry.load().Config)
    parts += ["### All services\n\nWhat can be set for the process.\n", *table(ServeOptions)]
    for title, entries in (("Clients", rooms.clients()), ("Commands", rooms.commands())):
        parts.append(f"## {title}\n")
        for name, entry in entries.items():
            parts += command(name, entry.load())
    return "\n".join(parts)


def command(name: str, module: Any) -> Iterator[str]:
    """A command, or each of the things that it can do."""
    actions: Mapping[str, str] = getattr(module, "ACTIONS", {})
    if not actions and hasattr(module, "Config"):
        yield from section(f"### netlab {name}", module, module.Config)
    for action, where in actions.items():
        found = import_module(where)
        yield from section(f"### netlab {name} {action}", found, found.Config)


def mark(line: str) -> str:
    """What the page says of lines that no test types (see tests/world/pages.py)."""
    return " (untested)" if any(words in line for words in FOR_PEOPLE) and "--headless" not in line else ""


def section(title: str, module: Any, config: type[Any]) -> Iterator[str]:
    yield f"{title}\n\n{first_line(module)}\n"
    yield from examples(getattr(module, "EXAMPLES", ()))
    yield from table(config)


def examples(found: Any) -> Iterator[str]:
    if found:
        width = max(len(line) for line, _ in found)
        yield "\n".join(["```sh", *(f"{line:<{width}}  # {what}{mark(line)}" for line, what in found), "```\n"])


def table(config: type[Any]) -> Iterator[str]:
    texts = docs(config)
    rows = [row(setting, texts.get(setting.name, "")) for setting in settings(config)]
    if rows:
        yield "\n".join(["| setting | default | |", "|---|---|---|", *rows]) + "\n"


def row(setting: Setting, text: str) -> str:
    names = setting.name.upper() if setting.positional else "`, `".join(sorted(setting.flags, key=len, reverse=True))
    default = f"`{setting.shown_default}`" if setting.shown_default else "required" if setting.required else ""
    more = " Repeatable." if setting.many and not setting.positional else ""
    return f"| `{names}` | {default} | {' '.join(text.split())}{more} |".replace("\\|", "|").replace(" | | ", " |  | ")


if __name__ == "__main__":
    sys.stdout.write(reference())
