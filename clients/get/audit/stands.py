"""The proxies that an audit asks through: netlab's own for as long as it takes, or one that runs already."""

from __future__ import annotations

import json
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clients.get.audit.asking import Asker
from clients.get.request import Request
from clients.get.trust import Trust
from netlab.config import Address
from netlab.errors import NetlabError, UsageError
from netlab.flow import FlowLog, Level
from netlab.http.exits import ExitSetting
from netlab.http.url import Url
from netlab.net.certs import Authority, has_authority, state_directory
from netlab.net.dial import is_loopback
from netlab.net.tls_context import client_context
from netlab.policy.access import parse_rule
from netlab.policy.anonymity.levels import NAMES

if TYPE_CHECKING:
    from clients.get import Services

TUNNEL, SANITIZED, UNKNOWN = "through a tunnel", "sanitized", "through a proxy"
EXITS = (ExitSetting.parse("127.0.118.0/29"),) if sys.platform == "linux" else ()
"""Whom origins on loopback see."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stand:
    """One proxy, and at which level it is to be asked.

    flows    of the proxy itself, where it is ours
    here     it runs on this machine
    parents  it goes through other proxies alone
    """

    name: str
    way: str
    level: str | None
    proxy: Url
    tls: Callable[[], ssl.SSLContext]
    flows: FlowLog | None = None
    here: bool = True
    parents: bool = False


@asynccontextmanager
async def own(services: Services, asker: Asker, url: Url, source: str, trust: Trust) -> AsyncIterator[list[Stand]]:
    """Proxies of our own: one whose tunnels are tunnels, and for https one that opens them. `source` is where a direct
    call comes from: on loopback, the proxy's come from elsewhere on it.
    """
    settings: dict[str, Any] = {
        "listen": Address("127.0.0.1", 0),
        "rule": (parse_rule("allow"),),  # as far as the client itself may go
        "exit": EXITS if is_loopback(source) else (),
        "upstream_cacert": trust.cacert,
        "upstream_insecure": trust.insecure,
    }
    async with AsyncExitStack() as running:

        async def start(**more: Any) -> tuple[Url, FlowLog]:
            flows = FlowLog(Level.FULL)
            service = services("anonymizing-proxy", flows=flows, addresses=asker.addresses, **settings, **more)
            endpoints = await running.enter_async_context(service)
            return Url.parse(endpoints[0].url), flows

        proxy, flows = await start()
        if url.scheme == "http":
            yield [_stand(level, proxy, flows, trust.context) for level in NAMES]
            return
        state = state_directory()
        if not has_authority(state):  # an audit is no reason to make an authority that stays
            state = Path(running.enter_context(tempfile.TemporaryDirectory()))
        opened, opened_flows = await start(state=state, intercept=("*",))

        def believing() -> ssl.SSLContext:
            return client_context(authority=Authority.load(state))

        tunnel = Stand(name="tunnel", way=TUNNEL, level="elite", proxy=proxy, tls=trust.context, flows=flows)
        yield [tunnel, *(_stand(level, opened, opened_flows, believing) for level in NAMES)]


def _stand(level: str, proxy: Url, flows: FlowLog, tls: Callable[[], ssl.SSLContext]) -> Stand:
    return Stand(name=level, way=SANITIZED, level=level, proxy=proxy, tls=tls, flows=flows)


async def other(proxy: Url, asker: Asker, url: Url, trust: Trust) -> list[Stand]:
    """A proxy that runs already: at each level where it is netlab's, else as it is."""
    here = is_loopback(proxy.host) or proxy.host == "localhost"
    found = await _levels(proxy, asker, trust)
    if found is None:
        return [Stand(name="proxy", way=UNKNOWN, level=None, proxy=proxy, tls=trust.context, here=here)]
    parents = all("://" in str(found_exit["name"]) for found_exit in found["exits"])
    way = SANITIZED if url.scheme == "http" else UNKNOWN
    return [
        Stand(name=level, way=way, level=level, proxy=proxy, tls=trust.context, here=here, parents=parents)
        for level in NAMES
    ]


async def _levels(proxy: Url, asker: Asker, trust: Trust) -> dict[str, Any] | None:
    """What the proxy says of itself on its own address, if it is one of netlab's that knows levels."""
    page = Url.parse(f"{proxy.scheme}://{proxy.authority}/levels.json")
    try:
        asked = await asker.ask(Request(url=page), trust.context)
        record = json.loads(asked.body)
    except (NetlabError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("service") == "anonymizing-proxy" else None


def needed(services: Services | None) -> Services:
    if services is None:
        raise UsageError("--audit needs a proxy to be given with --proxy, or to be run by the netlab command")
    return services
