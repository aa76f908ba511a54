"""Reverse proxy: routes to groups of upstreams, with TLS, authentication, limits, retries and breakers before them."""

from __future__ import annotations

from servers.reverse_proxy.config import Config
from servers.reverse_proxy.server import Server

__all__ = ["EXAMPLES", "TRY", "Config", "Server"]

TRY = "curl -i {url}/hello"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve reverse-proxy --to http://127.0.0.1:9101", "everything to one upstream, on http://127.0.0.1:8081"),
    ("netlab serve reverse-proxy --to :9101 --to :9102 --retries 1", "two that stand in for each other"),
    (
        "netlab serve reverse-proxy --route 'path=/v1 to=:9101 strip=/v1' --route 'host=api.* to=:9102'",
        "by path and by host; the first route that matches counts",
    ),
    ("netlab serve reverse-proxy --to :9101 --tls --compress", "TLS too, on 8453; answers compressed on their way"),
    (
        "netlab serve reverse-proxy --to :9101 --route 'path=/admin auth=jwt roles=admin limit=10/s'",
        "a part for those who have a token with the role (see netlab token)",
    ),
    ("netlab serve reverse-proxy --to https://localhost:8443 --preserve-host", "TLS to the upstream, its name kept"),
    ("netlab serve reverse-proxy --to :9101 --tls --certificate shop.crt,shop.key", "a certificate of your own"),
)
