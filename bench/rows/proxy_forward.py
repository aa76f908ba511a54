"""A forward proxy: plain requests, tunnels, and TLS that is looked into, beside squid, proxy.py and mitmdump."""

from __future__ import annotations

from bench.loads.intercepted import Intercepted
from bench.loads.tunnels import Tunnels
from bench.loads.wrk import Wrk
from bench.model import Case, Load, Ratio, Row
from bench.peers.behind import Before, Proxy
from bench.peers.mitmdump import Mitmdump
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx
from bench.peers.proxy_py import ProxyPy
from bench.peers.squid import Squid
from bench.rows.proxy_reverse import COLUMNS, KIBIBYTE, SMALL

ORIGIN = Nginx(server=SMALL, files=(("bulk", 64 << 20),))
SECURE = Nginx(server=SMALL, tls=True)

NETLAB, SQUID, PROXY_PY = Netlab(service="forward-proxy"), Squid(), ProxyPy()
OPENING = Netlab(service="forward-proxy", record="full", flags=("--intercept", "localhost", "--upstream-insecure"))


def case(name: str, proxy: Proxy, load: Load) -> Case:
    return Case(name=name, server=Before(proxy=proxy, upstream=ORIGIN), load=load)


GET = Wrk(path="/1k", length=KIBIBYTE, through=True)
BULK = Tunnels(path="/bulk")
INSIDE = Intercepted(path="/1k", length=KIBIBYTE)

get = Row(
    name="proxy.forward-1k",
    about="forward proxy, GET of 1 KiB that is never kept; 64 connections",
    columns=COLUMNS,
    cases=(case("netlab", NETLAB, GET), case("squid", SQUID, GET), case("proxy.py", PROXY_PY, GET)),
    claims=(
        Ratio(of="netlab", to=("squid",), at_least=2.0),
        Ratio(of="netlab", to=("proxy.py",), at_least=2.0),
    ),
)

connect = Row(
    name="proxy.connect",
    about="CONNECT: two tunnels, each pulling 64 MiB over and over",
    unit="MB",
    columns=COLUMNS,
    cases=(case("netlab", NETLAB, BULK), case("squid", SQUID, BULK)),
    claims=(Ratio(of="netlab", to=("squid",), at_least=1.3),),
)

intercept = Row(
    name="proxy.intercept",
    about="TLS intercepted and recorded in full: GET of 1 KiB; 16 connections that stay",
    columns=COLUMNS,
    cases=tuple(
        Case(name=name, server=Before(proxy=proxy, upstream=SECURE), load=INSIDE)
        for name, proxy in (("netlab", OPENING), ("mitmdump", Mitmdump()))
    ),
    claims=(Ratio(of="netlab", to=("mitmdump",), at_least=10.0),),
)

ROWS = (get, connect, intercept)
