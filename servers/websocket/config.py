"""What can be set for the WebSocket server."""

from __future__ import annotations

from dataclasses import dataclass

from netlab.config import Address, Duration, Size
from netlab.cores.websocket import Limits
from netlab.cores.websocket_handshake import ANY, Compression, Terms
from netlab.errors import UsageError
from netlab.http.admission import AdmissionSettings
from netlab.http.connections import Connections
from netlab.http.listening import CertificateFiles
from netlab.http.websocket.settings import Slow, WebSocketSettings


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Where it is served."""

    listen: Address = Address("127.0.0.1", 8765)
    """Where to listen; port 0 takes a free one."""
    tls: bool = False
    """Serve wss:// as well, with certificates of the local CA (see `netlab ca`)."""
    tls_listen: Address | None = None
    """Where to serve wss://; a free port of the host of --listen if this is not given."""
    certificate: tuple[CertificateFiles, ...] = ()
    """A certificate of your own for --tls (PEM, with chain and key); other names get one of the local CA."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """What is agreed on with clients, and what they may do."""

    origin: tuple[str, ...] = (ANY,)
    """Let pages of this origin connect (https://app.shop.test); others get 403. * is any; a client without Origin is
    no page, and always may."""
    subprotocol: tuple[str, ...] = (ANY,)
    """A subprotocol that is spoken, the favourite first; * takes whatever the client names first."""
    compression: bool = True
    """Agree on permessage-deflate with clients that offer it."""
    window_bits: int = 12
    """The largest window of compression, ours and the client's, as a power of two: 9 to 15. Ours costs 4 · 2**bits
    bytes a connection, once it has compressed something."""
    context_takeover: bool = True
    """Let compressed messages refer to those before them; without, they are larger and cost no memory in between."""
    max_message: Size = 16 << 20
    """Bytes of a message, decompressed; more is closed with 1009."""
    max_frame: Size = 16 << 20
    """Bytes of a single frame; more is closed with 1009."""
    queue: Size = 1 << 20
    """Bytes that wait for a client that does not read what a room is sent, before --slow decides."""
    slow: Slow = "drop"
    """What becomes of such a client: it misses messages, is closed with 1008, or the sender is read no more (pause)."""
    ping_interval: Duration = 20.0
    """How often to ping; 0 never."""
    ping_timeout: Duration = 20.0
    """How long a client may give no sign of life after a ping, before it is closed with 1011; 0 for ever."""
    close_timeout: Duration = 10.0
    """How long to wait for a client's close frame, or its end of the connection."""
    message_timeout: Duration = 60.0
    """How long a message may take from its first byte to its last, and a second more for every --minimum-rate bytes;
    longer is closed with 1008."""


@dataclass(frozen=True, kw_only=True)
class Config(Connections, AdmissionSettings, Conversations, Serving):
    """What can be set for the websocket server."""

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this server")
            self.tls_address.refuse_exposure("--tls-listen", "this server")
        if self.certificate and not self.tls:
            raise UsageError("--certificate needs --tls")
        if not 9 <= self.window_bits <= 15:
            raise UsageError(f"--window-bits {self.window_bits} is not between 9 and 15 (RFC 7692 7.1.2)")

    @property
    def tls_address(self) -> Address:
        """Where wss:// is served."""
        return self.tls_listen or Address(self.listen.host, 0)

    def websocket_settings(self) -> WebSocketSettings:
        """What of it the sessions are told."""
        compression = Compression(
            server_bits=self.window_bits,
            client_bits=self.window_bits,
            server_forgets=not self.context_takeover,
            client_forgets=not self.context_takeover,
        )
        return WebSocketSettings(
            terms=Terms(
                origins=tuple(origin.lower().rstrip("/") for origin in self.origin),
                subprotocols=self.subprotocol,
                compression=compression if self.compression else None,
            ),
            limits=Limits(message=self.max_message, frame=self.max_frame),
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            close_timeout=self.close_timeout,
            message_timeout=self.message_timeout,
            minimum_rate=self.minimum_rate,
            queue=self.queue,
            slow=self.slow,
        )
