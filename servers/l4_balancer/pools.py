"""All pools of the balancer: made from the settings, changed by a reload or by hand, and kept in order meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from netlab.balancing.checks import Checks
from netlab.balancing.group import Group
from netlab.balancing.names import Named, Names, is_name
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer
from netlab.net.tasks import Tasks
from netlab.service import Context
from servers.l4_balancer.config import Config
from servers.l4_balancer.pool import Member, Pool
from servers.l4_balancer.target import Target

DEFAULT = "default"
"""The pool of --to."""
Written = tuple[Target, bool]
"""An upstream as it is written, and whether it is a backup."""


class Pools:
    """The pools, by name: that of --to, and one for each set of upstreams that a route names."""

    def __init__(self, context: Context, dialer: Dialer, tasks: Tasks, checks: Checks) -> None:
        self._context, self._dialer, self._checks = context, dialer, checks
        self.names = Names(dialer, tasks)
        self.pools: dict[str, Pool] = {}
        self._config: Config
        self._written: dict[str, Counter[Written]] = {}
        self._named: dict[tuple[str, Written], list[Named]] = {}
        self._former: list[Pool] = []  # those that are no more, but for work under way
        self._started = False

    def take(self, config: Config) -> None:
        """Make it so as a config has it: only what it says otherwise than the one before is changed."""
        self._config, now = config, self._context.clock.now()
        self.names.servers = [SocketAddress(server.host, server.port) for server in config.resolver]
        self.names.every, self.names.drain = config.resolve_every, config.drain_timeout
        wanted = written(config)
        for name in [name for name in self.pools if name not in wanted]:
            self._change(self.pools[name], Counter(), now)
            self._former.append(self.pools.pop(name))
        for name, upstreams in wanted.items():
            if (pool := self.pools.get(name)) is None:
                pool = self.pools[name] = Pool(name, config, self._context, self._dialer, self._checks)
            else:
                pool.adapt(config)
            self._change(pool, upstreams, now)
            if self._started and not pool.started:
                pool.start()
        self._written = wanted

    def _change(self, pool: Pool, wanted: Counter[Written], now: float) -> None:
        """From the upstreams that a pool had in the settings to those that it has; what was done by hand stays."""
        had = self._written.get(pool.name, Counter[Written]())
        gone, come = had - wanted, wanted - had
        for old in gone.elements():
            twin = next((new for new in come.elements() if _same_place(old, new)), None)
            if twin is not None and (members := _members_of(pool, old)):
                members[0].set_weight(twin[0].weight)
                come[twin] -= 1
            else:
                self._drop(pool, old, ends=now + self.names.drain)
        for target, backup in come.elements():
            self.add(pool, target, backup, new=pool.name in self._written)

    def _drop(self, pool: Pool, old: Written, *, ends: float) -> None:
        if known := self._named.get((pool.name, old)):
            named = known.pop()
            self.names.unwatch(named)
            named.leave(ends=ends)
        elif members := _members_of(pool, old):
            pool.remove(members[-1], ends=ends)

    def add(self, pool: Pool, target: Target, backup: bool, *, new: bool = True) -> None:
        """One upstream more; a name is looked up from now on."""
        if not is_name(target.target.host):
            pool.add(target, backup=backup, new=new)
            return
        named = Named(pool, target, backup=backup)
        self._named.setdefault((pool.name, (target, backup)), []).append(named)
        if self._started:
            self.names.watch(named)

    def forget(self, pool: Pool, member: Member, *, ends: float) -> None:
        """One address less; where it is a name's, the name is not looked up any more once it was the last."""
        for named in [one for several in self._named.values() for one in several]:
            for address in [known for known, other in named.members.items() if other is member]:
                del named.members[address]
                if not named.members:
                    self.names.unwatch(named)
        pool.remove(member, ends=ends)

    # -- what is asked ---------------------------------------------------------------------------------------------

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

    @property
    def steered(self) -> Mapping[str, Steerable]:
        """The pools, as they can be steered from outside."""
        return {name: Steerable(self, pool) for name, pool in self.pools.items()}

    def members(self) -> list[Member]:
        return [member for pool in self.pools.values() for member in pool.group.members]

    # -- at work ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on members are checked and names looked up."""
        self._started = True
        for pool in self.pools.values():
            pool.start()
        for named in [one for several in self._named.values() for one in several]:
            self.names.watch(named)

    def tidy(self) -> None:
        """End drains whose time is over."""
        now = self._context.clock.now()
        for pool in (*self.pools.values(), *self._former):
            pool.tidy(now)
        self._former = [pool for pool in self._former if pool.leaving]


class Steerable:
    """A pool, for who steers it by hand."""

    def __init__(self, pools: Pools, pool: Pool) -> None:
        self._pools, self._pool = pools, pool
        self.name, self.group, self.leaving = pool.name, pool.group, pool.leaving

    def add_written(self, text: str, *, backup: bool) -> None:
        self._pools.add(self._pool, Target.parse(text), backup)

    def remove_member(self, member: Member, *, ends: float) -> None:
        self._pools.forget(self._pool, member, ends=ends)


def written(config: Config) -> dict[str, Counter[Written]]:
    """The upstreams of each pool."""
    found: dict[str, Counter[Written]] = {}
    if config.to or config.backup:
        found[DEFAULT] = Counter([*((one, False) for one in config.to), *((one, True) for one in config.backup)])
    for rule in config.route:
        found[rule.pool] = Counter((one, False) for one in rule.to)
    return found


def _same_place(one: Written, other: Written) -> bool:
    return one[0].target == other[0].target and one[1] is other[1]


def _members_of(pool: Pool, old: Written) -> list[Member]:
    return [m for m in pool.group.members if m.target == old[0].target and m.backup is old[1]]
