"""Settings read again while a lab runs: on SIGHUP, when their file changes, or when asked; all of them or none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlab import rooms
from netlab.errors import UsageError
from netlab.lab.options import NOTHING, Sources

LOOK_EVERY = 0.5
"""Seconds between looks at the file; a change counts when two looks in a row have seen the same."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One service's settings; `flags` and `usual` as for `Sources.settle`."""

    name: str
    flags: bool = True
    usual: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How settings are read again: as at the start, from the same flags, the environment and the file of that name.

    `quiet` is for all workers but the first, which speaks for them.
    """

    command: str
    given: Mapping[str, Any]
    tables: Sequence[Table]
    quiet: bool = False

    @property
    def file(self) -> Path | None:
        named = self.given.get("config") or os.environ.get("NETLAB_LAB_CONFIG")
        return Path(named) if named else None

    def fresh(self, name: str, before: Any) -> Any:
        """A service's settings as they are now; those from before where they cannot be meant."""
        try:
            return Sources(self.command, self.given).settle(type(before), name)
        except UsageError:
            return before

    def reload(self, services: Mapping[str, Any]) -> list[str]:
        """Give the services that can take them their settings, and say which took other ones than before.

        UsageError names file and line; then nothing was changed, but by services that were told before the one that
        refused.
        """
        sources = Sources(self.command, self.given)
        fresh = []
        for table in self.tables:
            if hasattr(services.get(table.name), "reload"):
                kind = rooms.services()[table.name].load().Config
                usual = table.usual or NOTHING
                fresh.append((table, kind, sources.settle(kind, table.name, flags=table.flags, usual=usual)))
        took = []
        for table, kind, config in fresh:
            with sources.placed(kind, table.name, flags=table.flags):
                if services[table.name].reload(config):
                    took.append(table.name)
        return took


class Reloads:
    """A lab's: who can take new settings, and when they are looked for."""

    def __init__(self, services: Mapping[str, Any], reader: Reader | None, say: Callable[[str], None]) -> None:
        self._services, self._reader = services, reader
        self._say = say if reader is None or not reader.quiet else lambda _: None
        self._terminal = has_terminal()
        self._file = reader.file if reader is not None else None
        self._known = stamp(self._file)  # as of about when it was read

    @property
    def possible(self) -> bool:
        return self._reader is not None and any(hasattr(service, "reload") for service in self._services.values())

    def reload(self) -> list[str]:
        """The services that took other settings than they had; UsageError where the file cannot be meant."""
        if self._reader is None or not self.possible:
            raise UsageError("none of the services here takes settings while it runs")
        self._known = stamp(self._file)  # whoever asks first: the watch need not ask again
        return self._reader.reload(self._services)

    @property
    def meant(self) -> bool:
        """Whether SIGHUP asks for it: not where nobody takes settings, nor where it means that the terminal is gone."""
        return self.possible and not (self._terminal and not has_terminal())

    def hung_up(self) -> bool:
        """SIGHUP: read the settings again, if that is meant."""
        if not self.meant:
            return False
        self.reload_and_say()
        return True

    def reload_and_say(self) -> None:
        try:
            took = self.reload()
        except UsageError as error:
            self._say(f"{error}; the settings from before stay")
        else:
            self._say(f"settings read again: {', '.join(took) or 'nothing'} changed")

    async def watch(self) -> None:
        """Look at the file until cancelled."""
        if self._file is None or not self.possible:
            return
        seen = self._known
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = stamp(self._file)
            if now == seen != self._known and now is not None:
                self.reload_and_say()
            seen = now


def stamp(file: Path | None) -> tuple[int, ...] | None:
    """What is different when a file was written or replaced; None while there is none."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def has_terminal() -> bool:
    """Whether a terminal controls this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
