"""All pools of a balancer: made from what is written, changed by a reload or by hand, and kept in order meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from netlab.balancing.member import Member
from netlab.balancing.names import Named, Names, is_name
from netlab.balancing.pool import Pool
from netlab.clock import Clock
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer
from netlab.net.tasks import Tasks

P = TypeVar("P", bound=Pool[Any])
Written = tuple[Any, bool]
"""An upstream as it is written, a `Weighted`, and whether it is a backup."""


class Pools(Generic[P]):
    """The pools, by name; `parse` reads an upstream that is added by hand."""

    def __init__(self, clock: Clock, dialer: Dialer, tasks: Tasks, parse: Callable[[str], Any]) -> None:
        self.clock, self._parse = clock, parse
        self.names = Names(dialer, tasks)
        self.pools: dict[str, P] = {}
        self._written: dict[str, Counter[Written]] = {}
        self._named: dict[tuple[str, Written], list[Named]] = {}
        self._former: list[P] = []  # those that are no more, but for work under way
        self._started = False

    # -- from settings ---------------------------------------------------------------------------------------------

    def look_up_by(self, servers: Sequence[SocketAddress], *, every: float, drain: float) -> None:
        """Whom names are asked of, how often at most, and how long who is no more among their addresses may go on."""
        self.names.servers, self.names.every, self.names.drain = servers, every, drain

    def arrange(self, wanted: Mapping[str, Counter[Written]], pool_of: Callable[[str], P]) -> None:
        """These upstreams under these names from now on: only what was written otherwise before is changed.

        `pool_of` gives the pool of a name, made or adapted.
        """
        now = self.clock.now()
        for name in [name for name in self.pools if name not in wanted]:
            self._change(self.pools[name], Counter(), now)
            self._former.append(self.pools.pop(name))
        for name, upstreams in wanted.items():
            pool = self.pools[name] = pool_of(name)
            self._change(pool, upstreams, now)
            if self._started and not pool.started:
                pool.start()
        self._written = dict(wanted)

    def _change(self, pool: P, wanted: Counter[Written], now: float) -> None:
        """From the upstreams that a pool had in the settings to those that it has; what was done by hand stays."""
        had = self._written.get(pool.name, Counter[Written]())
        gone, come = had - wanted, wanted - had
        for old in gone.elements():
            twin = next((new for new in come.elements() if _same_place(old, new)), None)
            if twin is not None and self._reweighed(pool, old, twin):
                come[twin] -= 1
            else:
                self._drop(pool, old, ends=now + self.names.drain)
        for target, backup in come.elements():
            self.add(pool, target, backup, new=pool.name in self._written)

    def _reweighed(self, pool: P, old: Written, new: Written) -> bool:
        """Give one upstream its other weight; a name's addresses have it all."""
        if known := self._named.get((pool.name, old)):
            named = known.pop()
            named.target = new[0]
            self._named.setdefault((pool.name, new), []).append(named)
            members = list(named.members.values())
        else:
            members = _members_of(pool, old)[:1]
        for member in members:
            member.set_weight(new[0].weight)
        return bool(members)

    def _drop(self, pool: P, old: Written, *, ends: float) -> None:
        if known := self._named.get((pool.name, old)):
            named = known.pop()
            self.names.unwatch(named)
            named.leave(ends=ends)
        elif members := _members_of(pool, old):
            pool.remove(members[-1], ends=ends)

    # -- by hand ---------------------------------------------------------------------------------------------------

    def add(self, pool: P, target: Any, backup: bool, *, new: bool = True) -> None:
        """One upstream more; a name is looked up from now on."""
        if not is_name(target.target.host):
            pool.add(target, backup=backup, new=new)
            return
        named = Named(pool, target, backup=backup)
        self._named.setdefault((pool.name, (target, backup)), []).append(named)
        if self._started:
            self.names.watch(named)

    def forget(self, pool: P, member: Member, *, ends: float) -> None:
        """One address less; where it is a name's, the name is not looked up any more once it was the last."""
        for named in self._all_named():
            for address in [known for known, other in named.members.items() if other is member]:
                del named.members[address]
                if not named.members:
                    self.names.unwatch(named)
        pool.remove(member, ends=ends)

    @property
    def steered(self) -> Mapping[str, Steerable]:
        """The pools, as they can be steered from outside."""
        return {name: Steerable(self, pool, self._parse) for name, pool in self.pools.items()}

    # -- at work ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on members are checked and names looked up."""
        self._started = True
        for pool in self.pools.values():
            pool.start()
        for named in self._all_named():
            self.names.watch(named)

    def tidy(self) -> None:
        """End drains whose time is over."""
        now = self.clock.now()
        for pool in (*self.pools.values(), *self._former):
            pool.tidy(now)
        self._former = [pool for pool in self._former if pool.leaving]

    def members(self) -> list[Any]:
        return [member for pool in self.pools.values() for member in pool.group.members]

    def _all_named(self) -> list[Named]:
        return [named for several in self._named.values() for named in several]


class Steerable:
    """A pool, for who steers it by hand."""

    def __init__(self, pools: Pools[Any], pool: Pool[Any], parse: Callable[[str], Any]) -> None:
        self._pools, self._pool, self._parse = pools, pool, parse
        self.name, self.group, self.leaving = pool.name, pool.group, pool.leaving

    def add_written(self, text: str, *, backup: bool) -> None:
        self._pools.add(self._pool, self._parse(text), backup)

    def remove_member(self, member: Member, *, ends: float) -> None:
        self._pools.forget(self._pool, member, ends=ends)


def _same_place(one: Written, other: Written) -> bool:
    return one[0].target == other[0].target and one[1] is other[1]


def _members_of(pool: Pool[Any], old: Written) -> list[Any]:
    """The members that stand for one upstream as it was written."""
    return [m for m in pool.group.members if m.target == old[0].target and m.backup is old[1]]
