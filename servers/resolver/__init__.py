"""The resolver: names to answers by iteration from a root, with a cache; over UDP, TCP, TLS and HTTPS."""

from __future__ import annotations

from servers.resolver.config import Config
from servers.resolver.server import Server

__all__ = ["EXAMPLES", "IN_THE_LAB", "TRY", "Config", "Server"]

TRY = "dig @{host} -p {port} www.shop.test"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve resolver", "the lab's names on 127.0.0.1:5300, from netlab's own root (netlab serve nameserver)"),
    ("netlab serve resolver --root-hints named.root --upstream-port 53", "the Internet's names, from its root"),
    ("netlab serve resolver --forward .=9.9.9.9:53 --forward shop.test=127.0.53.3:5300", "ask others, by zone"),
    ("netlab serve resolver --block ads.txt --hosts hosts.txt", "block lists, and names of one's own"),
    ("netlab serve resolver --tls --https", "DNS over TLS on 8530, over HTTPS on 8531"),
    ("dig @127.0.0.1 -p 5300 www.shop.test", "ask it"),
)

IN_THE_LAB = {"tls": True, "https": True}
"""What `netlab up` sets unless a file says otherwise."""
