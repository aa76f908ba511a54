"""How soon a person who typed a command can go on."""

from __future__ import annotations

from bench.loads.ready import Ready
from bench.model import Case, Limit, Row

ready = Row(
    name="cli.ready",
    about="from the command to the line that says where it serves",
    unit="starts",
    columns=("rate", "p50"),
    cases=(
        Case(name="serve http", load=Ready(arguments=("serve", "http", "-q", "--listen", "127.0.0.1:0"))),
        Case(name="with TLS", load=Ready(arguments=("serve", "http", "-q", "--tls", "--listen", "127.0.0.1:0"))),
    ),
    claims=(Limit(of="serve http", metric="p50", at_most=600.0, unit="ms"),),
)

ROWS = (ready,)
