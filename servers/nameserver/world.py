"""A world of nameservers from one TOML file: who is at which address, what each serves, and how it behaves."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

from netlab.cores.dns_master import read_master
from netlab.cores.dns_names import from_text
from netlab.cores.dns_zone import Zone
from netlab.errors import UsageError
from servers.nameserver.zones import zone_of

BEHAVIOURS = ("", "truncating", "slow", "silent", "lying")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One server of the world; `behaviour` is one of BEHAVIOURS, the first being as it should."""

    name: str
    address: str
    zones: tuple[Zone, ...]
    behaviour: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """A name that does not resolve as one would like, what comes of it, and what that teaches."""

    ask: str
    expect: str
    teaches: str


@dataclass(frozen=True, slots=True)
class World:
    """Servers in the order of the file, those of the root first."""

    places: tuple[Place, ...]
    lessons: tuple[Lesson, ...] = ()
    hints: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    """Names and addresses of the root's servers, for resolvers."""


def world_text() -> str:
    """The world that comes with netlab, as its file has it."""
    return files("servers.nameserver").joinpath("world.toml").read_text(encoding="utf-8")


def read_world(path: Path | None = None) -> World:
    """The world of a file, or netlab's own; UsageError names file, zone and line of what is wrong."""
    name = "the world" if path is None else str(path)
    try:
        text = world_text() if path is None else path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: this is not TOML: {error}") from None
    zones = {zone: _zone(name, zone, table) for zone, table in _tables(tree, "zone", name).items()}
    places = tuple(_place(name, table, zones) for table in tree.get("server", ()))
    if not places:
        raise UsageError(f"{name} has no [[server]]")
    lessons = tuple(
        Lesson(**{key: str(table.get(key, "")) for key in ("ask", "expect", "teaches")})
        for table in tree.get("lesson", ())
    )
    roots = [place for place in places if any(zone.origin == b"\0" for zone in place.zones)]
    return World(places, lessons, {from_text(place.name): (place.address,) for place in roots})


def _tables(tree: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    tables = tree.get(key, {})
    if not isinstance(tables, dict):
        raise UsageError(f'{name}: zones are written as [zone."shop.test."]')
    return tables


def _zone(name: str, zone: str, table: Any) -> Zone:
    if not isinstance(table, dict) or not isinstance(table.get("text"), str):
        raise UsageError(f"{name}: zone {zone} has no text")
    origin, place, places = from_text(zone), f"{name}, zone {zone}", list[str]()
    return zone_of(origin, read_master(table["text"].lstrip("\n"), origin, name=place, places=places), places, place)


def _place(name: str, table: dict[str, Any], zones: dict[str, Zone]) -> Place:
    address, behaviour = str(table.get("address", "")), str(table.get("behaviour", ""))
    try:
        IPv4Address(address)
    except AddressValueError:
        raise UsageError(f"{name}: server {table.get('name')} has no IPv4 address: {address!r}") from None
    unknown = [zone for zone in table.get("zones", ()) if zone not in zones]
    if unknown:
        raise UsageError(f"{name}: server {table.get('name')} serves {unknown[0]}, which is no zone of this world")
    if behaviour not in BEHAVIOURS:
        raise UsageError(f"{name}: {behaviour!r} is no behaviour; {', '.join(BEHAVIOURS[1:])} are")
    served = tuple(zones[zone] for zone in table.get("zones", ()))
    return Place(name=str(table.get("name", address)), address=address, zones=served, behaviour=behaviour)
