"""MQTT over WebSocket (MQTT 5.0 6): binary messages are pieces of one stream of bytes, and the link hears no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netlab.config import Address
from netlab.cores.websocket import BINARY, Limits, Message
from netlab.cores.websocket_handshake import Terms
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange
from netlab.http.listening import Listening
from netlab.http.settings import HttpSettings
from netlab.http.websocket.session import Session
from netlab.http.websocket.settings import WebSocketSettings
from netlab.http.websocket.speaker import Speaker
from netlab.http.websocket.upgrade import upgrade
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from servers.mqtt.link import Link

if TYPE_CHECKING:
    from servers.mqtt.server import Server

NOT_TEXT = 1003
SUBPROTOCOLS = ("mqtt", "mqttv3.1")


class WebSockets:
    """One more way to the broker, on any path."""

    def __init__(self, server: Server) -> None:
        self._server = server
        config = server.config
        self._gate = Gate(GateLimits(connections=config.max_connections))
        self._settings = WebSocketSettings(
            terms=Terms(subprotocols=SUBPROTOCOLS, compression=None),
            limits=Limits(message=config.max_packet_size + (1 << 16)),
            ping_interval=0.0,  # MQTT has pings of its own
        )
        self._http = HttpService("mqtt", self._handle, HttpSettings(), server.context.flows, server.tasks)

    def listener(self, address: Address) -> Listener:
        listening = Listening(http=self._http, gate=self._gate, reuse_port=False, schemes=("ws", "wss"))
        return listening.plain(address)

    def _handle(self, exchange: Exchange) -> None:
        upgrade(exchange, self._settings, lambda: LinkSpeaker(self._server))


class LinkSpeaker(Speaker):
    """A link whose transport is a WebSocket."""

    __slots__ = ("_link", "_server")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._link: Link | None = None

    def begin(self, session: Session) -> None:
        link = self._server.link_at("websocket")()
        link.transport = Frames(session, link)
        link.flow = session.flow
        if not self._server.gate.enter(link, None):
            link.turn_away()
            return
        link.inside = True
        self._link = link
        link.connection_made(link.transport)

    def message(self, session: Session, message: Message) -> None:
        if message.opcode != BINARY:  # [MQTT-6.0.0-1]
            session.close(NOT_TEXT, "MQTT is binary (MQTT 5.0 6)")
        elif self._link is not None and message.data:
            self._link.data_received(bytes(message.data))

    def writable(self, session: Session) -> None:
        if self._link is not None and self._link.writing_paused:
            self._link.resume_writing()

    def over(self, session: Session) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.flow = None  # it is the WebSocket's, which says how it ended
            link.connection_lost(None)


class Frames:
    """What a link knows of its transport: bytes written become binary messages."""

    def __init__(self, session: Session, link: Link) -> None:
        self._session, self._link = session, link

    def write(self, data: bytes) -> None:
        self._session.send(BINARY, data)
        if self._session.connection.writing_paused and not self._link.writing_paused:
            self._link.pause_writing()

    def close(self) -> None:
        self._session.close()

    def abort(self) -> None:
        self._session.connection.abort()

    def is_closing(self) -> bool:
        return self._session.core.close_sent is not None or self._session.connection.transport.is_closing()

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._session.connection.hold()

    def resume_reading(self) -> None:
        self._session.go_on()

    def get_write_buffer_size(self) -> int:
        return int(self._session.connection.transport.get_write_buffer_size())

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._session.connection.transport.get_extra_info(name, default)
