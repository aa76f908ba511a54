"""What a normal client waits for while thousands of others never finish their requests' heads."""

from __future__ import annotations

from bench.loads.beset import Beset
from bench.loads.steady import Steady
from bench.model import Case, Ratio, Row
from bench.peers.netlab import Netlab

# They must stay for the whole measurement: by default netlab ends them after 20 s.
NETLAB = Netlab(flags=("--header-timeout", "120s"))
CLIENT = Steady(path="/hello", length=13)
HEAD = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/5.0\r\nX-Slow: "

slowloris = Row(
    name="http.slowloris",
    about="GET /hello 500 times a second, while 2,000 connections send one byte a second of a request's head",
    columns=("rate", "p50", "p99"),
    cases=(
        Case(name="without them", server=NETLAB, load=CLIENT, fresh=True),
        Case(name="with them", server=NETLAB, load=Beset(load=CLIENT, head=HEAD), fresh=True),
    ),
    claims=(Ratio(of="with them", to=("without them",), metric="p99", at_most=2.0),),
)

ROWS = (slowloris,)
