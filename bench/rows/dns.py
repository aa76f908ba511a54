"""A resolver's work over UDP: names that it knows, names it has to ask for, many of them, and a flood of others."""

from __future__ import annotations

from bench.loads.dnsperf import Distinct, Dnsperf, Fill
from bench.loads.flooded import Flooded
from bench.model import Case, Limit, Ratio, Row
from bench.peers.behind import Before
from bench.peers.dns import Dnsmasq, FromTheRoot, Unbound, Zone
from bench.peers.netlab import Netlab

NETLAB = Netlab(service="resolver", flags=("--forward", "test={upstream}"))
LOAD = Dnsperf()
FORWARDING = (
    ("netlab", Before(proxy=NETLAB, upstream=Zone())),
    ("unbound", Before(proxy=Unbound(), upstream=Zone())),
    ("dnsmasq", Before(proxy=Dnsmasq(), upstream=Zone())),
)
ITERATING = (
    ("netlab", Before(proxy=FromTheRoot(), upstream=Zone(root=True))),
    ("unbound", Before(proxy=Unbound(root=True), upstream=Zone(root=True))),
)

hits = Row(
    name="dns.hits",
    about="1,000 names that are in the cache, over UDP with EDNS; each resolver forwards test. to the same nameserver",
    unit="questions",
    columns=("rate", "cpu", "core", "cost", "load_cpu", "load_core", "lost"),
    cases=tuple(Case(name=name, server=server, load=LOAD) for name, server in FORWARDING),
    claims=(
        Ratio(of="netlab", to=("unbound",), at_least=0.55),
        Ratio(of="netlab", to=("dnsmasq",), at_least=0.75),
        Ratio(of="netlab", to=("unbound", "dnsmasq"), metric="lost", at_most=1),
    ),
)

cold = Row(
    name="dns.cold",
    about="names that nobody has asked for before, through a world of one level: its root has them all",
    unit="questions",
    columns=("rate", "cpu", "core", "cost", "load_cpu", "load_core", "upstream_cpu", "lost"),
    cases=tuple(Case(name=name, server=server, load=Distinct()) for name, server in ITERATING),
    claims=(Ratio(of="netlab", to=("unbound",), at_least=0.15),),
)

names = Row(
    name="dns.200k-names",
    about="200,000 names in the cache, each asked for once",
    unit="names",
    columns=("memory",),
    cases=tuple(Case(name=name, server=server, load=Fill()) for name, server in ITERATING),
    claims=(Limit(of="netlab", metric="memory", unit="MB", at_most=250),),
)

flood = Row(
    name="dns.flood",
    about="1,000 known names asked for 500 times a second, while 20,000 a second are asked for that are not there",
    unit="questions",
    columns=("rate", "cpu", "core", "answered", "p50", "p99", "growth"),
    cases=tuple(Case(name=name, server=server, load=Flooded()) for name, server in FORWARDING),
    claims=(
        Limit(of="netlab", metric="answered", unit="%", at_least=99),
        Limit(of="netlab", metric="growth", unit="MB", at_most=100),
    ),
)

ROWS = (hits, cold, names, flood)
