"""Memory of idle keep-alive connections over HTTP/1.1."""

from __future__ import annotations

from bench.loads.idle import Idle
from bench.model import Case, Limit, Row
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx
from bench.rows.http import HELLO

LOAD = Idle(greeting=b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", answer=b"HTTP/1.1 200 OK\r\n")

idle = Row(
    name="http.idle-10k",
    about="10,000 idle keep-alive connections that have made one request each",
    unit="connections",
    columns=("memory", "idle", "each", "rate"),
    cases=(
        Case(name="netlab", server=Netlab(), load=LOAD, fresh=True),
        Case(name="nginx", server=Nginx(server=HELLO), load=LOAD, fresh=True),
    ),
    claims=(Limit(of="netlab", metric="memory", unit="MB", at_most=120),),
)

ROWS = (idle,)
