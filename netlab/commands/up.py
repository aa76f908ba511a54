"""The whole lab, or the named services of it, in the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from netlab import rooms
from netlab.config import Address, positional, settings
from netlab.config_flags import CommandLine, Part, read, wants_help
from netlab.config_help import help_text
from netlab.lab import Factory, run
from netlab.lab_options import Options, Sources, service
from netlab.lab_reload import Reader, Table
from netlab.service import Context, Service


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    names: Annotated[tuple[str, ...], positional] = ()
    """The services to run; without a name, all of the lab."""
    record: Literal["off", "summary", "full"] = "full"
    """How much of each flow is kept: counters, one record, or everything with its bytes."""
    expose: bool = False
    """Let other machines reach the services: they listen on all IPv4 addresses, unless told where."""


EXAMPLES = (
    ("netlab up", "everything, each service on its usual port"),
    ("netlab up http", "only this one"),
    ("netlab up --config lab.toml", "with settings from a file"),
    ("netlab up --expose", "for other machines too"),
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
    given = read(line, arguments)
    sources = Sources(line.name, given)
    config = sources.settle(Config, "lab")
    entries = [service(name) for name in config.names] or list(rooms.services().values())
    factories = {entry.name: _factory(entry, sources, config) for entry in entries if config.names or _in_lab(entry)}
    tables = [Table(name=entry.name, flags=False, usual=_usual(entry, config)) for entry in entries]
    return run("up", config, factories, tolerant=True, reader=Reader(command=line.name, given=given, tables=tables))


def _in_lab(entry: rooms.Entry) -> bool:
    """A service that makes no sense without settings of its own says `IN_LAB = False`."""
    return bool(getattr(entry.load(), "IN_LAB", True))


def exposed(kind: type[Any]) -> dict[str, Any]:
    """What --expose makes of a service's defaults; nothing of one that never is to be reached from outside."""
    known = {setting.name: setting.default for setting in settings(kind)}
    places = {name: value for name, value in known.items() if name.endswith("listen") and isinstance(value, Address)}
    everywhere = {name: replace(place, host="0.0.0.0") for name, place in places.items() if place.here_only}  # noqa: S104  asked for
    return {"expose": True} | everywhere if "expose" in known else {}


def _usual(entry: rooms.Entry, config: Config) -> dict[str, Any]:
    """What a service's settings are in the lab unless somebody says otherwise."""
    module = entry.load()
    return getattr(module, "IN_THE_LAB", {}) | (exposed(module.Config) if config.expose else {})


def _factory(entry: rooms.Entry, sources: Sources, config: Config) -> Factory:
    module = entry.load()
    settings = sources.settle(module.Config, entry.name, flags=False, usual=_usual(entry, config))

    def make(context: Context) -> Service:
        with sources.placed(module.Config, entry.name, flags=False):
            server: Service = module.Server(settings, context)
            return server

    return make
