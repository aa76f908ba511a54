"""The layer 7 balancer before two upstreams, beside haproxy and nginx; and what a pick costs among a thousand."""

from __future__ import annotations

from bench.loads.pick import Pick
from bench.loads.wrk import Wrk
from bench.model import Case, Limit, Ratio, Row
from bench.peers.behind import Before, Proxy
from bench.peers.haproxy import Haproxy
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx
from bench.rows.proxy_reverse import COLUMNS, KIBIBYTE, ORIGIN, PASS_ON

TO = ("--to", "http://{upstream}", "--to", "http://{twin}", "--status-listen", "127.0.0.1:0")
POOL = "upstream origin { server {upstream}; server {twin}; keepalive 256; keepalive_requests 1000000000; }"
BALANCERS: dict[str, Proxy] = {
    "netlab": Netlab(service="l7-balancer", flags=TO),
    "peak_ewma": Netlab(service="l7-balancer", flags=(*TO, "--balance", "peak_ewma")),
    "haproxy": Haproxy(backend="balance roundrobin\n    server one {upstream}\n    server two {twin}"),
    "nginx": Nginx(http=POOL, server=PASS_ON),
}

small = Row(
    name="balance.l7-1k",
    about="layer 7, two upstreams, 1 KiB; 64 connections; round_robin where nothing else is said",
    columns=COLUMNS,
    cases=tuple(
        Case(
            name=name,
            server=Before(proxy=proxy, upstream=ORIGIN, two=True),
            load=Wrk(path="/1k", length=KIBIBYTE),
        )
        for name, proxy in BALANCERS.items()
    ),
    claims=(
        Ratio(of="netlab", to=("haproxy",), at_least=0.55),
        Ratio(of="netlab", to=("nginx",)),
        Ratio(of="peak_ewma", to=("netlab",), at_least=0.9),
    ),
)

QUICK = ("round_robin", "random", "power_of_two_choices", "peak_ewma", "source_hash", "ring_hash", "maglev", "first")
LINEAR = ("weighted_round_robin", "least_connections")

pick = Row(
    name="balance.pick",
    about="one pick among 1,000 upstreams, without a record of the decision",
    unit="picks",
    columns=("rate", "p50"),
    cases=tuple(Case(name=name, load=Pick(balance=name, among=1000)) for name in (*QUICK, *LINEAR)),
    claims=(
        *(Limit(of=name, metric="p50", at_most=0.005, unit="ms") for name in QUICK),
        *(Limit(of=name, metric="p50", at_most=0.1, unit="ms") for name in LINEAR),
    ),
)

ROWS = (small, pick)
