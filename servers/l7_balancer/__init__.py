"""Layer 7 load balancer: pools of upstreams, checked, ejected, drained, steered while it runs; every pick explained."""

from __future__ import annotations

from servers.l7_balancer.config import Config
from servers.l7_balancer.server import Server

__all__ = ["EXAMPLES", "TRY", "Config", "Server"]

TRY = "curl -i {url}/hello"
"""What `netlab up` proposes."""
EXAMPLES = (
    (
        "netlab serve l7-balancer --to 127.0.0.1:9101 --to 127.0.0.1:9102 --balance least_connections",
        "two upstreams behind http://127.0.0.1:8082; how they are is on http://127.0.0.1:8092",
    ),
    (
        "netlab serve l7-balancer --to ':9101*3' --to :9102 --balance weighted_round_robin",
        "three quarters to the first",
    ),
    (
        "netlab serve l7-balancer --to :9101 --to :9102 --check http:/hello,status=200 --rise 2 --fall 3",
        "nothing for who does not answer /hello",
    ),
    ("netlab serve l7-balancer --to :9101 --to :9102 --sticky cookie", "a client stays with its upstream"),
    (
        "netlab serve l7-balancer --pool 'api to=:9101,:9102 balance=maglev hash-on=header:X-User' --pool "
        "'canary to=:9103' --route 'share=5% pool=canary' --route 'path=/ pool=api'",
        "named pools, and one request in twenty to a canary",
    ),
    ("netlab balancer drain 127.0.0.1:9101", "from another terminal: no new work for one of them"),
)
