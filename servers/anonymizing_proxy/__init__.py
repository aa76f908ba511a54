"""Anonymizing proxy: three levels of what origins learn, exits that rotate, HTTP, CONNECT and SOCKS on one port."""

from __future__ import annotations

import sys

from netlab.http.exits import ExitSetting
from servers.anonymizing_proxy.config import Config
from servers.anonymizing_proxy.server import Server

__all__ = ["EXAMPLES", "IN_THE_LAB", "TRY", "Config", "Server"]

IN_THE_LAB = {"exit": (ExitSetting.parse("127.0.118.0/29"),)} if sys.platform == "linux" else {}
"""In the lab, origins on loopback see a client's requests come from one of these."""

TRY = "curl -x {url} http://www.shop.test/headers"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve anonymizing-proxy", "on http://127.0.0.1:8118; that address tells what each level does"),
    ("netlab serve anonymizing-proxy --level elite --intercept '*'", "like a browser, inside of https too"),
    (
        "netlab serve anonymizing-proxy --exit 127.0.1.0/28 --rotate round_robin",
        "origins here see 14 addresses in turn",
    ),
    ("netlab serve anonymizing-proxy --exit socks5://127.0.0.1:9050 --exit direct --rotate failover", "through Tor"),
    ("curl -x http://127.0.0.1:8118 --proxy-header 'Anonymity-Level: elite' http://…", "another level for one request"),
)
