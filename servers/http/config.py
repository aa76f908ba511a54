"""What can be set for the HTTP server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.config import Address, Size
from netlab.errors import UsageError
from netlab.http.admission import AdmissionSettings
from netlab.http.connections import Connections
from netlab.http.listening import CertificateFiles
from netlab.http.rules import HostRoot

if TYPE_CHECKING:
    from netlab.http.files import FileOptions


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is served, and where."""

    listen: Address = Address("127.0.0.1", 8080)
    """Where to listen; port 0 takes a free one."""
    tls: bool = False
    """Serve TLS as well, with certificates of the local CA (see `netlab ca`)."""
    tls_listen: Address | None = None
    """Where to serve TLS; port 8443 of the host of --listen, or a free port when that has port 0."""
    certificate: tuple[CertificateFiles, ...] = ()
    """A certificate of your own for --tls (PEM, with chain and key), shown to who asks for a name in it; several by
    their names. Other names get one of the local CA."""
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
class Config(Connections, AdmissionSettings, FileSettings, Serving):
    """What can be set for the http server; the order of the help is from the last base to the first."""

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this server")
            self.tls_address.refuse_exposure("--tls-listen", "this server")
        if self.certificate and not self.tls:
            raise UsageError("--certificate needs --tls")
        if self.root is None and not self.host and (self.writable or self.spa):
            raise UsageError(f"{'--writable' if self.writable else '--spa'} needs --root DIR, the folder it is about")

    @property
    def tls_address(self) -> Address:
        """Where TLS is served."""
        return self.tls_listen or Address(self.listen.host, 8443 if self.listen.port else 0)
