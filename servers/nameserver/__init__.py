"""The nameserver: answers with authority for the zones of its files, or for a small world of its own."""

from __future__ import annotations

from servers.nameserver.config import Config
from servers.nameserver.server import Server

__all__ = ["EXAMPLES", "TRY", "WORKERS", "Config", "Server"]

TRY = "dig @{host} -p {port} test NS +norecurse"
"""What `netlab up` proposes."""
EXAMPLES = (
    (
        "netlab serve nameserver",
        "root, top-level domains and zones of the lab's world, on 127.0.53.1 and up",
    ),
    ("dig @127.0.53.3 -p 5300 www.shop.test +norecurse", "ask one of the world's servers"),
    ("netlab serve nameserver --zone shop.test.zone --listen 127.0.0.1:5301", "one zone from its master file"),
    ("dig @127.0.0.1 -p 5301 shop.test AXFR", "the whole zone (who may: --transfer)"),
)
WORKERS = False
