"""One service for a while, in this process: for clients that need one, and know none themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from netlab.flow import FlowLog
from netlab.lab.options import service
from netlab.net.addresses import AddressMap
from netlab.net.listen import Endpoint
from netlab.service import Context, running


@asynccontextmanager
async def alone(
    name: str, *, flows: FlowLog, addresses: AddressMap, state: Path | None = None, **settings: Any
) -> AsyncIterator[list[Endpoint]]:
    """The service of this name with these settings, fields of its Config; what happens in it is on `flows`."""
    module = service(name).load()
    server = module.Server(module.Config(**settings), Context(flows=flows, addresses=addresses, state=state))
    async with running(server, grace=0.5) as endpoints:
        yield endpoints
