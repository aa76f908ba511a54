"""Files over HTTP/1.1: throughput beside nginx's sendfile, and memory while a large one is on its way."""

from __future__ import annotations

from bench.loads.download import Download
from bench.loads.wrk import Wrk
from bench.model import Case, Limit, Ratio, Row
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx

MEGABYTE = ("megabyte.bin", 1 << 20)
GIGABYTE = ("gigabyte.bin", 1 << 30)
SMALL = ("small.bin", 1000)

LOAD = Wrk(path="/megabyte.bin", length=1 << 20, connections=16, megabytes=True)
DOWNLOAD = Download(path="/gigabyte.bin", size=1 << 30, first="/small.bin")
SLOW = Download(path="/gigabyte.bin", size=1 << 30, first="/small.bin", limit_rate="200M")
PLAIN, SECURE = Netlab(files=(SMALL, GIGABYTE)), Netlab(files=(SMALL, GIGABYTE), tls=True)

file = Row(
    name="http.file-1m",
    about="a file of 1 MiB on 16 connections; nginx with sendfile",
    unit="MB",
    cases=(
        Case(name="netlab", server=Netlab(files=(MEGABYTE,)), load=LOAD),
        Case(name="nginx", server=Nginx(files=(MEGABYTE,)), load=LOAD),
    ),
    claims=(Ratio(of="netlab", to=("nginx",), at_least=0.7),),
)

download = Row(
    name="http.download-1g",
    about="one download of 1 GiB: how much the server's memory grows; slow: the reader takes 200 MiB/s",
    unit="MB",
    columns=("rate", "cpu", "cost", "load_cpu", "growth"),
    cases=(
        Case(name="plain", server=PLAIN, load=DOWNLOAD, fresh=True),
        Case(name="plain, slow", server=PLAIN, load=SLOW, fresh=True),
        Case(name="TLS", server=SECURE, load=DOWNLOAD, fresh=True),
        Case(name="TLS, slow", server=SECURE, load=SLOW, fresh=True),
    ),
    claims=tuple(
        Limit(of=name, metric="growth", unit="MB", at_most=20) for name in ("plain", "plain, slow", "TLS", "TLS, slow")
    ),
)

ROWS = (file, download)
