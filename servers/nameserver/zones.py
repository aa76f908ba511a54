"""Zones from files: read, and read again when a file has changed; a bad one is told and the old one kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from netlab.cores.dns_codes import SOA
from netlab.cores.dns_master import Misplaced, read_master
from netlab.cores.dns_message import Record
from netlab.cores.dns_zone import Zone
from netlab.errors import UsageError


class ZoneFiles:
    """Master files and when each was last changed."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._files: set[Path] = set()  # and those that they include
        self._seen: dict[Path, int] = {}

    def read(self) -> list[Zone]:
        """All zones; UsageError for the first that cannot be served."""
        self._files = set(self._paths)
        self._seen = self._stamps()
        zones: dict[bytes, Path] = {}
        read = []
        for path in self._paths:
            zone = read_zone(path, self._included)
            if zone.origin in zones:
                raise UsageError(f"{path} and {zones[zone.origin]} are files of the same zone")
            zones[zone.origin] = path
            read.append(zone)
        return read

    def changed(self) -> bool:
        """Whether a file was written since they were read."""
        return self._stamps() != self._seen

    def _included(self, path: Path) -> None:
        self._files.add(path)
        self._seen[path] = _stamp(path)

    def _stamps(self) -> dict[Path, int]:
        return {path: _stamp(path) for path in self._files}


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def read_zone(path: Path, included: Callable[[Path], None] = lambda path: None) -> Zone:
    """The zone of a master file: that of its SOA record; `included` is told of every file that it includes."""

    def load(name: str) -> str:
        included(path.parent / name)
        return text_of(path.parent / name)

    places: list[str] = []
    records = read_master(text_of(path), name=str(path), load=load, places=places)
    soa = next((record for record in records if record.type == SOA), None)
    if soa is None:
        raise UsageError(f"{path} has no SOA record: which zone is it of?")
    return zone_of(soa.name, records, places, str(path))


def zone_of(origin: bytes, records: Sequence[Record], places: Sequence[str], name: str) -> Zone:
    """The zone of these records; what is wrong with it is told with the line, or with `name` where it is the whole."""
    try:
        return Zone(origin, records, places)
    except Misplaced:
        raise
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8: byte {error.start}") from None
