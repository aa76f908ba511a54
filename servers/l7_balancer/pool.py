"""A pool at work: its members made from what was written, checked, drained, and let go of when their work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from netlab.balancing.checks import Checked, Checks
from netlab.balancing.pool import Pool as AnyPool
from netlab.clock import Clock
from netlab.http.gateway import Change, Gateway
from netlab.http.roles import Asker
from netlab.http.sessions import CookieSessions, KeySessions, Sessions
from netlab.http.target import Target
from netlab.http.upstreams import Member, Onward, Traffic, Upstreams
from netlab.http.weighted import WeightedTarget
from netlab.net.secure import TlsOptions
from netlab.policy.breaker import BreakerRules
from servers.l7_balancer.pool_rule import PoolSettings

HEARS = 60.0
"""Seconds for which requests that began by settings of before may come to wait for an upstream."""
STICKY = ("sticky", "sticky_lasts", "sticky_failover")
"""Settings without whose change sessions go on as they are."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What all pools of a balancer share."""

    gateway: Gateway
    clock: Clock
    random: Callable[[], float]
    checks: Checks
    tls: Callable[[], TlsOptions]
    sticky_key: Callable[[], bytes]
    breaker: BreakerRules
    retry_budget: float
    cut: Callable[[Member, str], None]  # end what a member has to do, for this reason


class Pool(AnyPool[Member]):
    """Upstreams that speak HTTP."""

    group: Upstreams
    settings: PoolSettings

    def __init__(self, name: str, settings: PoolSettings, world: World) -> None:
        super().__init__(name, world.clock, world.checks)
        self.settings, self.world = settings, world
        self.group = self._group((), self._sessions())
        self._former: list[tuple[Upstreams, float]] = []  # with settings of before, and until when they hear of changes

    def _group(self, members: Iterable[Member], sessions: Sessions | None) -> Upstreams:
        settings, world = self.settings, self.world
        traffic = Traffic(
            retry_budget=world.retry_budget,
            waiting=settings.queue,
            wait_timeout=settings.queue_timeout,
            key=settings.hash_key(),
            sessions=sessions,
        )
        return Upstreams(
            self.name, members, world.gateway, world.clock, world.random, settings.group_settings(), traffic
        )

    def _sessions(self) -> Sessions | None:
        settings, world = self.settings, self.world
        if settings.sticky is None:
            return None
        lasts, faithful = settings.sticky_lasts, settings.sticky_failover == "refuse"
        if name := settings.sticky.cookie:
            return CookieSessions(name, world.sticky_key(), self.name, lasts=lasts, faithful=faithful)
        key = settings.sticky.key
        return KeySessions(key.of, key.text, world.clock, lasts=lasts or 1800.0, faithful=faithful)

    def make(self, target: WeightedTarget, address: str, *, backup: bool) -> Member:
        settings, where, secure = self.settings, target.target, target.target.scheme == "https"
        tls = self.world.tls() if secure else None
        if tls is not None and address:
            tls = replace(tls, server_name=where.host)
        return Member(
            replace(where, host=address) if address else where,
            name=self.free_name(_name(where, address)),
            tls=tls,
            weight=target.weight,
            limit=settings.upstream_limit,
            backup=backup,
            breaker=self.world.breaker,
            health=settings.health_rules(),
            slow_start=settings.slow_start,
        )

    def cut(self, member: Member, why: str) -> None:
        self.world.cut(member, why)

    def asked_at(self, member: Member) -> Checked:
        origin = member.origin
        return Checked(host=origin.host, port=origin.port, tls=member.tls, trust=self.world.tls)

    def adapt(self, settings: PoolSettings, world: World) -> None:
        """Other settings from now on; members keep what is known of them, and requests under way their ends."""
        before, former = self.settings, self.world
        self.settings, self.world = settings, world
        old, members = self.group, self.group.members
        if (settings, world.breaker, world.retry_budget) == (before, former.breaker, former.retry_budget):
            return
        for member in members:
            if settings.upstream_limit != before.upstream_limit:
                member.limit = settings.upstream_limit
            member.slow_start = settings.slow_start
            member.breaker.rules = world.breaker
        if settings.checking() != before.checking():
            self.check_anew(settings.health_rules())
        same = all(getattr(settings, name) == getattr(before, name) for name in STICKY)
        self.group = self._group(members, old.sessions if same else self._sessions())
        self._former.append((old, self.clock.now() + HEARS))

    def tidy(self, now: float) -> None:
        super().tidy(now)
        for former in [former for former in self._former if not former[0].queue and now >= former[1]]:
            self._former.remove(former)
            for member in former[0].members:
                member.off_change(former[0].changed)

    def forward(self, exchange: Asker, onward: Onward, target: str, change: Change | None = None) -> None:
        """To one of the members as they are now."""
        self.group.forward(exchange, onward, target, change)


def _name(target: Target, address: str) -> str:
    """Its address, with the scheme where that is https."""
    host = address or target.host
    name = f"{f'[{host}]' if ':' in host else host}:{target.port}{target.path}"
    return f"https://{name}" if target.scheme == "https" else name
