"""Forward proxy: HTTP, CONNECT and SOCKS on one port, every exchange a flow."""

from __future__ import annotations

from servers.forward_proxy.config import Config
from servers.forward_proxy.server import Server

__all__ = ["EXAMPLES", "TRY", "Config", "Server"]

TRY = "curl -x {url} http://www.shop.test/"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve forward-proxy", "a proxy on http://127.0.0.1:3128; that address tells how to use it"),
    ("netlab serve forward-proxy --tls", "clients may speak TLS to it as well"),
    ("netlab serve forward-proxy --rule 'deny to *.ads.test' --rule 'allow to 10.0.0.0/8'", "who may reach what"),
    ("netlab serve forward-proxy --users users.txt --limit 100/s", "for those who are known (see netlab passwd)"),
    ("netlab serve forward-proxy --intercept '*' --pass '*.bank.test'", "see inside of TLS, but for some"),
    ("netlab serve forward-proxy --rewrite 'http://api.test/* to http://127.0.0.1:9101/*'", "another server instead"),
    ("netlab serve forward-proxy --parent '*.onion=socks5://127.0.0.1:9050'", "some hosts through another proxy"),
)
