"""The upstreams of a reverse proxy: each known once, and together in the groups that routes name."""

from __future__ import annotations

from netlab.balancing.group import GroupSettings
from netlab.http.gateway import Gateway
from netlab.http.reverse_service import upstream_tls
from netlab.http.route_rule import RouteRule, targets_of
from netlab.http.target import Target
from netlab.http.upstreams import Member, Traffic, Upstreams
from netlab.service import Context
from servers.reverse_proxy.config import Config


class Groups:
    """Routes to the same upstreams share balancer, budget and queue; members are the same in all groups."""

    def __init__(self, config: Config, context: Context, gateway: Gateway) -> None:
        self._config, self._context, self._gateway = config, context, gateway
        targets = targets_of(config.route, config.to)
        tls = upstream_tls(config, context) if any(target.scheme == "https" for target in targets) else None
        breaker = config.breaker_rules()
        self.members = {t: Member(t, tls=tls if t.scheme == "https" else None, breaker=breaker) for t in targets}
        self._groups: dict[tuple[Target, ...], Upstreams] = {}

    def of(self, rule: RouteRule) -> Upstreams | None:
        """Those of a route, else those of --to."""
        targets = rule.to or self._config.to
        if targets and targets not in self._groups:
            self._groups[targets] = Upstreams(
                ", ".join(map(str, targets)),
                [self.members[target] for target in targets],
                self._gateway,
                self._context.clock,
                self._context.random.random,
                GroupSettings(balance=self._config.balance),
                Traffic(
                    retry_budget=self._config.retry_budget,
                    spares_the_only_one=self._config.breaker_failures is not None,
                ),
            )
        return self._groups.get(targets)
