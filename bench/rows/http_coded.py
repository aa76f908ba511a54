"""Coded content over HTTP/1.1: netlab from its cache of coded bodies, nginx from a file compressed beforehand."""

from __future__ import annotations

import gzip
import json
import random

from bench.loads.wrk import Wrk
from bench.model import Case, Ratio, Row
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx

SIZE = 100 << 10
STREETS = ("Mill Lane", "Station Road", "Church Street", "Am Markt", "Rue de la Paix", "Calle Mayor", "Storgatan")
THINGS = ("lamp, brass", "kettle 1.7 l", "oak shelf", "wool blanket", "desk chair", "rain barrel", "paper, A4", "step")
STATES = ("open", "paid", "sent", "delivered", "returned")


def orders(size: int) -> bytes:
    """Orders of a shop as an API gives them, the same at every call; blanks at the end fill it up to `size` bytes."""
    chance = random.Random(1952)
    shown: list[bytes] = []
    while sum(map(len, shown)) + 2 * len(shown) < size - 1000:
        shown.append(json.dumps(_order(chance, 10_000 + len(shown))).encode())
    return (b"[" + b", ".join(shown) + b"]").ljust(size)


def _order(chance: random.Random, number: int) -> dict[str, object]:
    lines = [
        {"thing": chance.choice(THINGS), "count": chance.randint(1, 9), "cents": chance.randint(99, 99_999)}
        for _ in range(chance.randint(1, 4))
    ]
    return {
        "id": f"{chance.getrandbits(64):016x}",
        "number": number,
        "state": chance.choice(STATES),
        "placed": f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T{chance.randint(0, 23):02}:15:00Z",
        "address": {"street": f"{chance.choice(STREETS)} {chance.randint(1, 200)}", "code": chance.randint(1000, 9999)},
        "lines": lines,
        "note": None,
    }


JSON = ("orders.json", orders(SIZE))
SIDECAR = ("orders.json.gz", gzip.compress(JSON[1], 9, mtime=0))
LOAD = Wrk(path="/orders.json", length=SIZE, fields=(("Accept-Encoding", "gzip"),), coding="gzip")

coded = Row(
    name="http.gzip",
    about="a JSON file of 100 KiB in gzip on 64 connections; nginx with gzip_static and a file made at -9",
    cases=(
        Case(name="netlab", server=Netlab(files=(JSON,)), load=LOAD),
        Case(name="nginx", server=Nginx(server="gzip_static on;", files=(JSON, SIDECAR)), load=LOAD),
    ),
    claims=(Ratio(of="netlab", to=("nginx",), at_least=0.7),),
)

ROWS = (coded,)
