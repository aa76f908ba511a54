"""Names that a resolver knows, over UDP."""

from __future__ import annotations

from bench.loads.dnsperf import Dnsperf
from bench.model import Case, Ratio, Row
from bench.peers.behind import Before
from bench.peers.dns import Dnsmasq, Unbound, Zone
from bench.peers.netlab import Netlab

NETLAB = Netlab(service="resolver", flags=("--forward", "test={upstream}"))
LOAD = Dnsperf()

hits = Row(
    name="dns.hits",
    about="1,000 names that are in the cache, over UDP with EDNS; each resolver forwards test. to the same nameserver",
    unit="questions",
    cases=(
        Case(name="netlab", server=Before(proxy=NETLAB, upstream=Zone()), load=LOAD),
        Case(name="unbound", server=Before(proxy=Unbound(), upstream=Zone()), load=LOAD),
        Case(name="dnsmasq", server=Before(proxy=Dnsmasq(), upstream=Zone()), load=LOAD),
    ),
    claims=(
        Ratio(of="netlab", to=("unbound",), at_least=0.55),
        Ratio(of="netlab", to=("dnsmasq",), at_least=0.75),
    ),
)

ROWS = (hits,)
