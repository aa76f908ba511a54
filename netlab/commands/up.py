"""The whole lab, or the named services of it, in the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from netlab import rooms
from netlab.config import positional
from netlab.config_flags import CommandLine, Part, read, wants_help
from netlab.config_help import help_text
from netlab.lab import Factory, run
from netlab.lab_options import Options, Sources, service


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    names: Annotated[tuple[str, ...], positional] = ()
    """The services to run; without a name, all of the lab."""
    record: Literal["off", "summary", "full"] = "full"
    """How much of each flow is kept: counters, one record, or everything with its bytes."""


EXAMPLES = (
    ("netlab up", "everything, each service on its usual port"),
    ("netlab up http", "only this one"),
    ("netlab up --config lab.toml", "with settings from a file"),
)


def main(arguments: Sequence[str]) -> int:
    line = CommandLine(
        name="netlab up",
        summary=__doc__ or "",
        parts=(Part(config=Config, heading="lab", table="lab", in_file=True),),
        examples=EXAMPLES,
    )
    if wants_help(arguments):
        print(help_text(line))
        return 0
    sources = Sources(line.name, read(line, arguments))
    config = sources.settle(Config, "lab")
    entries = [service(name) for name in config.names] or list(rooms.services().values())
    factories = {entry.name: _factory(entry, sources) for entry in entries if config.names or _in_lab(entry)}
    return run("up", config, factories, tolerant=True)


def _in_lab(entry: rooms.Entry) -> bool:
    """A service that makes no sense without settings of its own says `IN_LAB = False`."""
    return bool(getattr(entry.load(), "IN_LAB", True))


def _factory(entry: rooms.Entry, sources: Sources) -> Factory:
    module = entry.load()
    usual = getattr(module, "IN_THE_LAB", {})
    settings = sources.settle(module.Config, entry.name, flags=False, usual=usual)
    return lambda context: module.Server(settings, context)
