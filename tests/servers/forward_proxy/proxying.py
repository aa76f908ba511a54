"""A forward proxy for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netlab.config import Address
from netlab.flow import Level
from netlab.net.addresses import AddressMap
from servers.forward_proxy import Config, Server
from tests.servers.proxies import Proxied, relaying

Forward = Proxied[Server]


@asynccontextmanager
async def proxying(
    *, level: Level = Level.FULL, state: Path | None = None, lab: AddressMap | None = None, **options: Any
) -> AsyncIterator[Forward]:
    """A proxy on a free port; afterwards no pipe of it is left either."""
    config = Config(**{"listen": Address("127.0.0.1", 0), **options})
    options = {"level": level, "state": state, "lab": lab, "grace": 0.5}
    async with relaying(lambda context: Server(config, context), lambda server: server.proxy.gate, **options) as proxy:
        yield proxy
    pipes = proxy.server.proxy.tunnels.pipes
    assert pipes is None or pipes.leased == 0
