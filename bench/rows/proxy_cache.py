"""A shared cache that has the answer already: small ones and larger ones, beside nginx's proxy_cache and varnish."""

from __future__ import annotations

from bench.loads.wrk import Wrk
from bench.model import Case, Ratio, Row
from bench.peers.behind import Before, Proxy
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx
from bench.peers.varnish import Varnish

KIBIBYTE, HUNDRED = 1 << 10, 100 << 10
ORIGIN = Nginx(server='add_header Cache-Control "max-age=3600";', files=(("1k", KIBIBYTE), ("100k", HUNDRED)))
"""Asked once for each; what it says is good for longer than a row takes."""

PROXIES: dict[str, Proxy] = {
    "netlab": Netlab(service="reverse-proxy", flags=("--cache", "--to", "http://{upstream}")),
    "nginx": Nginx(
        http="proxy_cache_path cache keys_zone=kept:10m; open_file_cache max=100;",
        # with tcp_nopush the end of a larger answer waits for the client's delayed acknowledgement
        server="tcp_nopush off; location / { proxy_cache kept; proxy_pass http://{upstream}; }",
    ),
    "varnish": Varnish(),
}
BROWSER = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
)


def cases(load: Wrk, suffix: str = "") -> tuple[Case, ...]:
    return tuple(
        Case(name=name + suffix, server=Before(proxy=proxy, upstream=ORIGIN), load=load)
        for name, proxy in PROXIES.items()
    )


small = Row(
    name="proxy.cache-1k",
    about="a hit of 1 KiB, 64 connections; one: a single connection; fields: six of a browser's in each request",
    cases=(
        cases(Wrk(path="/1k", length=KIBIBYTE))
        + cases(Wrk(path="/1k", length=KIBIBYTE, connections=1), ", one")
        + cases(Wrk(path="/1k", length=KIBIBYTE, fields=BROWSER), ", fields")
    ),
    claims=(
        Ratio(of="netlab", to=("nginx",), at_least=1.0),
        Ratio(of="netlab", to=("varnish",), at_least=1.5),
        Ratio(of="netlab, one", to=("nginx, one",)),
        Ratio(of="netlab, fields", to=("nginx, fields",)),
    ),
)

large = Row(
    name="proxy.cache-100k",
    about="a hit of 100 KiB, 64 connections",
    unit="MB",
    cases=cases(Wrk(path="/100k", length=HUNDRED, megabytes=True)),
    claims=(
        Ratio(of="netlab", to=("nginx",), at_least=0.75),
        Ratio(of="netlab", to=("varnish",)),
    ),
)

ROWS = (small, large)
