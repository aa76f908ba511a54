"""A layer 7 balancer for one test."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from netlab.balancing.check_rule import CheckRule
from netlab.config import Address
from netlab.flow import Level
from netlab.http.request_key import RequestKey
from netlab.http.route_rule import RouteRule
from netlab.http.upstreams import Member
from netlab.http.weighted import WeightedTarget
from netlab.net.addresses import AddressMap
from servers.l7_balancer import Config, Server
from servers.l7_balancer.pool_rule import PoolRule, Sticky
from tests.http.upstreams import Scripted, named, scripted
from tests.servers.proxies import Proxied, relaying

Balanced = Proxied[Server]

READERS = {"check": CheckRule.parse, "sticky": Sticky.parse, "hash_on": RequestKey.parse}
"""Settings that tests write as people do."""


def settings(*to: int | str, pools: tuple[str, ...] = (), routes: tuple[str, ...] = (), **options: Any) -> Config:
    """A config with these upstreams, ports or URLs."""
    targets = tuple(WeightedTarget.parse(f"127.0.0.1:{port}" if isinstance(port, int) else port) for port in to)
    backup = tuple(WeightedTarget.parse(f"127.0.0.1:{port}") for port in options.pop("backup", ()))
    for name, parse in READERS.items():
        if isinstance(options.get(name), str):
            options[name] = parse(options[name])
    return Config(
        listen=Address("127.0.0.1", 0),
        to=targets,
        backup=backup,
        pool=tuple(map(PoolRule.parse, pools)),
        route=tuple(map(RouteRule.parse, routes)),
        **options,
    )


@asynccontextmanager
async def balanced(
    *to: int | str,
    state: Path | None = None,
    level: Level = Level.FULL,
    lab: AddressMap | None = None,
    **options: Any,
) -> AsyncIterator[Balanced]:
    """A balancer; afterwards no member has a request, no budget one under way, and nobody waits."""
    config = settings(*to, **options)
    more: dict[str, Any] = {"level": level, "state": state, "lab": lab}
    async with relaying(lambda context: Server(config, context), lambda server: server.gate, **more) as proxy:
        yield proxy
    for pool in proxy.server.pools.pools.values():
        group = pool.group
        assert not any(member.active or member.endless for member in group.members), group.members
        assert (group.live, group.budget.retrying, len(group.queue)) == (0, 0, 0)


@asynccontextmanager
async def origins(*names: str) -> AsyncIterator[list[Scripted]]:
    """Upstreams that answer with their name."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(scripted(named(name))) for name in names]


def members(proxy: Balanced, pool: str = "default") -> list[Member]:
    return list(proxy.server.pools.pools[pool].group.members)


async def answered(proxy: Balanced, count: int, **asked: str) -> Counter[str]:
    """Who answered so many requests, each on a connection of its own."""
    return Counter([who(await proxy.get(**asked)) for _ in range(count)])


def who(answer: bytes) -> str:
    """The name that an upstream of `origins` answers with; else the status."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.partition(b"\n")[0].decode() if b" 200 " in head[:15] else head[9:12].decode()
