"""HTTP/1.1 server: files, and built-in paths that show a request or answer in every way."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from netlab.config import Address, Duration, Size
from netlab.cores.http1 import Limits, encode_fields
from netlab.errors import UsageError
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.http.settings import CoreFactory, HttpSettings
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.net.tcp_facts import save_syn
from netlab.service import Context

if TYPE_CHECKING:
    from netlab.http.access_log import AccessLog
    from netlab.http.files import Files

EXAMPLES = (
    ("netlab serve http", "the built-in paths on http://127.0.0.1:8080"),
    ("netlab serve http --root .", "this folder"),
    ("netlab serve http --tls", "the same over TLS too, on 8443, with a certificate of the local CA"),
    ("netlab serve http --echo --listen 127.0.0.1:0", "every request answered with its own content, on a free port"),
)

IN_THE_LAB = {"tls": True}
"""What `netlab up` sets unless a file says otherwise."""
HELLO = b"Hello, World!"
TEXT = encode_fields([("Content-Type", "text/plain")])


@dataclass(frozen=True, kw_only=True)
class Config:
    """What can be set for the http server."""

    listen: Address = Address("127.0.0.1", 8080)
    """Where to listen; port 0 takes a free one."""
    tls: bool = False
    """Serve TLS as well, with certificates of the local CA (see `netlab ca`)."""
    tls_listen: Address = Address("127.0.0.1", 8443)
    """Where to serve TLS; a free port when --listen has port 0."""
    root: Path | None = None
    """The folder whose files are served; a file wins over a built-in path."""
    endpoints: bool = True
    """Answer the built-in paths (/hello, /headers, /anything …)."""
    echo: bool = False
    """Answer every request, whatever its method and path, with 200 and its own content."""
    save_syn: bool = True
    """Let the kernel keep the SYN of each connection, for /inspect (Linux); 96 bytes of its memory each."""
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


class Server:
    """Files first, then built-in paths, then 404."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("http")
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.files = files_of(config.root) if config.root is not None else None
        self.log = access_log(config) if config.access_log else None
        self.http = HttpService("http", self.handle, self.settings(), context.flows, self.tasks)
        self.routes = built_in(context) if config.endpoints else None
        self.prepare = save_syn if config.endpoints and config.save_syn else None

    def listeners(self) -> Sequence[Listener]:
        config, reuse = self.config, self.context.reuse_port
        plain = Listener(
            name="http",
            scheme="http",
            host=config.listen.host,
            port=config.listen.port,
            factory=lambda: self.http.connection(self.gate),
            gate=self.gate,
            reuse_port=reuse,
            prepare=self.prepare,
        )
        return [plain, self.secure_listener()] if config.tls else [plain]

    def secure_listener(self) -> Listener:
        from netlab.net.certs import Authority
        from netlab.net.tls import TlsLayer
        from netlab.net.tls_context import ServerContexts

        config = self.config
        contexts = ServerContexts(Authority.load(self.context.state))
        return Listener(
            name="http",
            scheme="https",
            host=config.tls_listen.host,
            port=config.tls_listen.port if config.listen.port else 0,
            factory=lambda: TlsLayer(
                self.http.connection(self.gate), contexts, server_side=True, keep_hello=config.endpoints
            ),
            gate=self.gate,
            reuse_port=self.context.reuse_port,
            prepare=self.prepare,
        )

    def handle(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """The order of things: echo, files, built-in paths, 404."""
        request = exchange.request
        path = request.path.partition("?")[0]
        if self.config.echo:
            echo(exchange)
            return None
        if self.files is not None:
            found = self.files.find(path)
            if found is not None:
                return self.files.serve(exchange, found)
        if self.routes is not None:
            if path == "/hello" and request.method == "GET":
                exchange.respond(200, TEXT, HELLO)
                return None
            known, work = self.routes.answer(exchange, path)
            if known:
                return work
        exchange.refuse(404, f"nothing is at {path[:200]}")
        return None

    def settings(self) -> HttpSettings:
        config = self.config
        return HttpSettings(
            header_timeout=config.header_timeout,
            body_timeout=config.body_timeout,
            minimum_rate=config.minimum_rate,
            idle_timeout=config.idle_timeout,
            write_timeout=config.write_timeout,
            limits=Limits(
                request_line=config.max_request_line,
                head=config.max_head,
                body=config.max_body,
                memo=config.field_memo,
            ),
            core=engine(config.engine),
            on_answered=self.log,
        )

    def closed(self) -> None:
        """All connections are gone."""
        if self.log is not None:
            self.log.close()


def echo(exchange: Exchange) -> None:
    """200 with the request's own content, and its own type."""
    kind = exchange.request.fields.get("content-type") or "application/octet-stream"
    exchange.collect(64 << 20, lambda body: exchange.respond(200, [("Content-Type", kind)], body))


def engine(name: str) -> CoreFactory:
    """The core by its name; a library's stands behind an adapter of the same shape."""
    if name == "netlab":
        from netlab.cores.http1 import ServerCore

        return ServerCore
    try:
        from netlab.cores.http1_h11 import H11ServerCore
    except ImportError:
        raise UsageError("--engine h11 needs the package h11: pip install 'netlab[engines]'") from None
    return H11ServerCore


def built_in(context: Context) -> Routes:
    from netlab.http import broken, endpoints

    routes = Routes()
    routes.add("GET", "/hello", lambda exchange: exchange.respond(200, TEXT, HELLO), "13 bytes of text")
    endpoints.register_all(routes, context)
    broken.register(routes, context)
    return routes


def files_of(root: Path) -> Files:
    from netlab.http.files import FileOptions, Files

    return Files(root, FileOptions())


def access_log(config: Config) -> AccessLog:
    from netlab.http.access_log import AccessLog

    return AccessLog(config.access_log_form, config.access_log)
