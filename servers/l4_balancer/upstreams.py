"""The balancer's upstreams: each known once, in the groups that routes name, and where each of them really is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from netlab.balancing.checks import Checked, Checks
from netlab.balancing.group import Group
from netlab.balancing.member import Member as Balanced
from netlab.errors import PeerUnreachable
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer
from netlab.service import Context
from servers.l4_balancer.config import Config
from servers.l4_balancer.target import Target

RESOLVE_EVERY = 30.0
"""Seconds after which a name is looked up again: the system's resolver does not tell for how long its answer holds."""


class Member(Balanced):
    """One upstream: where it is, if that is known, else why not."""

    __slots__ = ("places", "target", "unknown")

    def __init__(self, target: Target, name: str, config: Config, *, backup: bool) -> None:
        super().__init__(
            name,
            weight=target.weight,
            limit=config.upstream_limit,
            backup=backup,
            breaker=config.breaker_rules(),
            health=config.health_rules(),
            slow_start=config.slow_start,
        )
        self.target = target
        self.places: Sequence[SocketAddress] = ()
        self.unknown = "its name has not been looked up yet"


class Upstreams:
    """All members, and a group for each set of them that connections may go to."""

    def __init__(self, config: Config, context: Context, dialer: Dialer) -> None:
        self._config, self._context, self._dialer = config, context, dialer
        self.members: dict[tuple[Target, int], Member] = {}
        self.named: list[Member] = []  # those whose addresses a resolver has to say
        self.main = self._group("main", config.to, config.backup) if config.to or config.backup else None
        self.routes = [(rule, self._group(str(rule), rule.to)) for rule in config.route]

    def _group(self, name: str, targets: Sequence[Target], backups: Sequence[Target] = ()) -> Group[Member]:
        """A target that several groups have is one member; one that a group has twice is two."""
        seen, members = Counter[Target](), []
        for target, backup in [*((target, False) for target in targets), *((target, True) for target in backups)]:
            seen[target] += 1
            known = self.members.get((target, seen[target]))
            members.append(known or self._member(target, seen[target], backup=backup))
        clock, random = self._context.clock, self._context.random.random
        return Group(name, members, clock, random, self._config.group_settings())

    def _member(self, target: Target, number: int, *, backup: bool) -> Member:
        name, taken = str(target.address), {member.name for member in self.members.values()}
        names = [name, *(f"{name} {count}" for count in range(2, len(taken) + 3))]
        member = Member(target, next(name for name in names if name not in taken), self._config, backup=backup)
        self.members[target, number] = member
        self.place(member)
        return member

    def group_for(self, name: str | None, offered: tuple[str, ...]) -> Group[Member] | None:
        """Where a connection with this ClientHello goes: the first route that fits, else what --to says."""
        for rule, group in self.routes:
            if rule.matches(name, offered):
                return group
        return self.main

    # -- where they are --------------------------------------------------------------------------------------------

    def place(self, member: Member) -> None:
        """Find out at once where it is, if no resolver has to be asked."""
        address = member.target.address
        try:
            found = self._dialer.known(address.host, address.port)
        except PeerUnreachable as error:
            member.unknown = str(error)
            return
        if found is None:
            self.named.append(member)
        else:
            member.places = found

    async def keep_resolved(self) -> None:
        """Look up names now, and again and again."""
        while self.named:
            await asyncio.gather(*map(self._resolve, self.named))
            await asyncio.sleep(RESOLVE_EVERY)

    async def _resolve(self, member: Member) -> None:
        address = member.target.address
        try:
            member.places = await self._dialer.locate(address.host, address.port)
        except PeerUnreachable as error:
            member.unknown = str(error)  # what was known before may still be right

    def check(self, checks: Checks) -> None:
        """From now on they are asked whether they can work."""
        rule = self._config.check
        if rule is None:
            return
        for member in self.members.values():
            address = member.target.address
            where = Checked(host=address.host, port=address.port)
            checks.watch(member, rule, where, timeout=self._config.check_timeout)
