"""The WebSocket server: what it listens on, and who speaks on which path."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.http.admission import admitting
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange
from netlab.http.listening import Listening, contexts_of
from netlab.http.websocket.page import answer_page, wants_page
from netlab.http.websocket.paths import Paths
from netlab.http.websocket.upgrade import speak
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.service import Context
from servers.websocket.config import Config


class Server:
    """A handshake is answered and handed to the speaker of its path; other requests get the page, or a reason."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("websocket")
        self.gate = Gate(GateLimits(connections=config.max_connections, per_address=config.max_connections_per_address))
        self.log = config.open_access_log()
        self.paths = Paths(context)
        self.settings = config.websocket_settings()
        handler = admitting(self.handle, config, context)
        self.http = HttpService(
            context.name or "websocket",
            handler,
            config.http_settings(self.log),
            context.flows,
            self.tasks,
            context.faults,
        )

    def listeners(self) -> Sequence[Listener]:
        config, context = self.config, self.context
        listening = Listening(
            http=self.http,
            gate=self.gate,
            reuse_port=context.reuse_port,
            accept_proxy_protocol=config.accept_proxy_protocol,
            schemes=("ws", "wss"),
        )
        found = [listening.plain(config.listen)]
        if config.tls:
            found.append(listening.secure(config.tls_address, contexts_of(context.state, config.certificate)))
        return found

    def handle(self, exchange: Exchange) -> None:
        path = exchange.request.path.partition("?")[0]
        if path == "/" and wants_page(exchange):
            answer_page(exchange)
        else:
            speak(exchange, self.settings, self.paths)

    def closed(self) -> None:
        """All connections are gone."""
        if self.log is not None:
            self.log.close()
