"""The kinds of values a setting can have, and how each is written as text: durations, sizes, addresses, choices."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from netlab.errors import UsageError
from netlab.text import host_port
from netlab.units import parse_duration, parse_size, write_duration, write_size


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How values of one type are written: what parses them, what is allowed, and what help calls them.

    `parse` takes the text and raises ValueError; its message, if any, says what is wrong with the value ("has port
    99999; ports are 0 to 65535"), else the error says that the value is not `allowed`.
    """

    parse: Callable[[str], Any]
    allowed: str
    metavar: str
    write: Callable[[Any], str] = str
    choices: tuple[str, ...] = ()


def parse_bool(text: str) -> bool:
    try:
        return {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }[text.lower()]
    except KeyError:
        raise ValueError from None


def parse_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text) or int(text) < 1:
        raise ValueError
    return int(text)


def parse_whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError
    return int(text)


def parse_port(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError
    if int(text) > 65535:
        raise ValueError(f"has port {text}; ports are 0 to 65535")
    return int(text)


Duration = Annotated[
    float,
    Kind(
        parse=parse_duration,
        allowed="a duration such as 30, 30s, 2m or 500ms",
        metavar="DURATION",
        write=write_duration,
    ),
]
"""Seconds."""

Size = Annotated[
    int, Kind(parse=parse_size, allowed="a size such as 512, 64KiB, 1MiB or 10MB", metavar="SIZE", write=write_size)
]
"""Bytes."""

Count = Annotated[int, Kind(parse=parse_count, allowed="a whole number of 1 or more", metavar="N")]
"""A number of things, at least one."""


def parse_share(text: str) -> float:
    """A share from `20%` or `0.2`."""
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError
    return share


Share = Annotated[
    float,
    Kind(parse=parse_share, allowed="a share such as 20% or 0.2", metavar="SHARE", write=lambda v: f"{v * 100:.12g}%"),
]
"""A part of a whole, 0 to 1."""

Port = Annotated[int, Kind(parse=parse_port, allowed="a port, 0 to 65535", metavar="PORT")]
"""A port number; 0 lets the system choose."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, to listen on or to dial. Without a host it is 127.0.0.1; port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: int = 0

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Address:
        """From `127.0.0.1:8080`, `localhost:0`, `[::1]:8080`, `:8080` or `8080`."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host and re.fullmatch(r"[0-9a-fA-F:.%]+", host):
            raise ValueError(f"needs brackets around the IPv6 address: [{host}]:{port}")
        if not re.fullmatch(r"[0-9]+", port):
            what = text if not colon else port
            raise ValueError(f"has no port; write HOST:PORT, such as {what}:8080" if not colon and what else "")
        if re.search(r"[\s/@\[\]]", host) or ("://" in text):
            raise ValueError
        return cls(host or "127.0.0.1", parse_port(port))

    @property
    def here_only(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def refuse_exposure(self, flag: str, what: str, remedy: str = "say --expose if that is meant") -> None:
        """UsageError where other machines could reach it, and nobody has said that they may."""
        if not self.here_only:
            raise UsageError(f"{flag} {self} would let other machines use {what}; {remedy}")

    def __str__(self) -> str:
        return host_port(self.host, self.port)


Address.kind = Kind(
    parse=Address.parse,
    allowed="HOST:PORT, such as 127.0.0.1:8080, localhost:0, [::1]:8080 or :8080",
    metavar="HOST:PORT",
)


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket, written `unix:/path`; meant where a field's type is `Address | UnixAddress`."""

    path: Path

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> UnixAddress:
        if not text.startswith("unix:/"):
            raise ValueError
        return cls(Path(text.removeprefix("unix:")))

    def __str__(self) -> str:
        return f"unix:{self.path}"


UnixAddress.kind = Kind(parse=UnixAddress.parse, allowed="unix:/path", metavar="unix:PATH")

BOOL = Kind(parse=parse_bool, allowed="true or false", metavar="", write=lambda value: "true" if value else "false")
_PLAIN: dict[Any, Kind] = {
    bool: BOOL,
    int: Kind(parse=parse_whole, allowed="a whole number", metavar="N"),
    float: Kind(parse=float, allowed="a number", metavar="NUMBER"),
    str: Kind(parse=str, allowed="text", metavar="TEXT"),
    Path: Kind(parse=Path, allowed="a path", metavar="PATH"),
}


def kind_of(hint: Any) -> Kind:
    """The kind of a type hint: plain types, Literal, Enum, classes with a `kind`, Annotated with one, unions."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        return next((mark for mark in marks if isinstance(mark, Kind)), None) or kind_of(base)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) is Literal:
        return _choice({str(value): value for value in get_args(hint)})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _choice({str(member.value): member for member in hint})
    if get_origin(hint) in (Union, UnionType):
        return _either([kind_of(part) for part in get_args(hint) if part is not NoneType], NoneType in get_args(hint))
    if isinstance(kind := getattr(hint, "kind", None), Kind):
        return kind
    raise TypeError(f"no kind for a setting of type {hint}")


def _choice(values: dict[str, Any]) -> Kind:
    names = tuple(values)

    def parse(text: str) -> Any:
        if text not in values:
            raise ValueError
        return values[text]

    def write(value: Any) -> str:
        return next((name for name, known in values.items() if known == value), str(value))

    return Kind(parse=parse, allowed=f"one of {', '.join(names)}", metavar="|".join(names), write=write, choices=names)


def _either(kinds: list[Kind], none: bool) -> Kind:
    """Any of several kinds, tried in order; `none` is written for no value where that is allowed."""

    def parse(text: str) -> Any:
        if none and text == "none":
            return None
        reason = ""
        for kind in kinds:
            try:
                return kind.parse(text)
            except ValueError as error:
                reason = reason or (str(error) if len(kinds) == 1 else "")
        raise ValueError(reason)

    def write(value: Any) -> str:
        return "none" if value is None else kinds[0].write(value) if len(kinds) == 1 else str(value)

    allowed = " or ".join(kind.allowed for kind in kinds)
    if none:
        form, such_as, example = allowed.partition(", such as")
        allowed = f"{', '.join(form.rsplit(' or ', 1))} or none{such_as}{example}"
    metavar = "|".join(kind.metavar for kind in kinds)
    return Kind(parse=parse, allowed=allowed, metavar=metavar, write=write, choices=sum((k.choices for k in kinds), ()))
