"""What can be set for the HTTP server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from netlab.config import Address, Duration, Size
from netlab.cores.http1 import Limits
from netlab.errors import UsageError
from netlab.http.admission import AdmissionSettings
from netlab.http.rules import HostRoot
from netlab.http.settings import CoreFactory, HttpSettings

if TYPE_CHECKING:
    from netlab.http.exchange import Exchange
    from netlab.http.files import FileOptions


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is served, and where."""

    listen: Address = Address("127.0.0.1", 8080)
    """Where to listen; port 0 takes a free one."""
    tls: bool = False
    """Serve TLS as well, with certificates of the local CA (see `netlab ca`)."""
    tls_listen: Address | None = None
    """Where to serve TLS; 127.0.0.1:8443, or a free port when --listen has port 0."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""
    root: Path | None = None
    """The folder whose files are served; a file wins over a built-in path."""
    host: tuple[HostRoot, ...] = ()
    """The folder whose files are served for a host's name (*. for all below it); other names have --root."""
    endpoints: bool = True
    """Answer the built-in paths (/hello, /headers, /anything …)."""
    echo: bool = False
    """Answer every request, whatever its method and path, with 200 and its own content (up to 64 MiB)."""
    trace: bool = False
    """Answer TRACE with the request as it arrived, without credentials and cookies."""
    save_syn: bool = True
    """Let the kernel keep the SYN of each connection, for /inspect (Linux); 96 bytes of its memory each."""


@dataclass(frozen=True, kw_only=True)
class FileSettings:
    """How the files of --root and --host are served."""

    index: tuple[str, ...] = ("index.html", "index.htm")
    """Names tried, in this order, where a path means a directory."""
    listing: bool = True
    """List directories that have no index, for people and as JSON."""
    hidden: bool = False
    """Serve and list names that begin with a dot; .well-known always is."""
    cache_control: tuple[str, ...] = ()
    """PATTERN=VALUE, the first that matches wins; VALUE is immutable, revalidate, no-store or the field's own words."""
    compress: bool = True
    """Compress what shrinks (br, zstd, gzip), for clients that accept it."""
    precompressed: bool = True
    """Send FILE.br, FILE.zst or FILE.gz in place of FILE to clients that accept the coding, if it is not older."""
    file_cache: Size = 64 << 20
    """Bytes of small files and of coded content kept in memory."""
    spa: str = ""
    """The file below the root that answers navigation to where no file is (single-page applications)."""
    writable: bool = False
    """Take files in: PUT, DELETE, and forms posted to directories."""
    upload_limit: Size = 1 << 30
    """Bytes of one upload; more is refused with 413."""
    upload_origin: tuple[str, ...] = ()
    """Origins, besides the server's own, whose pages may change files; * is any."""
    durable: bool = False
    """Acknowledge an upload when it is on the disk, not only written."""

    def file_options(self) -> FileOptions:
        """What of it the files are told."""
        from netlab.http.files import FileOptions

        return FileOptions(
            index=self.index,
            listing=self.listing,
            hidden=self.hidden,
            cache_control=self.cache_control,
            compress=self.compress,
            precompressed=self.precompressed,
            cache=self.file_cache,
            spa=self.spa,
            writable=self.writable,
            upload_limit=self.upload_limit,
            upload_origins=self.upload_origin,
            durable=self.durable,
        )


@dataclass(frozen=True, kw_only=True)
class Connections:
    """How connections are treated, and what is written about them."""

    engine: Literal["netlab", "h11"] = "netlab"
    """Who reads and writes the protocol; h11 needs the extra netlab[engines]."""
    access_log: str = ""
    """Append a line per request to this file; - is standard output."""
    access_log_form: Literal["common", "combined", "json"] = "combined"
    """The form of the access log's lines."""
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


@dataclass(frozen=True, kw_only=True)
class Config(Connections, AdmissionSettings, FileSettings, Serving):
    """What can be set for the http server; the order of the help is from the last base to the first."""

    def __post_init__(self) -> None:
        for flag, address in (("--listen", self.listen), ("--tls-listen", self.tls_address)):
            if not self.expose and not address.here_only:
                words = "would let other machines reach this server; say --expose if that is meant"
                raise UsageError(f"{flag} {address} {words}")
        if self.root is None and not self.host and (self.writable or self.spa):
            raise UsageError(f"{'--writable' if self.writable else '--spa'} needs --root DIR, the folder it is about")

    @property
    def tls_address(self) -> Address:
        """Where TLS is served."""
        return self.tls_listen or Address("127.0.0.1", 8443 if self.listen.port else 0)

    def http_settings(self, on_answered: Callable[[Exchange], None] | None) -> HttpSettings:
        """What of it the HTTP engine is told."""
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
        )


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
