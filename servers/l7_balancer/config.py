"""What can be set for the layer 7 balancer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from netlab.balancing.settings import Steered
from netlab.config import Address
from netlab.config.sources import nearest
from netlab.errors import UsageError
from netlab.http.reverse_settings import ReverseSettings
from netlab.http.weighted import WeightedTarget
from servers.l7_balancer.pool_rule import PoolRule, PoolSettings

DEFAULT = "default"
"""The pool of --to."""


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where requests go."""

    to: tuple[WeightedTarget, ...] = ()
    """An upstream of what no route sends elsewhere; *3 behind it is its weight. A name stands for all its addresses."""
    backup: tuple[WeightedTarget, ...] = ()
    """One that gets work only while none of the others can."""
    pool: tuple[PoolRule, ...] = ()
    """'NAME to=URL,URL backup=URL balance= check= sticky= …': upstreams that routes name by pool=NAME."""


@dataclass(frozen=True, kw_only=True)
class Config(ReverseSettings, PoolSettings, Steered, Where):
    """What can be set for the layer 7 balancer."""

    listen: Address = Address("127.0.0.1", 8082)
    tls_listen: Address = Address("127.0.0.1", 8463)
    status_listen: Address = Address("127.0.0.1", 8092)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.keep_status_here()
        names = [rule.name for rule in self.pools()]
        if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
            raise UsageError(f"there are two pools called {twice}")
        for rule in self.route:
            if rule.pool and rule.pool not in names:
                there = f"; there are: {', '.join(names)}" if names else ""
                raise UsageError(
                    f"route {rule} has pool={rule.pool}, which there is not{nearest(rule.pool, names) or there}"
                )
        homeless = next((rule for rule in self.route if not (rule.to or rule.pool or rule.maintenance)), None)
        if DEFAULT not in names and (homeless is not None or not self.route):
            which = f"route {homeless}" if homeless is not None else "l7-balancer"
            raise UsageError(f"{which} needs --to URL, such as --to http://127.0.0.1:9101")

    def pools(self) -> Iterator[PoolRule]:
        """All pools: that of --to, the named ones, and one for each set of upstreams that a route names itself."""
        if self.to or self.backup:
            yield PoolRule(name=DEFAULT, to=self.to, backup=self.backup)
        yield from self.pool
        targets = dict.fromkeys(rule.to for rule in self.route if rule.to)
        for group in targets:
            yield PoolRule(name=",".join(map(str, group)), to=tuple(map(WeightedTarget, group)))

    def settings_of(self, rule: PoolRule) -> PoolSettings:
        """What holds for a pool: the balancer's settings, but for what its rule says otherwise."""
        own = {field.name: getattr(self, field.name) for field in fields(PoolSettings)}
        return replace(PoolSettings(**own), **rule.overrides)
