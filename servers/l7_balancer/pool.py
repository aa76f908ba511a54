"""A pool at work: its members made from what was written, checked, drained, and let go of when their work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from netlab.balancing.checks import Checked, Checks
from netlab.balancing.member import MAINTENANCE, Mode
from netlab.clock import Clock
from netlab.http.gateway import Change, Gateway
from netlab.http.roles import Asker
from netlab.http.sessions import CookieSessions, KeySessions, Sessions
from netlab.http.target import Target
from netlab.http.upstreams import Member, Onward, Traffic, Upstreams
from netlab.http.weighted import WeightedTarget
from netlab.net.secure import TlsOptions
from netlab.policy.breaker import BreakerRules
from netlab.policy.health import Health, HealthRules
from servers.l7_balancer.pool_rule import PoolSettings


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


class Pool:
    """Upstreams under a name.

    leaving   members that were removed and still have work
    """

    def __init__(self, name: str, settings: PoolSettings, world: World) -> None:
        self.name, self.settings, self.world = name, settings, world
        self.leaving: list[Member] = []
        self.started = False
        self.upstreams = self._group(())

    def _group(self, members: Iterable[Member]) -> Upstreams:
        settings, world = self.settings, self.world
        traffic = Traffic(
            retry_budget=world.retry_budget,
            waiting=settings.queue,
            wait_timeout=settings.queue_timeout,
            key=settings.hash_key(),
            sessions=self._sessions(),
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

    @property
    def group(self) -> Upstreams:
        return self.upstreams

    @property
    def clock(self) -> Clock:
        return self.world.clock

    # -- members ---------------------------------------------------------------------------------------------------

    def add(self, target: WeightedTarget, *, address: str = "", backup: bool = False, new: bool = False) -> Member:
        """One more; `address` is one of its name's, `new` tells whether it came while others were at work."""
        settings, where, secure = self.settings, target.target, target.target.scheme == "https"
        tls = self.world.tls() if secure else None
        if tls is not None and address:
            tls = replace(tls, server_name=where.host)
        member = Member(
            replace(where, host=address) if address else where,
            name=self._free_name(where, address),
            tls=tls,
            weight=target.weight,
            limit=settings.upstream_limit,
            backup=backup,
            breaker=self.world.breaker,
            health=settings.health_rules(),
            slow_start=settings.slow_start,
        )
        if new:
            member.since = self.world.clock.now()
        self.upstreams.set_members((*self.upstreams.members, member))
        if self.started:
            self._watch(member)
        return member

    def _free_name(self, target: Target, address: str) -> str:
        """Its address, with the scheme where that is https; the same address given again has a number behind it."""
        host = address or target.host
        name = f"{f'[{host}]' if ':' in host else host}:{target.port}{target.path}"
        if target.scheme == "https":
            name = f"https://{name}"
        taken = {member.name for member in (*self.upstreams.members, *self.leaving)}
        number = 1
        while (free := name if number == 1 else f"{name} {number}") in taken:
            number += 1
        return free

    def remove(self, member: Member, *, ends: float) -> None:
        """No new work from now on; what it has ends by itself, or at `ends`."""
        self.upstreams.set_members(other for other in self.upstreams.members if other is not member)
        self.world.checks.unwatch(member)
        member.set_mode(Mode.DRAIN, self.world.clock.now(), ends=ends)
        if member.active:
            self.leaving.append(member)

    def tidy(self, now: float) -> None:
        """Cut what a drain has no more time for, and forget those that are done."""
        for member in (*self.upstreams.members, *self.leaving):
            if member.mode is Mode.DRAIN and now >= member.drain_ends:
                member.set_mode(MAINTENANCE, now)
                self.world.cut(member, f"{member.name} is drained, and had time until now")
        self.leaving = [member for member in self.leaving if member.active]

    # -- checks ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on members are checked."""
        self.started = True
        for member in self.upstreams.members:
            self._watch(member)

    def _watch(self, member: Member) -> None:
        rule = self.settings.check
        if rule is not None:
            origin = member.origin
            where = Checked(host=origin.host, port=origin.port, tls=member.tls, trust=self.world.tls)
            self.world.checks.watch(member, rule, where, timeout=self.settings.check_timeout)

    def stop(self) -> None:
        for member in self.upstreams.members:
            self.world.checks.unwatch(member)

    # -- reload ----------------------------------------------------------------------------------------------------

    def adapt(self, settings: PoolSettings, world: World) -> None:
        """Other settings from now on; members keep what is known of them, and requests under way their ends."""
        before, former = self.settings, self.world
        self.settings, self.world = settings, world
        old, members = self.upstreams, self.upstreams.members
        if (settings, world.breaker, world.retry_budget) == (before, former.breaker, former.retry_budget):
            return
        for member in members:
            if settings.upstream_limit != before.upstream_limit:
                member.limit = settings.upstream_limit
            member.slow_start = settings.slow_start
            member.breaker.rules = world.breaker
        if settings.checking() != before.checking():
            self._check_anew(settings.health_rules())
        self.upstreams = self._group(members)
        if not old.queue:
            for member in members:
                member.off_change(old.changed)

    def _check_anew(self, rules: HealthRules | None) -> None:
        self.stop()
        for member in self.upstreams.members:
            if rules is None:
                member.health = None
            elif member.health is None:
                member.health = Health(rules)
            else:
                member.health.rules = rules
        if self.started:
            self.start()

    # -- requests --------------------------------------------------------------------------------------------------

    def forward(self, exchange: Asker, onward: Onward, target: str, change: Change | None = None) -> None:
        """To one of the members as they are now."""
        self.upstreams.forward(exchange, onward, target, change)

    def __repr__(self) -> str:
        return f"<Pool {self.name} {len(self.upstreams)} upstreams>"
