"""Layer 4 load balancer: connections and datagrams to several upstreams, with PROXY headers, SNI routing and TLS."""

from __future__ import annotations

from servers.l4_balancer.config import Config
from servers.l4_balancer.server import Server

__all__ = ["EXAMPLES", "TRY", "Config", "Server"]

TRY = "curl http://{host}:{port}/hello"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve l4-balancer --to :9101 --to :9102 --balance least_connections", "two that stand in for each other"),
    ("netlab serve l4-balancer --to ':9101*3' --to :9102 --backup :9103", "shares, and one for bad times"),
    (
        "netlab serve l4-balancer --route 'sni=*.shop.test to=:9443' --route 'alpn=h2 to=:9444' --to :9445",
        "by what a ClientHello asks for, without decryption",
    ),
    (
        "netlab serve l4-balancer --to :9101 --send-proxy-protocol v2 --tell unique-id",
        "upstreams are told of the client",
    ),
    ("netlab serve l4-balancer --to :9101 --tls", "TLS ends here"),
    ("netlab serve l4-balancer --protocol both --to 127.0.0.1:5300 --listen :5301", "DNS, over UDP and TCP"),
)
