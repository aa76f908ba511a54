"""A pool at work: its members made from what was written, checked, drained, and let go of when their work is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netlab.balancing.checks import Checked, Checks
from netlab.balancing.group import Group
from netlab.balancing.member import MAINTENANCE, Mode
from netlab.balancing.member import Member as Balanced
from netlab.clock import Clock
from netlab.config import Address
from netlab.errors import PeerUnreachable
from netlab.http.trust import lab_authority
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from netlab.net.tls_context import client_context
from netlab.policy.health import Health
from netlab.service import Context
from servers.l4_balancer.config import Config
from servers.l4_balancer.target import Target


class Work(Protocol):
    """What a member has to do: a connection, or a client's datagrams."""

    def cut(self, reason: str) -> None: ...


class Member(Balanced):
    """One upstream: where it is, if that is known, else why not; and what it has to do."""

    __slots__ = ("places", "target", "unknown", "work")

    def __init__(self, name: str, target: Address, config: Config, *, weight: float, backup: bool) -> None:
        super().__init__(
            name,
            weight=weight,
            limit=config.upstream_limit,
            backup=backup,
            breaker=config.breaker_rules(),
            health=config.health_rules(),
            slow_start=config.slow_start,
        )
        self.target = target
        self.places: Sequence[SocketAddress] = ()
        self.unknown = "its name has not been looked up yet"
        self.work: set[Work] = set()


class Pool:
    """Upstreams under a name.

    leaving   members that were removed and still have work
    """

    def __init__(self, name: str, config: Config, context: Context, dialer: Dialer, checks: Checks) -> None:
        self.name, self.config, self.clock = name, config, context.clock
        self._random, self._dialer, self._checks, self._state = context.random.random, dialer, checks, context.state
        self.leaving: list[Member] = []
        self.started = False
        self.group = self._group(())

    def _group(self, members: Sequence[Member]) -> Group[Member]:
        clock: Clock = self.clock
        return Group(self.name, members, clock, self._random, self.config.group_settings())

    # -- members ---------------------------------------------------------------------------------------------------

    def add(self, target: Target, *, address: str = "", backup: bool = False, new: bool = False) -> Member:
        """One more; `address` is one of its name's, `new` tells whether it came while others were at work."""
        where = Address(address, target.target.port) if address else target.target
        member = Member(self._free_name(where), where, self.config, weight=target.weight, backup=backup)
        if new:
            member.since = self.clock.now()
        self._place(member)
        self.group.set_members((*self.group.members, member))
        if self.started:
            self._watch(member)
        return member

    def _free_name(self, where: Address) -> str:
        """Its address; the same given again has a number behind it."""
        taken = {member.name for member in (*self.group.members, *self.leaving)}
        number = 1
        while (free := str(where) if number == 1 else f"{where} {number}") in taken:
            number += 1
        return free

    def _place(self, member: Member) -> None:
        """Where it is, as far as no resolver has to be asked."""
        try:
            member.places = self._dialer.known(member.target.host, member.target.port) or ()
        except PeerUnreachable as error:
            member.unknown = str(error)

    def remove(self, member: Member, *, ends: float) -> None:
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
                for work in list(member.work):
                    work.cut(f"{member.name} is drained, and had time until now")
        self.leaving = [member for member in self.leaving if member.active]

    # -- checks ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From now on members are checked."""
        self.started = True
        for member in self.group.members:
            self._watch(member)

    def stop(self) -> None:
        for member in self.group.members:
            self._checks.unwatch(member)

    def _trust(self) -> TlsOptions:
        """How checks speak TLS to upstreams, whatever is spoken inside."""
        return TlsOptions(context=client_context(authority=lab_authority(self._state), alpn=()))

    def _watch(self, member: Member) -> None:
        if (rule := self.config.check) is not None:
            where = Checked(host=member.target.host, port=member.target.port, trust=self._trust)
            self._checks.watch(member, rule, where, timeout=self.config.check_timeout)

    # -- reload ----------------------------------------------------------------------------------------------------

    def adapt(self, config: Config) -> None:
        """Other settings from now on; members keep what is known of them, and what they have to do."""
        before, self.config = self.config, config
        for member in self.group.members:
            if config.upstream_limit != before.upstream_limit:
                member.limit = config.upstream_limit
            member.slow_start, member.breaker.rules = config.slow_start, config.breaker_rules()
        if config.checking() != before.checking():
            self._check_anew(config)
        if config.group_settings() != before.group_settings():
            old, members = self.group, self.group.members
            self.group = self._group(members)
            for member in members:
                member.off_change(old.changed)

    def _check_anew(self, config: Config) -> None:
        self.stop()
        for member in self.group.members:
            rules = config.health_rules()
            if rules is None or member.health is None:
                member.health = None if rules is None else Health(rules)
            else:
                member.health.rules = rules
        if self.started:
            self.start()

    def __repr__(self) -> str:
        return f"<Pool {self.name} {len(self.group)} upstreams>"
