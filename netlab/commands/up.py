"""The whole lab, or the named services of it, in the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from netlab import rooms
from netlab.clock import LabClock
from netlab.config import Address, positional, settings
from netlab.config.command_line import CommandLine, Part, read, wants_help
from netlab.config.help import help_text
from netlab.config.sources import build
from netlab.lab.options import Options, Ports, Sources, service
from netlab.lab.process import Factory, run
from netlab.lab.reload import Reader, Table
from netlab.lab.sensors import Sensors
from netlab.lab.world import LabWorld
from netlab.service import Context, Service


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    names: Annotated[tuple[str, ...], positional] = ()
    """The services to run; without a name, all of the lab."""
    record: Literal["off", "summary", "full"] = "full"
    """How much of each flow is kept: counters, one record, or everything with its bytes."""
    dashboard: Address = Address("127.0.0.1", 8800)
    """Where the lab's page is; with services named, only if it is asked for."""
    world: Path | None = None
    """A world of your own instead of netlab's: names, servers and what they are told (see `netlab world --print`)."""
    ports: Literal["usual", "auto"] = "usual"
    """What of a service whose port is taken: usual goes without it, auto gives it a free one that the lab knows."""
    strict: bool = False
    """Start nothing if any port is taken."""
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
    world = LabWorld.load(config.world)
    entries = _entries(config, world)
    factories = {name: _factory(name, entry, sources, config, world) for name, entry in entries.items()}
    if world.sensors and "mqtt" in entries and not config.names:
        factories["sensors"] = lambda context: Sensors(world.sensors, context)
    tables = [
        Table(name=name, flags=False, usual=_usual(name, entry, config, world))
        for name, entry in entries.items()
        if name == entry.name
    ]
    page = config.dashboard if not config.names or "dashboard" in given else None
    ports: Ports = "strict" if config.strict else config.ports
    tries = {name: TRY for name, entry in entries.items() if (TRY := getattr(entry.load(), "TRY", ""))}
    reader = Reader(command=line.name, given=given, tables=tables)
    return run(
        "up",
        config,
        factories,
        ports=ports,
        tries=tries,
        reader=reader,
        prepare=world.prepare,
        clock=LabClock(),
        page=page,
    )


def _entries(config: Config, world: LabWorld) -> dict[str, rooms.Entry]:
    """What runs, by name: the services that were named, else all that make sense in a lab, origins first."""
    known = {name: service(kind) for name, kind in world.instances.items()} | dict(rooms.services())
    if config.names:
        return {name: known[name] if name in known else service(name) for name in config.names}
    return {name: entry for name, entry in known.items() if _in_lab(entry)}


def _in_lab(entry: rooms.Entry) -> bool:
    """A service that makes no sense without settings of its own says `IN_LAB = False`."""
    return bool(getattr(entry.load(), "IN_LAB", True))


def exposed(kind: type[Any]) -> dict[str, Any]:
    """What --expose makes of a service's defaults; nothing of one that never is to be reached from outside."""
    known = {setting.name: setting.default for setting in settings(kind)}
    places = {name: value for name, value in known.items() if name.endswith("listen") and isinstance(value, Address)}
    places.pop("status_listen", None)  # it changes things, and stays with this machine
    everywhere = {name: replace(place, host="0.0.0.0") for name, place in places.items() if place.here_only}  # noqa: S104  asked for
    return {"expose": True} | everywhere if "expose" in known else {}


def _usual(name: str, entry: rooms.Entry, config: Config, world: LabWorld) -> dict[str, Any]:
    """What a service's settings are in the lab unless somebody says otherwise."""
    module = entry.load()
    told = world.told(module.Config, name)
    if entry.name == "nameserver" and config.world is not None:
        told["world"] = config.world
    if name != entry.name:
        return told  # all there is to say of it, and it stays behind the world's balancers
    shown = exposed(module.Config) if config.expose else {}
    if entry.name == "resolver" and not config.names:
        shown.pop("listen", None)  # the nameservers have its port, on other addresses of this machine
    return getattr(module, "IN_THE_LAB", {}) | told | shown


def _factory(name: str, entry: rooms.Entry, sources: Sources, config: Config, world: LabWorld) -> Factory:
    module = entry.load()
    usual = _usual(name, entry, config, world)
    if name != entry.name:  # of the world alone: no variable and no file knows it
        settings = build(module.Config, usual, command=name)
    else:
        settings = sources.settle(module.Config, name, flags=False, usual=usual)

    def make(context: Context) -> Service:
        if name != entry.name:  # all origins have the same in stock, in every lab
            context = replace(context, name=name, random=Random(entry.name))
        with sources.placed(module.Config, name, flags=False):
            server: Service = module.Server(settings, context)
            return server

    return make
