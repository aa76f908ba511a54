"""A pool: upstreams under a name, which come and go, are checked, and let go of when their work is done."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from netlab.balancing.checks import Checked, Checks
from netlab.balancing.group import Group
from netlab.balancing.member import MAINTENANCE, Member, Mode
from netlab.balancing.settings import Balancing
from netlab.clock import Clock
from netlab.policy.health import Health, HealthRules

M = TypeVar("M", bound=Member)


class Pool(Generic[M]):
    """What all balancers' pools do; a balancer says how members are made, asked and cut.

    leaving   members that were removed and still have work
    """

    group: Group[M]
    settings: Balancing

    def __init__(self, name: str, clock: Clock, checks: Checks) -> None:
        self.name, self.clock, self._checks = name, clock, checks
        self.leaving: list[M] = []
        self.started = False

    def make(self, target: Any, address: str, *, backup: bool) -> M:
        """A member as it is written; `address`, if not empty, is one of its name's."""
        raise NotImplementedError

    def asked_at(self, member: M) -> Checked:
        """Where checks find it."""
        raise NotImplementedError

    def cut(self, member: M, why: str) -> None:
        """End what it still has to do."""
        raise NotImplementedError

    # -- members ---------------------------------------------------------------------------------------------------

    def add(self, target: Any, *, address: str = "", backup: bool = False, new: bool = False) -> M:
        """One more; `new` tells whether it came while others were at work."""
        member = self.make(target, address, backup=backup)
        if new:
            member.since = self.clock.now()
        self.group.set_members((*self.group.members, member))
        if self.started:
            self._watch(member)
        return member

    def free_name(self, name: str) -> str:
        """This name; the same given again has a number behind it."""
        taken = {member.name for member in (*self.group.members, *self.leaving)}
        number = 1
        while (free := name if number == 1 else f"{name} {number}") in taken:
            number += 1
        return free

    def remove(self, member: M, *, ends: float) -> None:
        """No new work from now on; what it has ends by itself, or at `ends`."""
        self.group.set_members(other for other in self.group.members if other is not member)
        self._checks.unwatch(member)
        member.set_mode(Mode.DRAIN, self.clock.now(), ends=ends)
        if member.active:
            self.leaving.append(member)

    def tidy(self, now: float) -> None:
        """Cut what a drain has no more time for, and forget those that are done."""
        for member in (*self.group.members, *self.leaving):
            if member.mode is Mode.DRAIN and now >= member.drain_ends:
                member.set_mode(MAINTENANCE, now)
                self.cut(member, f"{member.name} is drained, and had time until now")
        self.leaving = [member for member in self.leaving if member.active]

    # -- checks ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on members are checked."""
        self.started = True
        for member in self.group.members:
            self._watch(member)

    def _watch(self, member: M) -> None:
        if (rule := self.settings.check) is not None:
            self._checks.watch(member, rule, self.asked_at(member), timeout=self.settings.check_timeout)

    def check_anew(self, rules: HealthRules | None) -> None:
        """By other rules from now on; who is up or down stays so until a check says otherwise."""
        for member in self.group.members:
            self._checks.unwatch(member)
            if rules is None:
                member.health = None
            elif member.health is None:
                member.health = Health(rules)
            else:
                member.health.rules = rules
        if self.started:
            self.start()

    def __repr__(self) -> str:
        return f"<Pool {self.name} {len(self.group)} upstreams>"
