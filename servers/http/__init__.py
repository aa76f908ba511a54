"""HTTP/1.1 server: files, and built-in paths that show a request or answer in every way."""

from __future__ import annotations

from servers.http.config import Config
from servers.http.server import Server

__all__ = ["EXAMPLES", "IN_THE_LAB", "TRY", "Config", "Server"]

TRY = "curl -i {url}/hello"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve http", "the built-in paths on http://127.0.0.1:8080"),
    ("netlab serve http --root .", "this folder"),
    ("netlab serve http --tls", "the same over TLS too, on 8443, with a certificate of the local CA"),
    ("netlab serve http --host www.shop.test=shop --host '*.test=sites'", "folders by the name that is asked for"),
    ("netlab serve http --root . --auth /private=basic,digest --users users.txt", "a part for those who are known"),
    ("netlab serve http --limit 10/s --limit /api=100/m:user --cors '*'", "rate limits; pages of any origin may read"),
    ("netlab serve http --echo --listen 127.0.0.1:0", "every request answered with its own content, on a free port"),
)

IN_THE_LAB = {"tls": True}
"""What `netlab up` sets unless a file says otherwise."""
