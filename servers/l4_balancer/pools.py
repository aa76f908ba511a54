"""The pools of the balancer: that of --to, and one for each set of upstreams that a route names."""

from __future__ import annotations

from collections import Counter

from netlab.balancing.checks import Checks
from netlab.balancing.group import Group
from netlab.balancing.pools import Pools as AnyPools
from netlab.balancing.pools import Written
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer
from netlab.net.tasks import Tasks
from netlab.service import Context
from servers.l4_balancer.config import Config
from servers.l4_balancer.pool import Member, Pool
from servers.l4_balancer.target import Target

DEFAULT = "default"
"""The pool of --to."""


class Pools(AnyPools[Pool]):
    """All of them, and which one has a connection."""

    def __init__(self, context: Context, dialer: Dialer, tasks: Tasks, checks: Checks) -> None:
        super().__init__(context.clock, dialer, tasks, Target.parse)
        self._context, self._dialer, self._checks = context, dialer, checks
        self._config: Config

    def take(self, config: Config) -> None:
        """Make it so as a config has it."""
        self._config = config
        servers = [SocketAddress(server.host, server.port) for server in config.resolver]
        self.look_up_by(servers, every=config.resolve_every, drain=config.drain_timeout)
        self.arrange(written(config), self._pool_of)

    def _pool_of(self, name: str) -> Pool:
        pool = self.pools.get(name)
        if pool is None:
            return Pool(name, self._config, self._context, self._dialer, self._checks)
        pool.adapt(self._config)
        return pool

    def group_for(self, name: str | None, offered: tuple[str, ...]) -> Group[Member] | None:
        """Where a connection with this ClientHello goes: the first route that fits, else what --to says."""
        for rule in self._config.route:
            if rule.matches(name, offered):
                return self.pools[rule.pool].group
        return self.main

    @property
    def main(self) -> Group[Member] | None:
        pool = self.pools.get(DEFAULT)
        return pool.group if pool is not None else None


def written(config: Config) -> dict[str, Counter[Written]]:
    """The upstreams of each pool."""
    found: dict[str, Counter[Written]] = {}
    if config.to or config.backup:
        found[DEFAULT] = Counter([*((one, False) for one in config.to), *((one, True) for one in config.backup)])
    for rule in config.route:
        found[rule.pool] = Counter((one, False) for one in rule.to)
    return found
