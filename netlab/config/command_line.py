"""The command line of one command: its name, the dataclasses whose fields are its flags, and what was given of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netlab.config import Setting, settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Settings that stand together: their dataclass, their heading in the help, their table in file and environment."""

    config: type[Any]
    heading: str
    table: str
    in_file: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandLine:
    """What a command is called, what it does, and the settings it takes."""

    name: str
    summary: str
    parts: tuple[Part, ...]
    examples: Sequence[tuple[str, str]] = ()

    def settings(self) -> list[Setting]:
        return [setting for part in self.parts for setting in settings(part.config)]


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether help is asked for; what stands behind `--` belongs to someone else."""
    mine = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--help" in mine or "-h" in mine


def read(line: CommandLine, arguments: Sequence[str]) -> dict[str, Any]:
    """The values of the flags and arguments that were given, by field name; UsageError in one sentence."""
    if not arguments and not any(setting.required for setting in line.settings()):
        return {}  # cyclopts, which takes longer to import than most commands to run, would find nothing
    from netlab.config.flags import read_flags

    return read_flags(line, arguments)
