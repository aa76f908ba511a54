"""What every HTTP server can be told about its connections, as settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from netlab.config import Duration, Size
from netlab.cores.http1 import Limits
from netlab.errors import UsageError
from netlab.http.pages import Page
from netlab.http.settings import CoreFactory, HttpSettings

if TYPE_CHECKING:
    from netlab.http.access_log import AccessLog
    from netlab.http.exchange import Exchange


@dataclass(frozen=True, kw_only=True)
class Connections:
    """How connections are treated, and what is written about them."""

    engine: Literal["netlab", "h11"] = "netlab"
    """Who reads and writes the protocol; h11 needs the extra netlab[engines]."""
    access_log: Path | None = None
    """Append a line per request to this file; - is standard output."""
    access_log_form: Literal["common", "combined", "json"] = "combined"
    """The form of the access log's lines."""
    accept_proxy_protocol: bool = False
    """Every connection begins with a PROXY header (version 1 or 2) that says who the client is; others are ended."""
    max_connections: int = 0
    """Connections open at once; 0 is no limit."""
    max_connections_per_address: int = 0
    """Connections open at once from one address; 0 is no limit."""
    max_body: Size = 1 << 30
    """Bytes of content a request may have (413 above)."""
    max_head: Size = 64 << 10
    """Bytes of a request's line and fields (431 above)."""
    max_request_line: Size = 16 << 10
    """Bytes of a request line (414 above)."""
    header_timeout: Duration = 20.0
    """How long a client may take to send a request's head."""
    body_timeout: Duration = 20.0
    """How long a client may take to send content, and a second more for every --minimum-rate bytes."""
    minimum_rate: Size = 500
    """Bytes a second a client must send on average."""
    idle_timeout: Duration = 75.0
    """How long a connection may stay idle between requests."""
    write_timeout: Duration = 60.0
    """How long a client may take to read anything of an answer that waits for it."""
    field_memo: Size = 4 << 10
    """A connection's last field block up to this size is remembered, because clients repeat themselves; 0 never."""

    def http_settings(
        self, on_answered: Callable[[Exchange], None] | None, pages: Mapping[int, Page] | None = None
    ) -> HttpSettings:
        """What of it the HTTP engine is told; `pages` are answers of our own that look otherwise, by status."""
        return HttpSettings(
            header_timeout=self.header_timeout,
            body_timeout=self.body_timeout,
            minimum_rate=self.minimum_rate,
            idle_timeout=self.idle_timeout,
            write_timeout=self.write_timeout,
            limits=Limits(
                request_line=self.max_request_line,
                head=self.max_head,
                body=self.max_body,
                memo=self.field_memo,
            ),
            core=core_named(self.engine),
            on_answered=on_answered,
            pages=pages or {},
        )

    def open_access_log(self) -> AccessLog | None:
        """The log that was asked for, if one was."""
        if self.access_log is None:
            return None
        from netlab.http.access_log import AccessLog

        return AccessLog(self.access_log_form, self.access_log)


def core_named(name: str) -> CoreFactory:
    """The core by its name; a library's stands behind an adapter of the same shape."""
    if name == "netlab":
        from netlab.cores.http1 import ServerCore

        return ServerCore
    try:
        from netlab.cores.http1_h11 import H11ServerCore
    except ImportError:
        raise UsageError("--engine h11 needs the package h11: pip install 'netlab[engines]'") from None
    return H11ServerCore
