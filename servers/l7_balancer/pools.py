"""All pools of a balancer: made from the settings, changed by a reload or by hand, and kept in order meanwhile."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from netlab.balancing.checks import Checks
from netlab.balancing.names import Named, Names, is_name
from netlab.http.reverse_service import upstream_tls
from netlab.http.route_rule import RouteRule
from netlab.http.upstreams import Member
from netlab.http.weighted import WeightedTarget
from netlab.net.addresses import SocketAddress
from netlab.service import Context
from servers.l7_balancer.config import DEFAULT, Config
from servers.l7_balancer.pool import Pool, World
from servers.l7_balancer.pool_rule import PoolRule

if TYPE_CHECKING:
    from netlab.http.gateway import Gateway
    from netlab.net.secure import TlsOptions
    from netlab.net.tasks import Tasks

Written = tuple[WeightedTarget, bool]
"""An upstream as a rule has it, and whether it is a backup."""


class Secrets:
    """What is read from files, once and not before it is needed."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config, self._context = config, context

    @cached_property
    def tls(self) -> TlsOptions:
        return upstream_tls(self._config, self._context)

    @cached_property
    def sticky_key(self) -> bytes:
        """Of this machine's key, so that sessions outlive a restart and are the same for all workers."""
        from netlab.stores.token_key import own_key

        return hmac.digest(own_key(self._context.state).secret, b"sticky sessions", "sha256")


@dataclass(frozen=True)
class Plan:
    """Pools by name as a config has them; those that are new are made, and nothing else is changed."""

    config: Config
    world: World
    rules: Mapping[str, PoolRule]
    pools: Mapping[str, Pool]

    def of(self, rule: RouteRule) -> Pool | None:
        """Whose a route's requests are."""
        if rule.pool:
            return self.pools[rule.pool]
        if rule.to:
            return self.pools[",".join(map(str, rule.to))]
        return self.pools.get(DEFAULT)


class Pools:
    """The pools, by name."""

    def __init__(
        self, context: Context, gateway: Gateway, tasks: Tasks, checks: Checks, cut: Callable[[Member, str], None]
    ) -> None:
        self._context, self._gateway, self._checks, self._cut = context, gateway, checks, cut
        self.names = Names(gateway.dialer, tasks)
        self.pools: dict[str, Pool] = {}
        self._rules: dict[str, PoolRule] = {}
        self._named: dict[tuple[str, Written], list[Named]] = {}
        self._former: list[Pool] = []  # those that are no more, but for work under way
        self._started = False

    # -- from settings ---------------------------------------------------------------------------------------------

    def plan(self, config: Config) -> Plan:
        """What a config asks for; UsageError where it cannot be."""
        secrets, context = Secrets(config, self._context), self._context
        world = World(
            gateway=self._gateway,
            clock=context.clock,
            random=context.random.random,
            checks=self._checks,
            tls=lambda: secrets.tls,
            sticky_key=lambda: secrets.sticky_key,
            breaker=config.breaker_rules(),
            retry_budget=config.retry_budget,
            cut=self._cut,
        )
        rules = {rule.name: rule for rule in config.pools()}
        checks = [config.settings_of(rule).check for rule in rules.values()]
        if any(written[0].target.scheme == "https" for rule in rules.values() for written in _written(rule)) or any(
            check is not None and check.secure for check in checks
        ):
            _ = secrets.tls  # a file that cannot be read is refused now
        new = {
            name: Pool(name, config.settings_of(rule), world) for name, rule in rules.items() if name not in self.pools
        }
        return Plan(config, world, rules, {name: self.pools.get(name) or new[name] for name in rules})

    def carry_out(self, plan: Plan) -> None:
        """Make it so: only what the plan's config says otherwise than the one before is changed."""
        config, now = plan.config, self._context.clock.now()
        self.names.servers = [SocketAddress(server.host, server.port) for server in config.resolver]
        self.names.every, self.names.drain = config.resolve_every, config.drain_timeout
        for name in [name for name in self.pools if name not in plan.rules]:
            self._change(self.pools[name], Counter(), now)
            self._former.append(self.pools.pop(name))
        for name, rule in plan.rules.items():
            pool = plan.pools[name]
            if name in self.pools:
                pool.adapt(config.settings_of(rule), plan.world)
            self.pools[name] = pool
            self._change(pool, Counter(_written(rule)), now)
            if self._started and not pool.started:
                pool.start()
        self._rules = dict(plan.rules)

    def _change(self, pool: Pool, wanted: Counter[Written], now: float) -> None:
        """From the upstreams that a pool's rule had to those that it has; what was done by hand stays."""
        rule = self._rules.get(pool.name)
        had = Counter(_written(rule)) if rule is not None else Counter[Written]()
        gone, come = had - wanted, wanted - had
        for old in list(gone.elements()):
            twin = next((new for new in come.elements() if _same_place(old, new)), None)
            if twin is not None and (members := self._members_of(pool, old)):
                members[0].set_weight(twin[0].weight)
                self._renamed(pool, old, twin)
                come[twin] -= 1
            else:
                self._drop(pool, old, ends=now + self.names.drain)
        for new in come.elements():
            self.add(pool, *new, new=rule is not None)

    def _members_of(self, pool: Pool, written: Written) -> list[Member]:
        """The members that stand for one upstream of a rule."""
        where, backup = written[0].target, written[1]
        return [m for m in pool.upstreams.members if m.target == where and m.backup is backup]

    def _renamed(self, pool: Pool, old: Written, new: Written) -> None:
        """A name whose weight has changed is still looked up."""
        for named in self._named.pop((pool.name, old), []):
            named.target = new[0]
            for member in named.members.values():
                member.set_weight(new[0].weight)
            self._named.setdefault((pool.name, new), []).append(named)

    def _drop(self, pool: Pool, written: Written, *, ends: float) -> None:
        if known := self._named.get((pool.name, written)):
            named = known.pop()
            self.names.unwatch(named)
            named.leave(ends=ends)
        elif members := self._members_of(pool, written):
            pool.remove(members[-1], ends=ends)

    def add(self, pool: Pool, target: WeightedTarget, backup: bool, *, new: bool = True) -> list[Member]:
        """One upstream more; a name is looked up from now on."""
        if not is_name(target.target.host):
            return [pool.add(target, backup=backup, new=new)]
        named = Named(pool, target, backup=backup)
        self._named.setdefault((pool.name, (target, backup)), []).append(named)
        if self._started:
            self.names.watch(named)
        return list(named.members.values())

    @property
    def steered(self) -> Mapping[str, Steerable]:
        """The pools, as they can be steered from outside."""
        return {name: Steerable(self, pool) for name, pool in self.pools.items()}

    def forget(self, pool: Pool, member: Member, *, ends: float) -> None:
        """One address less; where it is a name's, the name is not looked up any more once it was the last."""
        for named in [one for several in self._named.values() for one in several]:
            for address in [known for known, other in named.members.items() if other is member]:
                del named.members[address]
                if not named.members:
                    self.names.unwatch(named)
        pool.remove(member, ends=ends)

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

    def members(self) -> list[Member]:
        return [member for pool in self.pools.values() for member in pool.upstreams.members]


class Steerable:
    """A pool, for who steers it by hand."""

    def __init__(self, pools: Pools, pool: Pool) -> None:
        self._pools, self._pool = pools, pool
        self.name, self.group, self.leaving = pool.name, pool.upstreams, pool.leaving

    def add_written(self, text: str, *, backup: bool) -> None:
        self._pools.add(self._pool, WeightedTarget.parse(text), backup)

    def remove_member(self, member: Member, *, ends: float) -> None:
        self._pools.forget(self._pool, member, ends=ends)


def _written(rule: PoolRule) -> list[Written]:
    return [*((target, False) for target in rule.to), *((target, True) for target in rule.backup)]


def _same_place(one: Written, other: Written) -> bool:
    return one[0].target == other[0].target and one[1] is other[1]
