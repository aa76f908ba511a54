"""The floors of docs/contracts.md, read from the imports: a room knows only what is below it."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("netlab", "servers", "clients", "captures")

FLOORS = {  # the longest prefix counts
    "netlab": 0,
    "netlab.errors": 0,
    "netlab.clock": 0,
    "netlab.dates": 0,
    "netlab.filter": 0,
    "netlab.flow": 0,
    "netlab.tape": 0,
    "netlab.text": 0,
    "netlab.histogram": 0,
    "netlab.units": 0,
    "netlab.cores": 1,
    "netlab.policy": 1,
    "netlab.net": 2,
    "netlab.stores": 2,
    "captures": 2,
    "netlab.http": 3,
    "netlab.balancing": 3,
    "netlab.service": 3,
    "netlab.config": 3,
    "servers": 4,
    "clients": 4,
    "netlab.inspect": 5,
    "netlab.rooms": 6,
    "netlab.dashboard": 6,
    "netlab.completion": 6,
    "netlab.doctor": 6,
    "netlab.reference": 6,
    "netlab.embedded": 6,
    "netlab.pytest_plugin": 6,
    "netlab.lab": 6,
    "netlab.control": 6,
    "netlab.commands": 6,
    "netlab.cli": 6,
    "netlab.__main__": 6,
}
NAMES = (
    "words that all use",
    "decisions and protocols, no I/O",
    "sockets, stores, packets",
    "what servers share",
    "servers and clients",
    "readers of flows",
    "what people start",
)
IO_MODULES = {"asyncio", "socket", "ssl", "time", "random", "os", "select", "selectors", "threading", "subprocess"}


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@functools.cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether it is imported only for the type checker) for each import, wherever it stands."""
    found: list[tuple[str, bool]] = []
    left: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), False)]
    while left:
        node, for_types = left.pop()
        match node:
            case ast.expr():
                continue  # no import stands in an expression
            case ast.Import(names):
                found += [(alias.name, for_types) for alias in names]
            case ast.ImportFrom(module, names, level):
                assert level == 0, f"{path}: imports are absolute"
                found += [(name, for_types) for name in (str(module), *(f"{module}.{alias.name}" for alias in names))]
            case ast.If(ast.Name("TYPE_CHECKING")):
                for_types = True
        left += [(child, for_types) for child in ast.iter_child_nodes(node)]
    return found


def floor(module: str) -> int | None:
    """A module's floor; `tls_context` is a seam of `tls` and stands on its floor."""
    while module:
        package, _, last = module.rpartition(".")
        for name in (module, f"{package}.{last.split('_')[0]}"):
            if name in FLOORS:
                return FLOORS[name]
        module = package
    return None


def protocol(core: str) -> str:
    """What a core's module belongs to: its first word, but iterative resolution is DNS."""
    word = core.split("_")[0]
    return "dns" if word == "resolution" else word


def drawn() -> str:
    """The floors, the highest at the top, as docs/architecture.md has them."""
    shown = []
    for number, what in reversed(list(enumerate(NAMES))):
        rooms = [
            name for name, its in sorted(FLOORS.items()) if its == number and name not in ("netlab", "netlab.__main__")
        ]
        lines = textwrap.wrap("  ".join(rooms), 66)
        first = f"│ {number} │ {what:<31} │"
        shown += [
            f"{first if not place else '│   │ ' + ' ' * 31 + ' │'} {line:<66} │" for place, line in enumerate(lines)
        ]
        shown.append(f"├───┼{'─' * 33}┼{'─' * 68}┤")
    return "\n".join([shown[-1].translate(TOP), *shown[:-1], shown[-1].translate(BOTTOM)])


TOP, BOTTOM = str.maketrans("├┼┤", "┌┬┐"), str.maketrans("├┼┤", "└┴┘")


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


MODULES = list(modules())
PURE = [(name, path) for name, path in MODULES if room(name) in ("netlab.cores", "netlab.policy")]


def test_every_module_has_a_floor() -> None:
    ground = {name for name, number in FLOORS.items() if number == 0}
    homeless = [name for name, _ in MODULES if floor(name) == 0 and name not in ground]
    assert not homeless, f"give these a floor: {homeless}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_only_lower_floors(name: str, path: Path) -> None:
    mine = floor(name)
    assert mine is not None
    for imported, types_only in imports(path):
        theirs = floor(imported)
        if theirs is None or types_only or imported == "netlab":
            continue
        assert theirs <= mine, f"{name} (floor {mine}) imports {imported} (floor {theirs})"


@pytest.mark.parametrize(("name", "path"), PURE, ids=[name for name, _ in PURE])
def test_cores_and_policies_do_no_io(name: str, path: Path) -> None:
    for imported, _ in imports(path):
        assert imported.partition(".")[0] not in IO_MODULES, f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_neighbours_keep_apart(name: str, path: Path) -> None:
    """Cores know only their own protocol, policies and servers none of each other, and clients no server."""
    for imported, types_only in imports(path):
        if types_only or imported.count(".") < 1:
            continue
        mine, theirs = name.split("."), imported.split(".")
        if room(name) == room(imported) == "netlab.cores" and len(theirs) > 2 and len(mine) > 2:
            own = protocol(mine[2]) == protocol(theirs[2])
            assert own or theirs[2] == "fields", f"{name} imports {imported}"
        if room(name) == room(imported) == "netlab.policy" and len(theirs) > 2 and len(mine) > 2:
            assert mine[2] == theirs[2], f"{name} imports {imported}"
        if mine[0] == "servers" and theirs[0] == "servers":
            assert mine[1:2] == theirs[1:2], f"{name} imports {imported}"
        if mine[0] == "clients":
            assert theirs[0] != "servers", f"{name} imports {imported}"
        if mine[0] == "captures":
            assert room(imported) != "netlab.net", f"{name} imports {imported}"


def test_only_net_touches_sockets() -> None:
    """Sockets live in netlab/net and captures/sniff.py."""
    for name, path in MODULES:
        if room(name) == "netlab.net" or name == "captures.sniff":
            continue
        for imported, _ in imports(path):
            assert imported.partition(".")[0] != "socket", f"{name} imports socket"


def test_the_pages_have_these_floors() -> None:
    """docs/architecture.md has the drawing (`python tests/test_floors.py` makes it), docs/contracts.md the table."""
    assert drawn() in (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = re.findall(
        r"^\| (\d) \| ((?:`[\w.*]+` ?)+)\|", (ROOT / "docs/contracts.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {name: int(number) for number, names in table for name in re.findall(r"`([\w.]+?)(?:\.\*)?`", names)}
    assert told == {name: number for name, number in FLOORS.items() if name not in ("netlab", "netlab.__main__")}


if __name__ == "__main__":
    print(drawn())
