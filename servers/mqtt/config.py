"""What can be set for the MQTT broker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from netlab.config import Address, Duration, Kind, Size
from netlab.errors import UsageError
from netlab.http.listening import CertificateFiles
from servers.mqtt.listeners import ListenerRights


def parse_sixteen_bits(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ValueError
    return int(text)


SixteenBits = Annotated[int, Kind(parse=parse_sixteen_bits, allowed="a whole number from 1 to 65535", metavar="N")]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where to listen, and what clients may do."""

    listen: Address = Address("127.0.0.1", 1883)
    """Where to listen; port 0 takes a free one."""
    tls: bool = False
    """Serve over TLS as well, with certificates of the local CA."""
    tls_listen: Address | None = None
    """Where to do so: port 8883 unless said; a free port when that of --listen is free."""
    certificate: tuple[CertificateFiles, ...] = ()
    """A certificate of your own (PEM, with chain and key), shown to who asks for a name in it."""
    client_certificates: Literal["none", "optional", "required"] = "none"
    """Ask clients for certificates over TLS."""
    client_ca: Path | None = None
    """The authorities that clients' certificates must come from (PEM); the local CA unless said."""
    certificate_user: bool = False
    """Take the common name of a client's certificate for its user, in place of user name and password."""
    websocket: bool = False
    """Serve over WebSocket as well, with subprotocol mqtt on any path."""
    websocket_listen: Address | None = None
    """Where to do so: port 9001 unless said; a free port when that of --listen is free."""
    unix: Path | None = None
    """Serve at a Unix socket as well, at this path."""
    users: Path | None = None
    """A file of users (see `netlab passwd`); only they may connect."""
    anonymous: bool = False
    """With --users: let in who names no user, too."""
    acl: Path | None = None
    """An access list in mosquitto's format: `user`, `topic` and `pattern` lines, with %u and %c."""
    rights: tuple[ListenerRights, ...] = ()
    """Other users, or another access list, at one listener, in place of --users, --anonymous and --acl."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""
    max_connections: int = 20_000
    """Connections open at once; 0 is no limit."""
    max_connections_per_address: int = 0
    """Connections open at once from one address; 0 is no limit."""
    max_rate: int = 0
    """Messages a second that a client may publish; it is read from no faster. 0 is no limit."""
    connect_timeout: Duration = 10.0
    """How long a connection may stay without a CONNECT."""
    max_keep_alive: Duration = 60.0
    """A client of MQTT 5 that wants to be silent for longer is told this (Server Keep Alive); 0 lets it."""
    max_session_expiry: Duration = 0.0
    """Keep sessions of clients that are away no longer than so; 0 is as long as they ask for."""
    max_packet_size: Size = 16 << 20
    """The largest packet that is taken, in bytes."""
    max_qos: Literal[0, 1, 2] = 2
    """The highest QoS that is served."""
    receive_maximum: SixteenBits = 20
    """Messages above QoS 0 that a client may send before the first is acknowledged."""
    max_in_flight: SixteenBits = 1000
    """Messages above QoS 0 on their way to one client at once; one of MQTT 5 may want fewer."""
    topic_alias_maximum: int = 100
    """Topic aliases that a client may use; 0 is none."""
    topic_levels: int = 200
    """Levels that a topic may have; 0 is no limit."""
    sys_interval: Duration = 10.0
    """How often the counters under $SYS/broker are published, under mosquitto's names; 0 is never."""
    store: str = "memory"
    """Where sessions and retained messages are kept: the path of a SQLite file, state (mqtt.db in the state directory),
    or memory.
    """
    durable: bool = False
    """Keep what was acknowledged also when the power fails: each commit waits for the disk."""
    queue_messages: int = 100_000
    """Messages that wait for one client; 0 is no limit."""
    queue_bytes: Size = 64 << 20
    """Bytes that wait for one client; 0 is no limit."""
    queue_full: Literal["drop-new", "drop-oldest", "disconnect"] = "drop-new"
    """What to do where a client's queue is full."""
    queue_qos0: bool = False
    """Keep messages of QoS 0, too, for clients that are away."""
    max_retained: int = 100_000
    """Retained messages kept; 0 is no limit."""
    retain_available: bool = True
    """Keep retained messages at all."""

    engine: Literal["netlab", "amqtt"] = "netlab"
    """Whose packets: ours, or those of amqtt (3.1.1; pip install 'netlab[engine-amqtt]'), to tell whose fault it is."""

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this server")
            self.tls_address.refuse_exposure("--tls-listen", "this server")
            self.websocket_address.refuse_exposure("--websocket-listen", "this server")
        if not self.tls and (self.certificate or self.client_certificates != "none" or self.certificate_user):
            raise UsageError("--certificate, --client-certificates and --certificate-user need --tls")
        self._check_rights()
        if self.topic_alias_maximum > 65_535:
            raise UsageError(f"--topic-alias-maximum {self.topic_alias_maximum} is more than 65535")

    def _check_rights(self) -> None:
        served = {"tcp": True, "tls": self.tls, "websocket": self.websocket, "unix": self.unix is not None}
        named = [one.listener for one in self.rights]
        for listener in named:
            if not served[listener]:
                raise UsageError(f"--rights {listener}:… is of a listener that is not served; it needs --{listener}")
            if named.count(listener) > 1:
                raise UsageError(f"--rights names {listener} twice")

    def rights_at(self, listener: str) -> ListenerRights:
        """Who may come in at a listener, and do what there."""
        named = (one for one in self.rights if one.listener == listener)
        return next(named, ListenerRights(listener, self.users, self.anonymous, self.acl))

    @property
    def tls_address(self) -> Address:
        return self.tls_listen or Address(self.listen.host, 8883 if self.listen.port else 0)

    @property
    def websocket_address(self) -> Address:
        return self.websocket_listen or Address(self.listen.host, 9001 if self.listen.port else 0)
