"""Looking for answers: the resolution, what is asked on its way, and everyone who waits for the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from netlab.cores.dns_codes import AAAA, NS, SERVFAIL, A
from netlab.cores.dns_master import read_master
from netlab.cores.dns_names import ROOT, from_text
from netlab.cores.dns_rdata import show, target
from netlab.cores.resolution import Resolved, Resolver
from netlab.cores.resolution_asking import Settings
from netlab.errors import UsageError
from netlab.flow import Flow
from netlab.net.addresses import SocketAddress
from netlab.net.dns_asking import Asker
from netlab.net.tasks import Tasks
from netlab.policy.dns_cache import CacheLimits, DnsCache
from netlab.policy.dns_servers import ServerBook
from netlab.service import Context
from servers.resolver.config import Config

OWN_ROOT = {from_text("a.root-servers.test."): ("127.0.53.1",)}
DEADLINE = 10.0  # seconds for a question, whatever it takes
NETWORK_ERROR = 23

Then = Callable[[Resolved], None]


class Recursion:
    """All that is looked for at the moment, each question once, and what was learnt."""

    def __init__(self, config: Config, context: Context, tasks: Tasks) -> None:
        self.config, self.context, self.tasks = config, context, tasks
        limits = CacheLimits(
            size=config.cache, least=int(config.min_ttl), most=int(config.max_ttl), stale=int(config.serve_stale)
        )
        self.cache, self.book = DnsCache(limits), ServerBook()
        unseen = random.SystemRandom()  # ids and capitals must not be foreseen; the lab's seeded Random can be
        self.resolver = Resolver(settings(config), self.cache, self.book, chance=unseen.random)
        ports = {forward.host: forward.port for forward in config.forward}
        self.asker = Asker(
            context.flows,
            context.clock,
            context.dialer("resolver"),
            lambda address: SocketAddress(address, ports.get(address, config.upstream_port)),
            unseen,
            "resolver",
        )
        self._under_way: dict[tuple[bytes, int, int], list[Then]] = {}
        self.dropped = 0

    def look_for(self, name: bytes, kind: int, flags: int, flow: Flow, then: Then) -> bool:
        """Call `then` with the answer; who asks the same meanwhile waits with the first. False: there is no room."""
        key = (name.lower(), kind, flags)
        waiting = self._under_way.get(key)
        if waiting is not None:
            waiting.append(then)
            return True
        if len(self._under_way) >= self.config.max_recursions:
            self.dropped += 1
            return False
        self._under_way[key] = [then]
        self.tasks.start(self._run(key, name, flow), f"resolve {flow.label}")
        return True

    async def _run(self, key: tuple[bytes, int, int], name: bytes, flow: Flow) -> None:
        resolved = Resolved(SERVFAIL, error=(0, "the resolver is stopping"))
        try:
            async with asyncio.timeout(DEADLINE):
                resolved = await self._resolve(name, key[1], key[2], flow)
        except TimeoutError:
            resolved = Resolved(SERVFAIL, error=(NETWORK_ERROR, f"no answer within {DEADLINE:g} s"))
        finally:
            for then in self._under_way.pop(key):
                then(resolved)

    async def _resolve(self, name: bytes, kind: int, flags: int, flow: Flow) -> Resolved:
        steps = self.resolver.resolve(name, kind, self.context.clock.now(), flags=flags)
        try:
            ask = next(steps)
            while True:
                ask = steps.send(await self.asker.ask(ask, flow))
        except StopIteration as ended:
            resolved: Resolved = ended.value
            return resolved


def settings(config: Config) -> Settings:
    """What the core is told."""
    forwards: dict[bytes, tuple[str, ...]] = {}
    for forward in config.forward:
        forwards[forward.zone] = (*forwards.get(forward.zone, ()), forward.host)
    return Settings(
        hints=OWN_ROOT if config.root_hints is None else read_hints(config.root_hints),
        forwards=forwards,
        minimise=config.qname_minimisation == "yes",
        ipv6=config.ipv6,
        most_queries=config.max_queries,
        serve_stale=config.serve_stale > 0,
    )


def read_hints(path: Path) -> dict[bytes, tuple[str, ...]]:
    """Names and addresses of the root's servers from a file as InterNIC publishes it (RFC 9609 2)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--root-hints {path} cannot be read: {error}") from None
    records = read_master(text, name=str(path))
    names = [target(NS, record.rdata).lower() for record in records if record.type == NS and record.name == ROOT]
    hints = {
        name: tuple(
            show(each.type, each.rdata) for each in records if each.type in (A, AAAA) and each.name.lower() == name
        )
        for name in names
    }
    if not any(hints.values()):
        raise UsageError(f"--root-hints {path} names no server of the root with an address: '. NS NAME' and 'NAME A …'")
    return hints
