"""What proxies need in memory: for large content on its way, and for many tunnels that are open."""

from __future__ import annotations

from bench.loads.download import Download, Upload
from bench.loads.idle import Idle
from bench.model import Case, Limit, Load, Row
from bench.peers.behind import Before, Proxy
from bench.peers.bulk import Bulk
from bench.peers.netlab import Netlab
from bench.peers.nginx import Nginx
from bench.peers.squid import Squid
from bench.rows.proxy_reverse import SMALL

SIZE = 2 << 30
REVERSE = Netlab(service="reverse-proxy", flags=("--to", "http://{upstream}"))
FORWARD = Netlab(service="forward-proxy")


def loads(through: bool) -> dict[str, Load]:
    """Slow: who takes the content does not keep up with who sends it."""
    return {
        "down": Download(path=f"/{SIZE}", size=SIZE, first="/1000", through=through),
        "down, slow": Download(path=f"/{SIZE}", size=SIZE, first="/1000", through=through, limit_rate="400M"),
        "up": Upload(path="/sink", size=SIZE, first="/1000", through=through),
        "up, slow": Upload(path="/slow", size=SIZE, first="/1000", through=through),
    }


def cases(name: str, proxy: Proxy, *, through: bool) -> tuple[Case, ...]:
    server = Before(proxy=proxy, upstream=Bulk())
    return tuple(
        Case(name=f"{name} {way}", server=server, load=load, fresh=True) for way, load in loads(through).items()
    )


CASES = cases("reverse", REVERSE, through=False) + cases("forward", FORWARD, through=True)

body = Row(
    name="proxy.body-2g",
    about="one body of 2 GiB: how much the proxy's memory grows; slow: who takes it is slower than who sends it",
    unit="MB",
    columns=("rate", "cpu", "cost", "upstream_cpu", "load_cpu", "growth"),
    cases=CASES,
    claims=tuple(Limit(of=case.name, metric="growth", unit="MB", at_most=30) for case in CASES),
)

TUNNELS = Idle(
    greeting=b"GET /1k HTTP/1.1\r\nHost: origin\r\n\r\n", answer=b"HTTP/1.1 200 OK\r\n", connections=5_000, through=True
)

tunnels = Row(
    name="proxy.tunnels-5k",
    about="5,000 open tunnels that have each carried one request",
    unit="connections",
    columns=("memory", "idle", "each", "rate"),
    cases=tuple(
        Case(name=name, server=Before(proxy=proxy, upstream=Nginx(server=SMALL)), load=TUNNELS, fresh=True)
        for name, proxy in (("netlab", FORWARD), ("squid", Squid()))
    ),
    claims=(Limit(of="netlab", metric="memory", unit="MB", at_most=150),),
)

ROWS = (body, tunnels)
