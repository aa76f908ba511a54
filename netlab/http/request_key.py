"""What of a request decides where it goes: its source, target, or a field, cookie or parameter of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from netlab.config.values import Kind
from netlab.http.roles import Asker
from netlab.policy.sticky import cookie

KeyOf = Callable[[Asker], bytes]
"""The key of a request; b"" if it has none."""


def source(exchange: Asker) -> bytes:
    """The client's address: that of the connection, or what a trusted proxy before us said."""
    client = exchange.flow.client
    return str(client[0]).encode() if isinstance(client, tuple) else b""


def uri(exchange: Asker) -> bytes:
    return exchange.request.path.encode("latin-1")


def path(exchange: Asker) -> bytes:
    return exchange.request.path.partition("?")[0].encode("latin-1")


def host(exchange: Asker) -> bytes:
    return exchange.request.authority.lower().encode("latin-1")


def by_header(name: str) -> KeyOf:
    lower = name.lower()
    return lambda exchange: (exchange.request.fields.get(lower) or "").encode("latin-1")


def by_cookie(name: str) -> KeyOf:
    return lambda exchange: cookie(exchange.request.fields.get("cookie"), name).encode("latin-1")


def by_query(name: str) -> KeyOf:
    wanted = name.encode()

    def key(exchange: Asker) -> bytes:
        for pair in exchange.request.path.partition("?")[2].split("&"):
            found, equals, value = pair.partition("=")
            if equals and unquote_to_bytes(found.replace("+", " ")) == wanted:
                return unquote_to_bytes(value.replace("+", " "))
        return b""

    return key


WHOLE: dict[str, KeyOf] = {"source": source, "uri": uri, "path": path, "host": host}
NAMED: dict[str, Callable[[str], KeyOf]] = {"header": by_header, "cookie": by_cookie, "query": by_query}


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Written `source`, `uri`, `path`, `host`, `header:NAME`, `cookie:NAME` or `query:NAME`."""

    text: str

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> RequestKey:
        what, colon, name = text.partition(":")
        if what in NAMED and not name:
            raise ValueError(f"needs a name, such as {what}:user")
        if not (what in WHOLE and not colon) and not (what in NAMED and re.fullmatch(r"[!#$%&'*+\-.^_`|~\w]+", name)):
            raise ValueError
        return cls(text)

    @property
    def of(self) -> KeyOf:
        what, _, name = self.text.partition(":")
        return WHOLE[what] if what in WHOLE else NAMED[what](name)

    def __str__(self) -> str:
        return self.text


RequestKey.kind = Kind(
    parse=RequestKey.parse,
    allowed="source, uri, path, host, header:NAME, cookie:NAME or query:NAME",
    metavar="KEY",
    choices=(*WHOLE, *NAMED),
)
