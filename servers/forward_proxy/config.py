"""What can be set for the forward proxy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from netlab.config import Address, Count, Duration, Kind, Size
from netlab.cores.http1 import Limits
from netlab.errors import UsageError
from netlab.http.gateway import GatewaySettings
from netlab.http.permission import is_loopback
from netlab.http.rules import LimitRule
from netlab.http.settings import HttpSettings
from netlab.policy.access import Rule, parse_rule
from netlab.policy.auth.names import parse_realm


def rule(text: str) -> Rule:
    """A rule as it is written on the command line; what is wrong with it is said in its own words."""
    try:
        return parse_rule(text)
    except ValueError as error:
        raise ValueError("has a mistake: " + str(error).removeprefix(f"{text!r}: ")) from None


def ports(text: str) -> str:
    """Ports as rules write them."""
    parse_rule(f"allow port {text}")
    return text


AccessRule = Annotated[
    Rule,
    Kind(
        parse=rule,
        allowed="allow or deny, then from NETWORK, to HOST, port PORT, method METHOD (several with commas)",
        metavar="'allow|deny [from …] [to …] [port …] [method …]'",
        write=lambda value: str(value.text),
    ),
]
Ports = Annotated[str, Kind(parse=ports, allowed="ports such as 443,8000-8999", metavar="PORT[-PORT],…")]
Realm = Annotated[str, Kind(parse=parse_realm, allowed="1 to 64 printable ASCII characters", metavar="REALM")]


@dataclass(frozen=True, kw_only=True)
class Reaching:
    """Who may come, and where they may go."""

    listen: Address = Address("127.0.0.1", 3128)
    """Where to listen, for HTTP and SOCKS alike; port 0 takes a free one."""
    tls: bool = False
    """Take TLS on the same port too, with certificates of the local CA (see `netlab ca`)."""
    expose: bool = False
    """Let other machines use it; they do not reach this one's loopback, nor private networks."""
    rule: tuple[AccessRule, ...] = ()
    """Who may reach what; the first rule that matches counts. Otherwise: no private addresses but loopback and lab."""
    connect_ports: Ports = "443"
    """Ports for CONNECT (and, with 80, SOCKS) beyond loopback and the lab, where all are open."""
    users: Path | None = None
    """Only for the users in this file (see `netlab passwd`); SOCKS clients too."""
    auth: tuple[Literal["basic", "digest"], ...] = ("basic", "digest")
    """How users of HTTP prove who they are."""
    realm: Realm = "netlab"
    """What users are asked for; verifiers for Digest are made for one realm."""
    limit: tuple[LimitRule, ...] = ()
    """Allow so many requests: 100/s for each client, 20/s:host, 1000/s:all, 5:client:concurrency …; else 429."""
    tell: Literal["nothing", "forwarded", "x-forwarded", "both"] = "nothing"
    """What the origin is told about the client, in Forwarded or X-Forwarded-For; Via is always there."""


@dataclass(frozen=True, kw_only=True)
class Connections:
    """How connections are treated."""

    connect_timeout: Duration = 10.0
    """How long an upstream may take to be connected."""
    response_timeout: Duration = 60.0
    """How long an upstream may take to answer, and between pieces of its answer."""
    tunnel_timeout: Duration = 600.0
    """How long a tunnel may stay without a byte in either direction."""
    idle_timeout: Duration = 75.0
    """How long a client's connection may stay idle between requests."""
    header_timeout: Duration = 20.0
    """How long a client may take to send a request's head."""
    write_timeout: Duration = 60.0
    """How long a client may take to read anything of an answer that waits for it."""
    max_connections: int = 0
    """Clients' connections open at once; 0 is no limit."""
    max_connections_per_address: int = 0
    """Clients' connections open at once from one address; 0 is no limit."""
    upstream_connections: Count = 4096
    """Connections to upstreams, kept and in use, besides tunnels."""
    max_head: Size = 64 << 10
    """Bytes of a request's line and fields (431 above)."""
    access_log: str = ""
    """Append a line per request to this file; - is standard output."""
    access_log_form: Literal["common", "combined", "json"] = "combined"
    """The form of the access log's lines."""


@dataclass(frozen=True, kw_only=True)
class Config(Connections, Reaching):
    """What can be set for the forward proxy; the order of the help is from the last base to the first."""

    def __post_init__(self) -> None:
        if not self.expose and self.listen.host != "localhost" and not is_loopback(self.listen.host):
            words = "would let other machines use this proxy; say --expose if that is meant"
            raise UsageError(f"--listen {self.listen} {words}")

    def http_settings(self) -> HttpSettings:
        """What of it the HTTP engine is told."""
        return HttpSettings(
            header_timeout=self.header_timeout,
            idle_timeout=self.idle_timeout,
            write_timeout=self.write_timeout,
            limits=Limits(head=self.max_head),
        )

    def gateway_settings(self) -> GatewaySettings:
        return GatewaySettings(
            response_timeout=self.response_timeout,
            tunnel_timeout=self.tunnel_timeout,
            connections=self.upstream_connections,
        )
