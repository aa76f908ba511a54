"""Servers, clients and commands: found by listing their folders, and loaded by name when they are asked for."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import netlab
from netlab.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """A module that can be asked for by its name on the command line."""

    name: str  # as people write it: forward-proxy
    module: str  # as Python does: servers.forward_proxy
    path: Path

    @property
    def summary(self) -> str:
        """The first line of its docstring, read from the file: listing everything must not import everything."""
        with self.path.open(encoding="utf-8") as source:
            match = re.match(r'\s*r?"""\s*(.*?)\s*(?:"""|\n)', source.read(2000))
        return match[1].rstrip(".") if match else ""

    def load(self) -> ModuleType:
        return importlib.import_module(self.module)


@cache
def services() -> Mapping[str, Entry]:
    return _listed("servers", _folder("servers"))


@cache
def clients() -> Mapping[str, Entry]:
    return _listed("clients", _folder("clients"))


@cache
def commands() -> Mapping[str, Entry]:
    return _listed("netlab.commands", Path(__file__).parent / "commands")


def _listed(package: str, folder: Path) -> Mapping[str, Entry]:
    found = {}
    for module in sorted(pkgutil.iter_modules([str(folder)]), key=lambda module: module.name):
        if not module.name.startswith("_"):
            path = folder / module.name / "__init__.py" if module.ispkg else folder / f"{module.name}.py"
            name = module.name.replace("_", "-")
            found[name] = Entry(name, f"{package}.{module.name}", path)
    return found


def _folder(package: str) -> Path:
    """Where our package is; somebody else's package of the same name is refused, not half used."""
    ours = Path(netlab.__file__).parent.parent / package
    spec = importlib.util.find_spec(package)
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    if not any(place.samefile(ours) for place in places if place.exists()):
        found = places[0] if places else "nothing"
        raise UsageError(
            f"the package {package!r} that Python finds is {found}, not netlab's own; "
            "start netlab in another folder, or as `python -I -m netlab`"
        )
    return ours
