"""The pools of the balancer: those of --to and --pool, and one for each set of upstreams that a route names."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from netlab.balancing.checks import Checks
from netlab.balancing.pools import Pools as AnyPools
from netlab.balancing.pools import Written
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


class Pools(AnyPools[Pool]):
    """All of them."""

    def __init__(
        self, context: Context, gateway: Gateway, tasks: Tasks, checks: Checks, cut: Callable[[Member, str], None]
    ) -> None:
        super().__init__(context.clock, gateway.dialer, tasks, WeightedTarget.parse)
        self._context, self._gateway, self._checks, self._cut = context, gateway, checks, cut

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
        config = plan.config

        def pool_of(name: str) -> Pool:
            pool = plan.pools[name]
            if name in self.pools:
                pool.adapt(config.settings_of(plan.rules[name]), plan.world)
            return pool

        servers = [SocketAddress(server.host, server.port) for server in config.resolver]
        self.look_up_by(servers, every=config.resolve_every, drain=config.drain_timeout)
        self.arrange({name: Counter(_written(rule)) for name, rule in plan.rules.items()}, pool_of)


def _written(rule: PoolRule) -> list[Written]:
    return [*((target, False) for target in rule.to), *((target, True) for target in rule.backup)]
