"""Settings: one frozen dataclass per service, client and command says everything that can be set, and from where.

A field's name gives the flag (`--max-body`), the TOML key (`max_body`) and the variable (`NETLAB_HTTP_MAX_BODY`); its
type says what may be written there; its default and the docstring below it stand in the help.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from netlab.config.values import BOOL, Address, Count, Duration, Kind, Port, Share, Size, UnixAddress, kind_of
from netlab.errors import UsageError

__all__ = [
    "Address",
    "Count",
    "Duration",
    "Flag",
    "Kind",
    "Port",
    "Setting",
    "Share",
    "Size",
    "UnixAddress",
    "about",
    "docs",
    "positional",
    "settings",
]


class Positional:
    """Marks a field as an argument without a flag: `url: Annotated[str, positional]`."""


positional = Positional()


@dataclass(frozen=True)
class Flag:
    """Other names of a field's flag: `Annotated[bool, Flag("-q")]`. A name with two dashes replaces the usual one."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One field of a Config, as every source of values sees it."""

    name: str
    kind: Kind
    many: bool = False  # a tuple: the flag may be repeated, the TOML value is a list
    default: Any = dataclasses.MISSING
    positional: bool = False
    flags: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def switch(self) -> bool:
        """Whether it is written `--x` and `--no-x`, without a value."""
        return self.kind is BOOL and not self.many

    @property
    def negative(self) -> str:
        """The flag that turns a switch off."""
        return "--no-" + next(name for name in self.flags if name.startswith("--")).removeprefix("--")

    @property
    def shown_default(self) -> str:
        if self.required or self.default in (None, (), "", False):
            return ""
        if self.switch:
            return "on"
        if self.many:
            return " ".join(map(self.kind.write, self.default))
        return self.kind.write(self.default)

    def variable(self, table: str) -> str:
        """The environment variable that sets it for the service `table`."""
        return f"NETLAB_{table}_{self.name}".upper().replace("-", "_").replace(" ", "_")


def settings(config: type[Any]) -> tuple[Setting, ...]:
    """The fields of a Config dataclass, in order."""
    hints = get_type_hints(config, include_extras=True)
    return tuple(_setting(field, hints[field.name]) for field in dataclasses.fields(config) if field.init)


def _setting(field: dataclasses.Field[Any], hint: Any) -> Setting:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    base = get_args(hint)[0] if marks and not any(isinstance(mark, Kind) for mark in marks) else hint
    many = get_origin(base) is tuple
    names = [name for mark in marks if isinstance(mark, Flag) for name in mark.names]
    if not any(name.startswith("--") for name in names):
        names.insert(0, "--" + field.name.replace("_", "-"))
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return Setting(
        name=field.name,
        kind=kind_of(get_args(base)[0] if many else base),
        many=many,
        default=default,
        positional=any(isinstance(mark, Positional) for mark in marks),
        flags=tuple(names),
    )


@contextmanager
def about(flag: str) -> Iterator[None]:
    """A UsageError from inside begins with the flag whose value it is about, unless it begins with one itself."""
    try:
        yield
    except UsageError as error:
        raise UsageError(str(error) if str(error).startswith("--") else f"{flag}: {error}") from None


def docs(config: type[Any]) -> Mapping[str, str]:
    """The docstring below each field, by name; read from the source, so only asked for when someone wants help."""
    found: dict[str, str] = {}
    for cls in reversed(config.__mro__[:-1]):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        except (OSError, TypeError):  # no source at hand
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as words)):
                    found[name] = inspect.cleandoc(words)
    return found
