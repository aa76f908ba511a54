"""What can be set for the layer 4 balancer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netlab.balancing.settings import Balancing, Steered
from netlab.config import Address, Count, Duration
from netlab.errors import UsageError
from netlab.policy.breaker import BreakerRules
from servers.l4_balancer.route import RouteRule
from servers.l4_balancer.target import Target

Fact = Literal["crc32c", "unique-id", "authority", "alpn", "tls"]


@dataclass(frozen=True, kw_only=True)
class Where:
    """What is listened on, and where it goes."""

    listen: Address = Address("127.0.0.1", 8083)
    """Where to listen; port 0 takes a free one."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""
    protocol: Literal["tcp", "udp", "both"] = "tcp"
    """What to balance: connections, datagrams, or both on one port."""
    to: tuple[Target, ...] = ()
    """An upstream, HOST:PORT; *3 behind it is its weight. Several stand in for each other."""
    backup: tuple[Target, ...] = ()
    """One that gets work only while none of the others can."""
    route: tuple[RouteRule, ...] = ()
    """'sni=NAME alpn=PROTOCOL to=HOST:PORT' by a ClientHello that is read and passed on; the first that fits counts."""


@dataclass(frozen=True, kw_only=True)
class Connections:
    """How connections are treated."""

    max_connections: int = 0
    """Connections open at once; 0 is no limit."""
    max_connections_per_address: int = 0
    """Connections open at once from one address; 0 is no limit."""
    first_timeout: Duration = 5.0
    """How long a client may take for what it must say first: a PROXY header, a ClientHello."""
    connect_timeout: Duration = 5.0
    """How long an upstream may take to be connected, before another is tried."""
    idle_timeout: Duration = 600.0
    """How long a connection may stay without a byte in either direction."""
    retries: int = 2
    """Upstreams tried after the first, where it could not be connected."""
    breaker_failures: Count = 5
    """Failures in a row after which an upstream gets nothing for a while."""
    breaker_pause: Duration = 5.0
    """For how long; doubled, up to a minute, when it fails again."""


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What upstreams are told of the client, and what this balancer is told."""

    accept_proxy_protocol: bool = False
    """Every connection begins with a PROXY header (version 1 or 2) that says who the client is; others are ended."""
    send_proxy_protocol: Literal["none", "v1", "v2"] = "none"
    """Begin each connection to an upstream with a PROXY header; with v2, datagrams too."""
    tell: tuple[Fact, ...] = ()
    """A fact for headers of version 2: crc32c (a checksum), unique-id, authority (the SNI), alpn, tls."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """TLS that ends here."""

    tls: bool = False
    """Speak TLS with clients, by a certificate of the local CA for each name (see `netlab ca`), and plainly onward."""
    alpn: tuple[str, ...] = ()
    """A protocol to agree on in TLS; the first that the client offers too."""
    client_certificates: Literal["none", "optional", "required"] = "none"
    """Whether clients have to show a certificate."""
    client_ca: Path | None = None
    """The authorities (PEM) whose client certificates are taken; else the local CA's."""


@dataclass(frozen=True, kw_only=True)
class Datagrams:
    """How datagrams are treated."""

    udp_timeout: Duration = 30.0
    """How long a client's session may stay without a datagram; its datagrams go to one upstream."""
    udp_answers: int = 0
    """Answers after which a session is over, 1 for DNS; 0: it is not."""
    max_sessions: int = 10_000
    """Sessions at once; the one that has been idle longest makes room."""


@dataclass(frozen=True, kw_only=True)
class Config(Datagrams, Tls, Telling, Balancing, Connections, Steered, Where):
    """What can be set for the layer 4 balancer."""

    status_listen: Address = Address("127.0.0.1", 8093)

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this balancer")
        self.keep_status_here()
        if not self.to and not self.backup and not self.route:
            raise UsageError("l4-balancer needs --to HOST:PORT, such as --to 127.0.0.1:9101")
        if self.tell and self.send_proxy_protocol != "v2":
            raise UsageError(f"--tell {self.tell[0]} needs --send-proxy-protocol v2: version 1 has addresses alone")
        if self.send_proxy_protocol == "v1" and self.protocol != "tcp":
            raise UsageError("--send-proxy-protocol v1 knows TCP alone; with datagrams it is v2")
        if self.alpn and not self.tls:
            raise UsageError("--alpn needs --tls: who passes TLS on does not agree on anything in it")
        if self.protocol != "tcp" and not self.to and not self.backup:
            raise UsageError("datagrams have no ClientHello that a --route could look at: they need --to")

    def breaker_rules(self) -> BreakerRules:
        return BreakerRules(failures=self.breaker_failures, pause=self.breaker_pause)
