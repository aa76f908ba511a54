"""The HTTP server: what it listens on, and in which order a request is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.config import about
from netlab.cores.http1 import encode_fields
from netlab.http.admission import admitting
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange, Work
from netlab.http.express import Constants
from netlab.http.hosts import Directed, Hosts
from netlab.http.listening import Listening, contexts_of
from netlab.http.own_methods import KNOWN, ask_server, is_ours, refuse_method, trace
from netlab.http.routes import Routes
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.net.tcp_facts import save_syn
from netlab.service import Context
from servers.http.config import Config

if TYPE_CHECKING:
    from netlab.http.files import Files
    from netlab.http.websocket.paths import Paths

HELLO = b"Hello, World!"
MOST_ECHOED = 64 << 20
"""Bytes of content that --echo sends back; it has to hold them until the last has come."""
TEXT = encode_fields([("Content-Type", "text/plain")])


class Server:
    """Files first, then built-in paths, then 404."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("http")
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.files = files_of("--root", config.root, config) if config.root is not None else None
        self.log = config.open_access_log()
        self.hosts = (
            Hosts({host.name: files_of("--host", host.root, config) for host in config.host}, self.files)
            if config.host
            else None
        )
        handler = admitting(self.handle, config, context)
        if self.hosts is not None and config.tls:
            handler = Directed(self.hosts, handler)
        self.http = HttpService(
            context.name or "http", handler, config.http_settings(self.log), context.flows, self.tasks, context.faults
        )
        self.constants = Constants(self.http.standing)
        if handler == self.handle and not (self.files or self.hosts or self.log) and config.field_memo:
            self.http.take_express(self.constants)
        self.routes = built_in(context) if config.endpoints else None
        self.conversations: Paths | None = None  # made for the first WebSocket

    def listeners(self) -> Sequence[Listener]:
        config, context = self.config, self.context
        listening = Listening(
            http=self.http,
            gate=self.gate,
            reuse_port=context.reuse_port,
            accept_proxy_protocol=config.accept_proxy_protocol,
            prepare=save_syn if config.endpoints and config.save_syn else None,
            keep_hello=config.endpoints,
        )
        found = [listening.plain(config.listen)]
        if config.tls:
            found.append(listening.secure(config.tls_address, contexts_of(context.state, config.certificate)))
        return found

    def handle(self, exchange: Exchange) -> Work:
        """The order of things, behind what `admitting` checks: echo, files, built-in paths, a page for all, 404."""
        request, config = exchange.request, self.config
        path = request.target.partition("?")[0]
        if path[0] != "/":
            path = request.path.partition("?")[0]
            if not path.startswith("/"):
                ask_server(exchange)
                return None
            if not is_ours(exchange):
                return None
        if config.echo:
            echo(exchange)
            return None
        if config.trace and request.method == "TRACE":
            trace(exchange)
            return None
        if config.endpoints and "websocket" in request.frame.upgrade:
            self.speak(exchange)
            return None
        files = self.files if self.hosts is None else self.hosts.find(request.authority)
        if files is not None:
            found = files.find(path, offset=request.start + len(request.method) + 1)
            if found is not None:
                return files.serve(exchange, found)
        if self.routes is not None:
            if path == "/hello" and request.method == "GET":
                self.constants.respond(exchange, TEXT, HELLO)
                return None
            known, work = self.routes.answer(exchange, path)
            if known:
                return work
        return nowhere(exchange, path, files)

    def speak(self, exchange: Exchange) -> None:
        """A WebSocket, on the paths of `netlab serve websocket`."""
        from netlab.http.websocket.paths import Paths
        from netlab.http.websocket.settings import WebSocketSettings
        from netlab.http.websocket.upgrade import speak

        if self.conversations is None:
            self.conversations = Paths(self.context)
        speak(exchange, WebSocketSettings(), self.conversations)

    def closed(self) -> None:
        """All connections are gone."""
        if self.log is not None:
            self.log.close()


def nowhere(exchange: Exchange, path: str, files: Files | None) -> Work:
    """Nothing is at this path: the page for all such, a file that is put there, else 404."""
    if files is not None:
        page = files.fallback(exchange)
        if page is not None or files.accepts(exchange):
            return files.serve(exchange, page)
    if exchange.request.method not in KNOWN:
        refuse_method(exchange, "")
    else:
        exchange.refuse(404, f"nothing is at {path[:200]}", see="/" if path != "/" else "")
    return None


def echo(exchange: Exchange) -> None:
    """200 with the request's own content, and its own type."""
    kind = exchange.request.fields.get("content-type") or "application/octet-stream"
    exchange.collect(MOST_ECHOED, lambda body: exchange.respond(200, [("Content-Type", kind)], body))


def built_in(context: Context) -> Routes:
    from netlab.http import broken, endpoints, shop

    routes = Routes()
    routes.add("GET", "/hello", lambda exchange: exchange.respond(200, TEXT, HELLO), "13 bytes of text")
    endpoints.register_all(routes, context)
    broken.register(routes, context)
    shop.register(routes, context)
    return routes


def files_of(flag: str, root: Path, config: Config) -> Files:
    from netlab.http.files import Files

    with about(flag):
        return Files(root, config.file_options())
