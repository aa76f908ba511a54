"""Small answers over HTTP/1.1, and what recording costs them."""

from __future__ import annotations

from bench.loads.wrk import Wrk
from bench.model import Case, Ratio, Row, Server
from bench.peers.asgi import Granian, Uvicorn
from bench.peers.bare import Bare
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx

BROWSER = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "http://127.0.0.1/index.html"),
    ("Cookie", "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Mode", "navigate"),
)
SMALL = Wrk(path="/hello", length=13)
SMALL_PIPELINED = Wrk(path="/hello", length=13, pipeline=16)
FIELDS = Wrk(path="/hello", length=13, fields=BROWSER)
FIELDS_PIPELINED = Wrk(path="/hello", length=13, fields=BROWSER, pipeline=16)

HELLO = 'location = /hello { return 200 "Hello, World!"; }'
NETLAB, NGINX, GRANIAN, UVICORN = Netlab(), Nginx(server=HELLO), Granian(), Uvicorn()
NO_MEMO = Netlab(flags=("--field-memo", "0"))
SERVERS: dict[str, Server] = {"netlab": NETLAB, "nginx": NGINX, "granian": GRANIAN, "uvicorn": UVICORN}


def cases(servers: dict[str, Server], load: Wrk, suffix: str = "") -> tuple[Case, ...]:
    return tuple(Case(name=name + suffix, server=server, load=load) for name, server in servers.items())


small = Row(
    name="http.small",
    about="GET /hello, 13 bytes, with wrk's own field (Host); 64 connections; pipelined: 16 requests in one write",
    cases=cases({**SERVERS, "bare loop": Bare()}, SMALL) + cases(SERVERS, SMALL_PIPELINED, " pipelined"),
    claims=(
        Ratio(of="netlab", to=("nginx",), at_least=0.65),
        Ratio(of="netlab", to=("granian",), at_least=1.3),
        Ratio(of="netlab", to=("uvicorn",)),
        Ratio(of="netlab", to=("bare loop",)),
        Ratio(of="bare loop", to=("granian",)),
        Ratio(of="netlab pipelined", to=("nginx pipelined",)),
        Ratio(of="netlab pipelined", to=("granian pipelined",)),
        Ratio(of="netlab pipelined", to=("uvicorn pipelined",)),
    ),
)

fields = Row(
    name="http.fields",
    about="the same with eight fields of a browser; no memo: no connection's last field block is remembered",
    cases=cases({"netlab": NETLAB, "netlab, no memo": NO_MEMO, **SERVERS}, FIELDS)
    + cases({"netlab": NETLAB, "netlab, no memo": NO_MEMO, **SERVERS}, FIELDS_PIPELINED, " pipelined"),
    claims=(
        Ratio(of="netlab", to=("nginx",), at_least=0.45),
        Ratio(of="netlab", to=("uvicorn",), at_least=1.8),
        Ratio(of="netlab", to=("granian",)),
        Ratio(of="netlab, no memo", to=("nginx",)),
        Ratio(of="netlab, no memo", to=("uvicorn",)),
        Ratio(of="netlab pipelined", to=("nginx pipelined",)),
        Ratio(of="netlab, no memo pipelined", to=("nginx pipelined",)),
    ),
)

levels = Row(
    name="http.levels",
    about="GET /hello at each recording level",
    cases=cases({f"record {level}": Netlab(record=level) for level in ("off", "summary", "full")}, SMALL),
    claims=(
        Ratio(of="record summary", to=("record off",), at_least=0.95, binding=False),
        Ratio(of="record full", to=("record off",), at_least=0.6, binding=False),
    ),
)

tls = Row(
    name="tls.small",
    about="https GET /hello on 64 connections that stay; the same kind of certificate (P-256), TLS 1.3",
    cases=cases({"netlab": Netlab(tls=True), "nginx": Nginx(server=HELLO, tls=True)}, SMALL),
    claims=(Ratio(of="netlab", to=("nginx",)),),
)

ROWS = (small, fields, levels, tls)
