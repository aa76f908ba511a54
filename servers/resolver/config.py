"""What can be set for the resolver."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from netlab.config import Address, Count, Duration, Kind, Port, Size
from netlab.cores.dns_names import from_text, to_text
from netlab.errors import UsageError
from netlab.http.reverse_settings import TrustedNetwork
from netlab.policy.access import LOOPBACK
from netlab.text import host_port


@dataclass(frozen=True, slots=True)
class Forward:
    """Whom to ask about a zone instead of its servers, over UDP and, where that is cut, TCP; or over TCP alone."""

    zone: bytes
    host: str
    port: int
    tcp: bool = False

    @property
    def key(self) -> str:
        """What it is called where addresses are looked at: one host may forward at several ports."""
        return f"{'tcp://' * self.tcp}{host_port(self.host, self.port)}"

    @classmethod
    def parse(cls, text: str) -> Forward:
        zone, equals, where = text.partition("=")
        if not equals:
            raise ValueError("has no '=': ZONE=HOST:PORT, or .=HOST:PORT for all")
        tcp, where = where.startswith("tcp://"), where.removeprefix("tcp://").removeprefix("udp://")
        try:
            address = Address(str(ip_address(where.strip("[]"))), 53)
        except ValueError:
            address = Address.parse(where if ":" in where else f"{where}:53")
        host = "127.0.0.1" if address.host == "localhost" else address.host
        try:
            host = str(ip_address(host))
        except ValueError:
            reason = f"has {host!r} where an IP address is due; a resolver cannot look up the one it asks"
            raise ValueError(reason) from None
        return cls(parse_zone(zone or "."), host, address.port, tcp)


def parse_zone(text: str) -> bytes:
    try:
        return from_text(text).lower()
    except UsageError as error:
        raise ValueError(f"has no name of a zone: {error}") from None


ForwardRule = Annotated[
    Forward, Kind(parse=Forward.parse, allowed="ZONE=[tcp://]HOST:PORT", metavar="ZONE=[tcp://]HOST:PORT")
]
Zone = Annotated[bytes, Kind(parse=parse_zone, allowed="a domain name", metavar="ZONE", write=to_text)]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where to listen, where to begin, what to answer by itself, and how much to keep."""

    listen: Address = Address("127.0.0.1", 5300)
    """Where to listen, over UDP and TCP; port 0 takes a free one."""
    tls: bool = False
    """Answer over TLS as well (DoT)."""
    tls_listen: Address = Address("127.0.0.1", 8530)
    """Where to answer over TLS."""
    https: bool = False
    """Answer over HTTPS as well (DoH), at /dns-query."""
    https_listen: Address = Address("127.0.0.1", 8531)
    """Where to answer over HTTPS."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""
    allow: tuple[TrustedNetwork, ...] = LOOPBACK
    """Whose questions are answered; all others are refused (RFC 5358)."""
    root_hints: Path | None = None
    """The root's servers as a master file (named.root); without it, netlab's own root at 127.0.53.1."""
    upstream_port: Port = 5300
    """The port at which servers are asked: 53 on the Internet."""
    forward: tuple[ForwardRule, ...] = ()
    """Whom to ask about a zone and all below it; the longest zone counts, `.` is all. What is cut is asked for again
    over TCP; with `tcp://` before the host everything is."""
    qname_minimisation: Literal["yes", "no"] = "yes"
    """Tell servers no more of a name than they need (RFC 9156)."""
    ipv6: bool = True
    """Ask servers at their IPv6 addresses, too."""
    local: tuple[str, ...] = ()
    """A record of one's own, as a master file has it: 'www.shop.test 60 A 127.0.0.1'; `*.` is a wildcard."""
    hosts: tuple[Path, ...] = ()
    """A hosts file, whose names and addresses (PTR) are answered."""
    block: tuple[Path, ...] = ()
    """A block list: names, or a hosts file of them; each with all below it."""
    blocked: Literal["nxdomain", "null", "nodata", "refused"] = "nxdomain"
    """What is answered for a name that is blocked; null is 0.0.0.0 and ::."""
    special_use: bool = True
    """Answer names of special use by itself (RFC 6761): localhost, invalid, onion …"""
    rebinding: bool = True
    """Do not pass on private addresses for public names."""
    exempt: tuple[Zone, ...] = (from_text("test."), from_text("127.in-addr.arpa."))
    """Zones whose names may be of special use, and have private addresses: the lab's."""
    limit: int = 0
    """Questions a second that each client may ask; more are dropped. 0 is no limit."""
    cache: Size = 128 << 20
    """Bytes that the cache may have."""
    min_ttl: Duration = 0.0
    """Keep records at least so long."""
    max_ttl: Duration = 86_400.0
    """Keep records no longer."""
    serve_stale: Duration = 86_400.0
    """Give answers up to so long behind their time when nothing better is to be had (RFC 8767); 0 never."""
    max_queries: Count = 64
    """Queries to servers for one question."""
    max_recursions: Count = 500
    """Questions looked for at once; more are dropped until there is room."""
    max_connections: int = 1000
    """TCP and TLS connections open at once; 0 is no limit."""
    idle_timeout: Duration = 10.0
    """How long a connection may stay without a question."""

    def __post_init__(self) -> None:
        if not self.expose:
            for address, flag in ((self.listen, "--listen"), (self.tls_listen, "--tls-listen")):
                address.refuse_exposure(flag, "this server")
            self.https_listen.refuse_exposure("--https-listen", "this server")
