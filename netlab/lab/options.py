"""The settings of a lab as a whole, and of each service in it: flag before variable before file before default."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from netlab import rooms
from netlab.config import Count, Duration, Flag, Kind, settings
from netlab.config.sources import Toml, build, from_environment, nearest
from netlab.errors import UsageError
from netlab.policy.faults import Fault, parse_fault

Config = TypeVar("Config")


FaultRule = Annotated[
    Fault,
    Kind(
        parse=parse_fault,
        allowed="what goes wrong and when, such as 'status=503 probability=10% when host == a.test'",
        metavar="'WHAT=VALUE … [when EXPRESSION]'",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be set for the process, whichever services run in it."""

    config: Path | None = None
    """A TOML file with one table per service ([http] …) and [lab] for these settings."""
    record: Literal["off", "summary", "full"] = "summary"
    """How much of each flow is kept: counters, one record, or everything with its bytes."""
    quiet: Annotated[bool, Flag("-q")] = False
    """Print no line per flow."""
    json: bool = False
    """Print the endpoints as one line of JSON, and flows as JSON lines."""
    grace: Duration = 5.0
    """How long connections may take to end after Ctrl-C; a second Ctrl-C ends them at once."""
    seed: int | None = None
    """Seed of the lab's random numbers, so that a run can be repeated."""
    fault: tuple[FaultRule, ...] = ()
    """What goes wrong on purpose: 'latency=200ms±50ms probability=30% when host == a.test' … (docs/faults.md)."""
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """The event loop; auto is uvloop where it is installed."""


Ports = Literal["usual", "auto", "strict"]
"""What of a port that is taken: go without it, take a free one instead, start nothing."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions(Options):
    """What can be set when one service runs alone."""

    workers: Count = 1
    """Processes that share the ports; limits, caches and health are per worker."""


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Sources:
    """Where the settings of one start come from: the flags given, the environment, and the file that either names."""

    def __init__(self, command: str, given: Mapping[str, Any]) -> None:
        self._command, self._given = command, given
        named = given.get("config") or os.environ.get("NETLAB_LAB_CONFIG")
        self._toml = Toml.load(Path(named)) if named else None
        if self._toml is not None:
            self._toml.check([*rooms.services(), "lab"])
            if "config" in self._toml.tables.get("lab", {}):
                raise UsageError(f"{self._toml.at('lab', 'config')}: config names this file, and cannot stand in it")

    def settle(
        self, kind: type[Config], table: str, *, flags: bool = True, usual: Mapping[str, Any] = NOTHING
    ) -> Config:
        """The settings of one dataclass; `flags` tells whether the command line speaks about it, `usual` are defaults
        other than the dataclass's own.
        """
        from_file = self._toml.values(kind, table) if self._toml is not None else {}
        from_variables = from_environment(kind, table, os.environ, tables=rooms.services())
        names = {setting.name for setting in settings(kind)} if flags else set()
        from_flags = {name: value for name, value in self._given.items() if name in names}
        with self.placed(kind, table, flags=flags):
            return build(kind, usual, from_file, from_variables, from_flags, command=self._command)

    @contextmanager
    def placed(self, kind: type[Any], table: str, *, flags: bool = True) -> Iterator[None]:
        """An error that begins with a flag begins with the variable, or file and line, if the value stood there."""
        try:
            yield
        except UsageError as error:
            flag = re.match(r"--[a-z0-9-]+", str(error))
            setting = next((setting for setting in settings(kind) if flag and flag[0] in setting.flags), None)
            if flag is None or setting is None or (flags and setting.name in self._given):
                raise
            variable = setting.variable(table)
            in_file = self._toml.place(table, setting.name) if self._toml is not None else ""
            where = variable if variable in os.environ else in_file
            raise UsageError(f"{where or flag[0]}{str(error)[flag.end() :]}") from None


def service(name: str) -> rooms.Entry:
    """The service of this name, or the sentence with the nearest one."""
    known = rooms.services()
    if name not in known:
        there_are = f"; there are: {', '.join(known)}"
        raise UsageError(f"there is no service {name!r}{nearest(name, known) or there_are}")
    return known[name]
