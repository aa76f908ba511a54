"""What `netlab load` itself can ask for, on one core."""

from __future__ import annotations

from bench.loads.netlab_load import NetlabLoad
from bench.loads.wrk import Wrk
from bench.model import Case, Limit, Row
from bench.peers.nginx import Nginx
from bench.rows.http import HELLO

NGINX = Nginx(server=HELLO)
RATE = 20_000

load = Row(
    name="load.http",
    about="netlab load itself: GET /hello of nginx on 64 connections, as fast as it is answered, and at 20,000/s",
    columns=("rate", "cpu", "core", "load_cpu", "load_core", "p50", "p99"),
    cases=(
        Case(name="closed", server=NGINX, load=NetlabLoad(path="/hello", length=13)),
        Case(name="open", server=NGINX, load=NetlabLoad(path="/hello", length=13, rate=RATE)),
        Case(
            name="open, Poisson", server=NGINX, load=NetlabLoad(path="/hello", length=13, rate=RATE, arrivals="poisson")
        ),
        Case(name="wrk", server=NGINX, load=Wrk(path="/hello", length=13)),
    ),
    claims=(
        Limit(of="closed", metric="rate", unit="requests/s", at_least=20_000),
        Limit(of="open", metric="rate", unit="requests/s", at_least=19_500, binding=False),
        Limit(of="open, Poisson", metric="rate", unit="requests/s", at_least=19_500, binding=False),
    ),
)

ROWS = (load,)
