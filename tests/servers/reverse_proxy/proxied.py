"""A reverse proxy for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netlab.config import Address
from netlab.flow import Level
from netlab.http.route_rule import RouteRule
from netlab.http.target import Target
from netlab.http.upstreams import Member
from servers.reverse_proxy import Config, Server
from tests.servers.proxies import Proxied, relaying

Reverse = Proxied[Server]


@asynccontextmanager
async def proxied(
    *to: int | str,
    state: Path | None = None,
    routes: tuple[str, ...] = (),
    level: Level = Level.FULL,
    **options: Any,
) -> AsyncIterator[Reverse]:
    """A proxy to these ports or URLs; afterwards no member of it has a request."""
    targets = tuple(Target.parse(f"127.0.0.1:{port}" if isinstance(port, int) else port) for port in to)
    rules = tuple(map(RouteRule.parse, routes))
    config = Config(listen=Address("127.0.0.1", 0), to=targets, route=rules, **options)
    options = {"level": level, "state": state}
    async with relaying(lambda context: Server(config, context), lambda server: server.gate, **options) as proxy:
        yield proxy
    assert not any(member.active for member in members(proxy))


def members(proxy: Reverse) -> list[Member]:
    """Its upstreams."""
    return list(proxy.server.groups.members.values())
