"""What can be set for every server that stands before others: the reverse proxy, the balancer."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from netlab.config import Address, Count, Duration, Kind, Share, Size
from netlab.errors import UsageError
from netlab.http.admission import AdmissionSettings
from netlab.http.cache.rules import CacheSettings
from netlab.http.connections import Connections
from netlab.http.error_pages import ErrorPage
from netlab.http.gateway import GatewaySettings
from netlab.http.listening import CertificateFiles
from netlab.http.retry_on import UNANSWERED, RetryOn
from netlab.http.route_rule import RouteRule
from netlab.policy.breaker import BreakerRules
from netlab.policy.forwarding import Network, Node, Told

TrustedNetwork = Annotated[
    Network, Kind(parse=ipaddress.ip_network, allowed="a network such as 10.0.0.0/8 or ::1", metavar="NETWORK")
]


@dataclass(frozen=True, kw_only=True)
class Routing:
    """What is proxied, and where to."""

    listen: Address = Address("127.0.0.1", 0)
    """Where to listen; port 0 takes a free one."""
    tls: bool = False
    """Serve TLS as well, with a certificate of the local CA for each name that is asked for (see `netlab ca`)."""
    tls_listen: Address = Address("127.0.0.1", 0)
    """Where to serve TLS; a free port when --listen has port 0."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""
    certificate: tuple[CertificateFiles, ...] = ()
    """A certificate of your own for --tls (PEM, with chain and key), shown to who asks for a name in it; several by
    their names. Other names get one of the local CA."""
    client_certificates: Literal["none", "optional", "required"] = "none"
    """Whether clients on TLS have to show a certificate; if required, nothing is served without TLS."""
    client_ca: Path | None = None
    """The authorities (PEM) whose client certificates are taken; else the local CA's."""
    route: tuple[RouteRule, ...] = ()
    """'host= path= pattern= method= field= version=' and 'to=', with 'strip= add= as= timeout= retries= retry-on=
    auth= roles= limit= maintenance compress no-cache preserve-host'; the first that matches counts."""
    preserve_host: bool = False
    """Send upstreams the Host that the client sent, not their own."""
    trust: tuple[TrustedNetwork, ...] = ()
    """Proxies before this one, whose X-Forwarded-* and Forwarded are believed and added to; others' are replaced."""
    tell: Told = "both"
    """Which fields tell the upstream about the client."""
    client_id: Node = "address"
    """What those fields call a client: its address, an identifier that only tells it from others, or unknown."""
    maintenance: bool = False
    """Answer everything with 503 (see --error-page)."""
    error_page: tuple[ErrorPage, ...] = ()
    """The page for what the proxy itself refuses, by status: 502=sorry.html, 5xx=sorry.html."""
    compress: bool = False
    """Compress answers on their way (zstd, br, gzip) for clients that accept it."""
    compress_type: tuple[str, ...] = ()
    """A media type to compress besides text, JSON and their like; text/event-stream only when it is named here."""
    compress_smallest: Size = 512
    """Bytes of content below which compressing is not worth it."""


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """How upstreams are called, and what happens when they fail."""

    timeout: Duration = 60.0
    """How long an upstream may take to be connected, to begin its answer, and between its pieces (504); 0: for ever."""
    tunnel_timeout: Duration = 600.0
    """How long a WebSocket, or a stream of events, may stay without a byte."""
    try_timeout: Duration = 0.0
    """How long it may take to begin its answer while another could be asked instead; 0: as --timeout."""
    retries: int = 2
    """Upstreams tried after the first, where repeating does no harm."""
    retry_on: RetryOn = UNANSWERED
    """After which failures: connect, reset, timeout, invalid; with 502,503 such an answer is not taken either."""
    retry_budget: Share = 0.2
    """Retries under way are at most this share of the requests under way (10 always may); more wait for their turn."""
    breaker_failures: Count | None = None
    """Failures in a row after which an upstream gets no requests for a while; else 5, and of one that has no stand-in
    only failures to connect count."""
    breaker_pause: Duration = 5.0
    """For how long; doubled, up to a minute, when it fails again."""
    upstream_cacert: Path | None = None
    """The authorities (PEM) that https upstreams must be vouched for by; else the system's and the local CA."""
    upstream_insecure: bool = False
    """Take any certificate from https upstreams."""
    upstream_certificate: Path | None = None
    """The certificate (PEM) shown to https upstreams that ask for one."""
    upstream_key: Path | None = None
    """Its key, where it is not in the same file."""
    upstream_connections: Count = 4096
    """Connections to upstreams, kept and in use, besides tunnels."""
    connections_per_upstream: int = 0
    """Connections to one of them at most; 0 is no limit of its own."""
    upstream_idle_timeout: Duration = 30.0
    """How long a connection to an upstream is kept without use."""


@dataclass(frozen=True, kw_only=True)
class ReverseSettings(Connections, AdmissionSettings, CacheSettings, Upstream, Routing):
    """All of it; the order of the help is from the last base to the first."""

    max_body: Size = 1 << 40
    """Bytes of content a request may have (413 above); it is passed on as it comes, so this costs no memory."""

    def __post_init__(self) -> None:
        if self.client_certificates != "none" and not self.tls:
            raise UsageError(f"--client-certificates {self.client_certificates} needs --tls: they are shown in it")
        if self.certificate and not self.tls:
            raise UsageError("--certificate needs --tls")
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this proxy")
            self.tls_listen.refuse_exposure("--tls-listen", "this proxy")

    def gateway_settings(self) -> GatewaySettings:
        return GatewaySettings(
            response_timeout=self.timeout,
            tunnel_timeout=self.tunnel_timeout,
            per_origin=self.connections_per_upstream or self.upstream_connections,
            connections=self.upstream_connections,
            idle_timeout=self.upstream_idle_timeout,
        )

    def mechanisms(self) -> set[str]:
        """By which the routes ask who somebody is."""
        return {mechanism for rule in self.route for mechanism in rule.mechanisms} - {"none"}

    def breaker_rules(self) -> BreakerRules:
        return BreakerRules(failures=self.breaker_failures or 5, pause=self.breaker_pause)

    @property
    def admits_everyone(self) -> bool:
        """Whether nothing stands before the routes that looks at who asks, or at each request."""
        guarded = self.auth or self.limit or self.cors or self.trust or self.maintenance
        return not (guarded or self.access_log is not None)
