"""An upstream as it is written in settings: a URL, or HOST:PORT for plain HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from netlab.config.values import Kind
from netlab.errors import UsageError
from netlab.http.url import Url


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests are sent to; `path` is put before their own."""

    scheme: str
    host: str
    port: int
    authority: str  # as it stands in Host
    path: str = ""

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> Target:
        """From `http://127.0.0.1:9101`, `https://shop.test/api`, `127.0.0.1:9101`, `:9101`."""
        try:
            url = Url.parse(f"127.0.0.1{text}" if text.startswith(":") else text)
        except UsageError:
            raise ValueError from None
        if url.user is not None:
            raise ValueError("has a user or password in it, which an upstream would not get")
        if re.search(r"[?#]", text):
            raise ValueError("has a query or fragment; an upstream is a host, and perhaps a path")
        return cls(url.scheme, url.host, url.port, url.authority, url.target.rstrip("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


Target.kind = Kind(
    parse=Target.parse,
    allowed="a URL such as http://127.0.0.1:9101 or https://shop.test/api, or HOST:PORT",
    metavar="URL",
)
