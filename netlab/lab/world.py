"""The lab's small Internet beyond its zones: where each host's ports are served, and by which services, told what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

from netlab import rooms
from netlab.config.sources import Toml, nearest
from netlab.errors import UsageError
from netlab.net.addresses import split_endpoint
from netlab.service import Context

TABLES = ("host", "lesson", "sensor", "server", "service", "zone")
"""What stands in a world's file: names and their zones are the nameserver's, the rest is the lab's."""


@dataclass(frozen=True, slots=True)
class Host:
    """A name, its address, and where the address' well-known ports are really served."""

    name: str
    address: str
    ports: Mapping[int, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Sensor:
    """Something that publishes: readings around a value, every so many seconds."""

    topic: str
    around: float
    unit: str
    every: float  # seconds


@dataclass(frozen=True)
class LabWorld:
    """Hosts, sensors, and what services are told; `instances` are servers besides the usual ones, and their kinds."""

    toml: Toml
    hosts: tuple[Host, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    instances: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None = None) -> LabWorld:
        """The world of a file, or netlab's own; UsageError names file and line of what is wrong."""
        toml = Toml.load(path) if path is not None else Toml.loads(Path("world.toml"), _own())
        for key in toml.tables:
            if key not in TABLES:
                raise UsageError(f"{toml.at(key)}: a world has no {key!r}{nearest(key, TABLES)}")
        services, instances = dict(_table(toml, "service")), {}
        for name, table in services.items():
            known = rooms.services()
            kind = table.get("kind", name) if isinstance(table, dict) else name
            if kind not in known:
                raise UsageError(f"{toml.at('service', name)}: there is no service {kind!r}{nearest(str(kind), known)}")
            if name not in known:
                instances[name] = str(kind)
                services[name] = {key: value for key, value in table.items() if key != "kind"}
        told = replace(toml, tables=services, below=("service",))
        hosts = tuple(_host(toml, name, table) for name, table in _table(toml, "host").items())
        sensors = tuple(_sensor(toml, topic, table) for topic, table in _table(toml, "sensor").items())
        return cls(told, hosts, sensors, instances)

    def told(self, kind: type[Any], name: str) -> dict[str, Any]:
        """What a service is told in this world."""
        return self.toml.values(kind, name)

    def prepare(self, context: Context) -> None:
        """Let every dialer of the lab know its hosts."""
        for host in self.hosts:
            context.addresses.add(host.name, host.address, host.ports)


def _own() -> str:
    from servers.nameserver.world import world_text

    return world_text()


def _table(toml: Toml, key: str) -> Mapping[str, Any]:
    found = toml.tables.get(key, {})
    if not isinstance(found, dict):
        raise UsageError(f'{toml.at(key)}: these are written as [{key}."NAME"]')
    return found


def _host(toml: Toml, name: str, table: Any) -> Host:
    try:
        address = str(IPv4Address(table["address"]))
        ports = {int(port): split_endpoint(real) for port, real in table.get("ports", {}).items()}
    except (KeyError, TypeError, AttributeError, ValueError, AddressValueError):
        where = toml.at("host", name)
        raise UsageError(
            f'{where}: a host is written as address = "127.0.80.1", ports = {{ 80 = "127.0.0.1:8081" }}'
        ) from None
    return Host(name, address, ports)


def _sensor(toml: Toml, topic: str, table: Any) -> Sensor:
    try:
        return Sensor(topic, float(table["around"]), str(table.get("unit", "")), max(float(table["every"]), 0.1))
    except (KeyError, TypeError, ValueError):
        where = toml.at("sensor", topic)
        raise UsageError(f'{where}: a sensor is written as around = 21.5, unit = "°C", every = 2') from None
