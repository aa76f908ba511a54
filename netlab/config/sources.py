"""Settings from the environment and from a TOML file; every error says in which variable or on which line it stands."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from netlab.config import Kind, Setting, settings
from netlab.errors import UsageError

Config = TypeVar("Config")


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?` where one of the known names is near, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close and close[0] != name else ""


def parse(kind: Kind, text: str, where: str) -> Any:
    """The value of a text, or the sentence that names the place, the text and what is allowed."""
    try:
        return kind.parse(text)
    except ValueError as error:
        # int() and float() speak of themselves; our own reasons begin with "has" or "needs"
        reason = str(error) if re.match("has |needs ", str(error)) else f"is not {kind.allowed}"
        raise UsageError(f"{where} {text!r} {reason}{nearest(text, kind.choices)}") from None


def build(config: type[Config], *sources: Mapping[str, Any], command: str) -> Config:
    """The settings from several sources, the later over the earlier."""
    values = {name: value for source in sources for name, value in source.items()}
    for setting in settings(config):
        if setting.required and setting.name not in values:
            raise UsageError(f"{command} needs {setting.name.upper() if setting.positional else setting.flags[0]}")
    return config(**{setting.name: values[setting.name] for setting in settings(config) if setting.name in values})


def from_environment(
    config: type[Any], table: str, environ: Mapping[str, str], *, tables: Collection[str] = ()
) -> dict[str, Any]:
    """What `NETLAB_<TABLE>_<FIELD>` variables say; a list is written with blanks between its values."""
    known = {setting.variable(table): setting for setting in settings(config)}
    _refuse_strays(table, known, environ, tables)
    values: dict[str, Any] = {}
    for variable, setting in known.items():
        text = environ.get(variable)
        if text is None:
            continue
        if setting.many:
            values[setting.name] = tuple(parse(setting.kind, part, variable) for part in text.split())
        else:
            values[setting.name] = parse(setting.kind, text, variable)
    return values


def _refuse_strays(table: str, known: Collection[str], environ: Mapping[str, str], tables: Collection[str]) -> None:
    """A variable that begins like ours and means nothing was meant to mean something."""
    prefix = _prefix(table)
    longer = tuple(_prefix(other) for other in tables if _prefix(other).startswith(prefix) and other != table)
    for variable in environ:
        if variable.startswith(prefix) and variable not in known and not (longer and variable.startswith(longer)):
            raise UsageError(f"{variable} is set, but {table} has no such setting{nearest(variable, known)}")


def _prefix(table: str) -> str:
    return f"NETLAB_{table}_".upper().replace("-", "_").replace(" ", "_")


@dataclass(frozen=True)
class Toml:
    """A settings file: one table per service, `[http]`, and `[lab]` for the whole."""

    path: Path
    text: str
    tables: Mapping[str, Any]
    below: tuple[str, ...] = ()  # the keys under which the tables stand in the file

    @classmethod
    def load(cls, path: Path) -> Toml:
        try:
            return cls.loads(path, path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{path} is not UTF-8 text") from None

    @classmethod
    def loads(cls, path: Path, text: str) -> Toml:
        """From a text; the path is for messages, and for paths in it."""
        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(_syntax(path, text, str(error))) from None

    def check(self, names: Collection[str]) -> None:
        """Every top-level name is a table that someone reads."""
        for key, value in self.tables.items():
            if not isinstance(value, dict):
                raise UsageError(
                    f"{self.at(key)}: {key} stands outside of a table; write it below [http], [lab] or the like"
                )
            if key.replace("_", "-") not in names:
                raise UsageError(f"{self.at(key)}: there is no service {key!r}{nearest(key, names)}")

    def values(self, config: type[Any], table: str) -> dict[str, Any]:
        """What the table says; keys may be written with `_` or `-`."""
        known = {setting.name: setting for setting in settings(config) if not setting.positional}
        values: dict[str, Any] = {}
        for section in (key for key in self.tables if key.replace("_", "-") == table):
            for key, value in self.tables[section].items():
                setting = known.get(key.replace("-", "_"))
                if setting is None:
                    raise UsageError(f"{self.at(section, key)}: {table} has no setting {key!r}{nearest(key, known)}")
                try:
                    found = _from_toml(setting, value, key)
                except UsageError as error:
                    raise UsageError(f"{self.at(section, key)}: {error}") from None
                values[setting.name] = anchored(found, self.path.parent)
        return values

    def place(self, table: str, name: str) -> str:
        """`file:line: key` of a setting; empty if the file says nothing of it."""
        for section in (key for key in self.tables if key.replace("_", "-") == table):
            for key in self.tables[section]:
                if key.replace("-", "_") == name:
                    return f"{self.at(section, key)}: {key}"
        return ""

    def at(self, *keys: str) -> str:
        """`file:line` of a key. tomllib keeps no lines, but it can tell which first lines of a file hold the key."""
        before = 0
        lines = self.text.split("\n")
        for count in range(1, len(lines) + 1):
            try:
                found: Any = tomllib.loads("\n".join(lines[:count]) + "\n")
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a value that spans lines
            if _holds(found, (*self.below, *keys)):
                return f"{self.path}:{before + 1}"
            before = count
        return str(self.path)


def _holds(found: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True


def _syntax(path: Path, text: str, message: str) -> str:
    place = re.search(r"\s*\(at line (\d+), column (\d+)\)", message)
    if place is None:  # at the end of the document
        lines = text.split("\n")
        line, column = len(lines), len(lines[-1]) + 1
    else:
        line, column = int(place[1]), int(place[2])
    reason = re.sub(r"\s*\(at .*\)$", "", message)
    return f"{path}:{line}:{column}: this is not TOML: {reason[:1].lower()}{reason[1:]}"


def anchored(value: Any, folder: Path) -> Any:
    """A value from a file, its relative paths as seen from the file's folder (`-` and `~/…` mean what they mean)."""
    if type(value) is tuple:
        return tuple(anchored(item, folder) for item in value)
    if isinstance(value, Path):
        return value if str(value) == "-" else folder / value.expanduser()
    if hasattr(value, "anchored"):
        return value.anchored(folder)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        paths = {name: folder / path.expanduser() for name, path in inner.items() if isinstance(path, Path)}
        return dataclasses.replace(value, **paths) if paths else value
    return value


def _from_toml(setting: Setting, value: Any, where: str) -> Any:
    if setting.many:
        return tuple(_scalar(setting.kind, item, where) for item in (value if isinstance(value, list) else [value]))
    if isinstance(value, list):
        raise UsageError(f"{where} takes one value, not a list")
    return _scalar(setting.kind, value, where)


def _scalar(kind: Kind, value: Any, where: str) -> Any:
    """TOML's numbers and truths are read as they would be on the command line."""
    if isinstance(value, bool):
        return parse(kind, "true" if value else "false", where)
    if isinstance(value, int | float | str):
        return parse(kind, str(value), where)
    raise UsageError(f"{where} is not {kind.allowed}")
