"""What every proxy for clients can be told: who may use it, where they may go, how long to wait."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from netlab.config import Address, Count, Duration, Flag, Kind, Size
from netlab.errors import UsageError
from netlab.http.connections import Connections
from netlab.http.gateway import GatewaySettings
from netlab.http.rules import LimitRule
from netlab.policy.access import Rule, parse_rule
from netlab.policy.auth.names import parse_realm


def access_rule(text: str) -> Rule:
    """A rule as it is written on the command line; what is wrong with it is said in its own words."""
    try:
        return parse_rule(text)
    except ValueError as error:
        raise ValueError("has a mistake: " + str(error).removeprefix(f"{text!r}: ")) from None


def ports(text: str) -> str:
    """Ports as rules write them."""
    parse_rule(f"allow port {text}")
    return text


def host_pattern(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._*:-]+", text):
        raise ValueError
    return text.lower()


def quota(text: str) -> LimitRule:
    """A limit without path, and for each host besides."""
    first, *rest = text.split(":")
    rule = LimitRule.parse(":".join([first, *("all" if part == "host" else part for part in rest)]))
    if rule.path != "/" or rule.key == "api-key":
        raise ValueError("has a path or key that a tunnel has not: it is for each client, user or host, or for all")
    return replace(rule, key="host") if "host" in rest else rule


AccessRule = Annotated[
    Rule,
    Kind(
        parse=access_rule,
        allowed="allow or deny, then from NETWORK, to HOST, port PORT, method METHOD (several with commas)",
        metavar="'allow|deny [from …] [to …] [port …] [method …]'",
        write=lambda value: str(value.text),
    ),
]
Ports = Annotated[str, Kind(parse=ports, allowed="ports such as 443,8000-8999", metavar="PORT[-PORT],…")]
Quota = Annotated[
    LimitRule,
    Kind(
        parse=quota,
        allowed="COUNT/TIME such as 100/s or 60/m, with :client, :user, :host or :all, and an algorithm behind it",
        metavar="COUNT/TIME[:KEY][:ALGORITHM]",
    ),
]
HostPattern = Annotated[
    str, Kind(parse=host_pattern, allowed="a host, with * for any characters, such as *.shop.test", metavar="HOST")
]
Realm = Annotated[str, Kind(parse=parse_realm, allowed="1 to 64 printable ASCII characters", metavar="REALM")]


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Who may come, how often, and where they may go."""

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
    limit: tuple[Quota, ...] = ()
    """Allow so many requests: 100/s for each client, 20/s:host, 1000/s:all, 5:client:concurrency …; else 429."""
    bandwidth: Size = 0
    """Bytes a second for each client, down and up alike; 0 is no cap."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Which TLS is opened, and whom our own calls believe."""

    intercept: tuple[HostPattern, ...] = ()
    """Open TLS to such hosts here, with certificates of the local CA: `*` for all, `*.shop.test` …"""
    pass_through: Annotated[tuple[HostPattern, ...], Flag("--pass")] = ()
    """Leave TLS to such hosts alone, even if --intercept says otherwise."""
    upstream_cacert: Path | None = None
    """The authorities (PEM) that intercepted upstreams must be vouched for by; else the system's and the local CA."""
    upstream_insecure: bool = False
    """Take any certificate from intercepted upstreams."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How long, and how many."""

    connect_timeout: Duration = 10.0
    """How long an upstream may take to be connected; 0 is for ever, here and below."""
    response_timeout: Duration = 60.0
    """How long an upstream may take to answer, and between pieces of its answer."""
    tunnel_timeout: Duration = 600.0
    """How long a tunnel may stay without a byte in either direction."""
    upstream_connections: Count = 4096
    """Connections to upstreams, kept and in use, besides tunnels."""
    connections_per_origin: Count = 256
    """Connections to one of them at most; who finds none free within 5 seconds gets 503."""
    upstream_idle_timeout: Duration = 30.0
    """How long a connection to an upstream is kept without use."""


@dataclass(frozen=True, kw_only=True)
class ProxySettings(Connections, Waiting, Opening, Admission):
    """What all proxies share; the order of the help is from the last base to the first."""

    max_body: Size = 1 << 40
    """Bytes of content a request may have (413 above); it is passed on as it comes, so this costs no memory."""

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this proxy")
        if self.pass_through and not self.intercept:
            raise UsageError("--pass leaves out some of what --intercept opens, and needs it: --intercept '*', say")

    def gateway_settings(self) -> GatewaySettings:
        return GatewaySettings(
            response_timeout=self.response_timeout,
            tunnel_timeout=self.tunnel_timeout,
            connections=self.upstream_connections,
            per_origin=self.connections_per_origin,
            idle_timeout=self.upstream_idle_timeout,
        )
