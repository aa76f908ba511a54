"""A reverse proxy before one upstream: small answers and larger ones, beside nginx, haproxy and caddy."""

from __future__ import annotations

from bench.loads.wrk import Wrk
from bench.model import Case, Ratio, Row
from bench.peers.behind import Before, Proxy
from bench.peers.caddy import Caddy
from bench.peers.haproxy import Haproxy
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx

KIBIBYTE, HUNDRED = 1 << 10, 100 << 10
SMALL = f'location = /1k {{ return 200 "{"x" * KIBIBYTE}"; }}'
ORIGIN = Nginx(http="open_file_cache max=100;", server=SMALL, files=(("100k", HUNDRED),))
"""What stands behind every proxy, on the load's core: the cheapest upstream at hand."""

POOL = "upstream origin { server {upstream}; keepalive 256; keepalive_requests 1000000000; }"
PASS_ON = """\
location / {
    proxy_pass http://origin;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_max_temp_file_size 0;
    proxy_buffer_size 16k;
    proxy_buffers 8 32k;
    proxy_busy_buffers_size 128k;
}
"""
PROXIES: dict[str, Proxy] = {
    "netlab": Netlab(service="reverse-proxy", flags=("--to", "http://{upstream}")),
    "nginx": Nginx(http=POOL, server=PASS_ON),
    "haproxy": Haproxy(settings="tune.bufsize 65536"),
    "caddy": Caddy(),
}
COLUMNS = ("rate", "cpu", "core", "cost", "upstream_cpu", "load_cpu", "load_core", "p50", "p99")


def cases(load: Wrk, suffix: str = "") -> tuple[Case, ...]:
    return tuple(
        Case(name=name + suffix, server=Before(proxy=proxy, upstream=ORIGIN), load=load)
        for name, proxy in PROXIES.items()
    )


small = Row(
    name="proxy.reverse-1k",
    about="reverse proxy, 1 KiB; 64 connections; one: a single connection",
    columns=COLUMNS,
    cases=cases(Wrk(path="/1k", length=KIBIBYTE)) + cases(Wrk(path="/1k", length=KIBIBYTE, connections=1), ", one"),
    claims=(
        Ratio(of="netlab", to=("nginx", "haproxy"), at_least=0.6),
        Ratio(of="netlab", to=("caddy",), at_least=2.5),
        Ratio(of="netlab, one", to=("nginx, one", "haproxy, one")),
    ),
)

large = Row(
    name="proxy.reverse-100k",
    about="reverse proxy, 100 KiB; 64 connections",
    unit="MB",
    columns=COLUMNS,
    cases=cases(Wrk(path="/100k", length=HUNDRED, megabytes=True)),
    claims=(
        Ratio(of="netlab", to=("nginx", "haproxy"), at_least=0.75),
        Ratio(of="netlab", to=("caddy",)),
    ),
)

ROWS = (small, large)
