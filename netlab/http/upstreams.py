"""A group of upstreams: who gets a request, who gets it next when that one fails, and who gets none for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from netlab.balancing.group import Group, GroupSettings
from netlab.balancing.member import NEVER
from netlab.balancing.member import Member as Balanced
from netlab.clock import Clock
from netlab.http.gateway import Change, Gateway
from netlab.http.pool_page import refuse
from netlab.http.repeated_call import repeat
from netlab.http.request_key import KeyOf
from netlab.http.roles import Asker
from netlab.http.sessions import Sessions
from netlab.http.target import Target
from netlab.http.upstream_call import Call, Onward
from netlab.http.waiting import Queue
from netlab.net.pool import Origin
from netlab.net.secure import TlsOptions
from netlab.policy.breaker import BreakerRules
from netlab.policy.gateway_errors import Failure
from netlab.policy.health import HealthRules
from netlab.policy.retry import RetryBudget
from netlab.policy.rewriting import Seen

__all__ = ["Member", "Onward", "Traffic", "Upstreams"]


class Member(Balanced):
    """One upstream that speaks HTTP, as all groups know it."""

    __slots__ = ("authority", "endless", "origin", "path", "seen", "target", "tls")

    def __init__(
        self,
        target: Target,
        *,
        name: str = "",
        tls: TlsOptions | None = None,
        weight: float = 1.0,
        limit: int = 0,
        backup: bool = False,
        breaker: BreakerRules | None = None,
        health: HealthRules | None = None,
        slow_start: float = 0.0,
    ) -> None:
        super().__init__(
            name or str(target),
            weight=weight,
            limit=limit,
            backup=backup,
            breaker=breaker,
            health=health,
            slow_start=slow_start,
        )
        self.target, self.authority, self.path, self.tls = target, target.authority, target.path, tls
        self.origin = Origin(target.scheme, target.host, target.port, tls)
        self.seen = Seen(scheme=target.scheme, authority=target.authority)
        self.endless: set[Call] = set()  # tunnels and streams of events that it has


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """What holds for the requests of a group.

    retry_budget  retries under way, as a share of the requests under way
    waiting       requests that may wait for a member that has less to do, and for how many seconds
    key           what of a request hashing goes by; None: nothing
    sessions      which requests belong to one member
    spares_the_only_one  whether the breaker of a member without stand-in opens for whatever failure, not only when it
                  cannot be connected to
    """

    retry_budget: float = 0.2
    waiting: int = 1024
    wait_timeout: float = 5.0
    key: KeyOf | None = None
    sessions: Sessions | None = None
    spares_the_only_one: bool = True


class Upstreams(Group[Member]):
    """Members that can stand in for each other, a balancer that picks, a budget for retries, and a queue."""

    def __init__(
        self,
        name: str,
        members: Iterable[Member],
        gateway: Gateway,
        clock: Clock,
        random: Callable[[], float],
        settings: GroupSettings | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.gateway, self.traffic = gateway, traffic or Traffic()
        self.now = gateway.flows.now  # of the attempts' times; the lab's clock is another one
        self.budget = RetryBudget(self.traffic.retry_budget)
        self.queue, self.sessions = Queue(self), self.traffic.sessions
        super().__init__(name, members, clock, random, settings)

    def set_members(self, members: Iterable[Member]) -> None:
        super().set_members(members)
        if self.sessions is not None:
            self.sessions.meet(self.members)

    def forward(self, exchange: Asker, onward: Onward, target: str, change: Change | None = None) -> None:
        """Send a request to one of the members, with this path and query; `change` has the last word on its fields."""
        queue, key, member = self.queue, self.traffic.key, None
        known = exchange.request.made is not None and change is None and self.sessions is None
        if known and exchange.flow.events is None and not queue.first:  # at level full it is told why it is this one
            member = self.pick(b"" if key is None else key(exchange))
            if member is not None and repeat(self, exchange, onward, target, member):
                return
        call = Call(self, exchange, onward, target, change)
        if member is None and not queue.first:  # nobody overtakes those who wait
            member = call.find()
        if member is not None:
            self.gateway.forward(exchange, call.to(member))
        elif not queue.take(call):
            refuse(exchange, self, self.unavailable())

    def unavailable(self) -> Failure:
        """Nobody takes requests now: who, why, and how long (RFC 9209 2.3.3)."""
        now = self.clock.now()
        told = "; ".join(f"{name} {why}" for name, why in self.excluded(now).items()) or f"pool {self.name} has none"
        waits = [member.settle(now) - now for member in self.members]
        seconds = min((wait for wait in waits if wait != NEVER), default=1.0)
        return Failure(503, "destination_unavailable", f"no upstream takes requests now: {told}", seconds)

    def counts(self) -> dict[str, int]:
        queue = self.queue
        return {
            "live": self.live,
            "retrying": self.budget.retrying,
            "waiting": len(queue),
            "queue_full_total": queue.refused,
            "queue_timeouts_total": queue.timed_out,
        }

    @property
    def live(self) -> int:
        """Requests under way at its members."""
        return sum(member.active for member in self.members)

    def may_retry(self) -> bool:
        """Whether the budget allows one more retry now."""
        return self.budget.allows(self.live)

    # -- what calls tell -------------------------------------------------------------------------------------------

    def changed(self) -> None:
        super().changed()
        if self.queue:
            self.queue.advance_soon()

    def began(self, member: Member, retry: bool) -> None:
        """One more: `begin`, and the budget's, in one step, for this is done for every request."""
        active = member.active = member.active + 1
        member.total += 1
        if active == member.limit:
            member.changed()
        if retry:
            self.budget.retrying += 1

    def ended(self, member: Member, retry: bool) -> None:
        """One less, likewise."""
        if member.active == member.limit:
            member.changed()
        member.active -= 1
        if retry:
            self.budget.retrying -= 1
        queue = self.queue
        if queue.first or queue.again:
            queue.advance_soon()
