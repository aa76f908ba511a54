"""A layer 4 balancer before one upstream: new connections, bulk, and what idle ones cost."""

from __future__ import annotations

from bench.loads.idle import Idle
from bench.loads.wrk import Wrk
from bench.model import Case, Limit, Load, Ratio, Row
from bench.peers.behind import Before, Proxy
from bench.peers.haproxy import Haproxy
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx
from bench.peers.nginx_stream import NginxStream
from bench.rows.http import HELLO
from bench.rows.proxy_reverse import COLUMNS

BULK = 64 << 20
CLOSING = Nginx(http="keepalive_timeout 0;", server=HELLO)
"""Closes each connection behind its answer."""
ORIGIN = Nginx(server=HELLO, files=(("bulk", BULK),))

NETLAB = Netlab(service="l4-balancer", flags=("--to", "{upstream}", "--status-listen", "127.0.0.1:0"))
SPLICED = Haproxy(mode="tcp", settings="maxpipes 256", defaults="option splice-request\n    option splice-response")
"""Its `splice-auto` does not splice here."""
PROXIES: dict[str, Proxy] = {"netlab": NETLAB, "haproxy": SPLICED, "nginx stream": NginxStream()}


def cases(load: Load, upstream: Nginx) -> tuple[Case, ...]:
    return tuple(
        Case(name=name, server=Before(proxy=proxy, upstream=upstream), load=load) for name, proxy in PROXIES.items()
    )


connect = Row(
    name="l4.connect",
    about="layer 4 balancer, GET /hello on a new connection each; 64 at once",
    columns=COLUMNS,
    cases=cases(Wrk(path="/hello", length=13, fields=(("Connection", "close"),)), CLOSING),
    claims=(Ratio(of="netlab", to=("haproxy",), at_least=0.6), Ratio(of="netlab", to=("nginx stream",))),
)

bulk = Row(
    name="l4.bulk",
    about="layer 4 balancer, 64 MiB over and over on two connections; haproxy with splicing forced",
    unit="MB",
    columns=COLUMNS,
    cases=cases(Wrk(path="/bulk", length=BULK, connections=2, megabytes=True), ORIGIN),
    claims=(
        Ratio(of="netlab", to=("haproxy",), at_least=0.95),
        Ratio(of="netlab", to=("nginx stream",), at_least=1.3),
    ),
)

idle = Row(
    name="l4.open-5k",
    about="5,000 connections through the layer 4 balancer that have made one request each and stay",
    unit="connections",
    columns=("memory", "idle", "each", "rate"),
    cases=(
        Case(
            name="netlab",
            server=Before(proxy=NETLAB, upstream=ORIGIN),
            load=Idle(
                greeting=b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                answer=b"HTTP/1.1 200 OK\r\n",
                connections=5_000,
            ),
            fresh=True,
        ),
    ),
    claims=(Limit(of="netlab", metric="memory", unit="MB", at_most=120),),
)

ROWS = (connect, bulk, idle)
