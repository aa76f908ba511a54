"""A request as it is meant, and the fields it goes out with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clients.get.content import Content
from netlab import __version__
from netlab.errors import UsageError
from netlab.http.client import Pair
from netlab.http.decoding import ACCEPTED
from netlab.http.url import Url

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to ask, of whom."""

    url: Url
    method: str = "GET"
    fields: tuple[Pair, ...] = ()  # they go before the usual ones of the same name
    without: frozenset[str] = frozenset()  # usual fields that are not wanted, in lower case
    content: Content | None = None
    version: str = "1.1"
    codings: bool = True  # offer the content codings we can undo

    def field(self, name: str) -> str | None:
        """The last value given for a field; the name in lower case."""
        return next((value for known, value in reversed(self.fields) if known.lower() == name), None)

    @property
    def expects(self) -> bool:
        """Whether the content waits for 100 (Continue)."""
        return (self.field("expect") or "").lower() == "100-continue" and self.version == "1.1"

    @property
    def closes(self) -> bool:
        return (self.field("connection") or "").lower() == "close"


def parse_fields(texts: Iterable[str]) -> tuple[tuple[Pair, ...], frozenset[str]]:
    """The fields of `-H "Name: value"`, and the names that `-H "Name:"` takes away, as curl has it."""
    fields: list[Pair] = []
    without: set[str] = set()
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon and name.endswith(";"):  # curl's way to write a field without a value
            fields.append((_checked(name[:-1], text), ""))
        elif not colon:
            raise UsageError(f"-H {text!r} is not a field: write 'Name: value'")
        elif value.strip():
            fields.append((_checked(name, text), _encoded(value.strip(), text)))
        else:
            without.add(_checked(name, text).lower())
    return tuple(fields), frozenset(without)


def fields_of(request: Request, proxy: Url | None = None) -> list[Pair]:
    """The field lines of a request; `proxy` is the one it is sent to in absolute form."""
    usual: list[tuple[str, str | None]] = [
        ("Host", request.url.authority),  # first, so that every server sees soon whom it is for (RFC 9110 7.2)
        ("User-Agent", f"netlab/{__version__}"),
        ("Accept", "*/*"),
        ("Accept-Encoding", ACCEPTED if request.codings else None),
        ("Authorization", request.url.basic),
        ("Proxy-Authorization", proxy.basic if proxy is not None else None),
        ("Content-Type", FORM if request.content is not None else None),
    ]
    given = {name.lower() for name, _ in request.fields} | request.without
    host = [(name, value) for name, value in request.fields if name.lower() == "host"]
    others = [pair for pair in request.fields if pair[0].lower() not in ("host", *BY_CORE)]
    standing = [(name, value) for name, value in usual if value is not None and name.lower() not in given]
    return [*host, *standing, *others]


BY_CORE = ("connection", "transfer-encoding")
"""Fields that frame the message: the core writes them; asking for them by -H only tells what is wanted."""


def check(request: Request) -> None:
    """Raise UsageError for what cannot be sent, or would make the message another one than it is."""
    if not _NAME.fullmatch(request.method):
        raise UsageError(f"-X {request.method!r} is not a method (RFC 9110 9.1)")
    if request.method == "CONNECT":
        raise UsageError("-X CONNECT asks for a tunnel: give the proxy with --proxy, and an https:// URL")
    wanted = {"connection": ("close", "keep-alive"), "transfer-encoding": ("chunked",), "content-length": ()}
    for name, value in request.fields:
        allowed = wanted.get(name.lower())
        if allowed is not None and value.lower() not in allowed:
            instead = " or ".join(f"{name}: {word}" for word in allowed) or "it follows from the data"
            raise UsageError(f"-H {f'{name}: {value}'!r} cannot be sent: {instead}")
    if request.version == "1.0" and chunked(request):
        raise UsageError("HTTP/1.0 needs the length of the content: give it as text or as a file")


def chunked(request: Request) -> bool:
    """Whether the content goes out in chunks: when its length is not known before, or on demand."""
    if request.content is None:
        return False
    return request.content.length is None or request.field("transfer-encoding") is not None


def _checked(name: str, text: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"-H {text!r} is not a field: {name!r} is not a field name (RFC 9110 5.1)")
    return name


def _encoded(value: str, text: str) -> str:
    """A value as latin-1 `str`, its bytes UTF-8 where the shell gave others than ASCII (RFC 9110 5.5)."""
    value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    if not _VALUE.fullmatch(value):
        raise UsageError(f"-H {text!r} holds a control character, which no field may")
    return value
