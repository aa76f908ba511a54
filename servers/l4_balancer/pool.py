"""A pool at work: its members made from what was written, checked, drained, and let go of when their work is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netlab.balancing.checks import Checked, Checks
from netlab.balancing.group import Group
from netlab.balancing.member import Member as Balanced
from netlab.balancing.pool import Pool as AnyPool
from netlab.config import Address
from netlab.errors import PeerUnreachable
from netlab.http.trust import lab_authority
from netlab.net.addresses import SocketAddress
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from netlab.net.tls_context import client_context
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


class Pool(AnyPool[Member]):
    """Upstreams of connections and datagrams."""

    settings: Config

    def __init__(self, name: str, config: Config, context: Context, dialer: Dialer, checks: Checks) -> None:
        super().__init__(name, context.clock, checks)
        self.settings, self._context, self._dialer = config, context, dialer
        self.group = self._group(())

    def _group(self, members: Sequence[Member]) -> Group[Member]:
        return Group(self.name, members, self.clock, self._context.random.random, self.settings.group_settings())

    def make(self, target: Target, address: str, *, backup: bool) -> Member:
        where = Address(address, target.target.port) if address else target.target
        member = Member(self.free_name(str(where)), where, self.settings, weight=target.weight, backup=backup)
        try:  # where it is, as far as no resolver has to be asked
            member.places = self._dialer.known(where.host, where.port) or ()
        except PeerUnreachable as error:
            member.unknown = str(error)
        return member

    def cut(self, member: Member, why: str) -> None:
        for work in list(member.work):
            work.cut(why)

    def asked_at(self, member: Member) -> Checked:
        return Checked(host=member.target.host, port=member.target.port, trust=self._trust)

    def _trust(self) -> TlsOptions:
        """How checks speak TLS to upstreams, whatever is spoken inside."""
        return TlsOptions(context=client_context(authority=lab_authority(self._context.state), alpn=()))

    def adapt(self, config: Config) -> None:
        """Other settings from now on; members keep what is known of them, and what they have to do."""
        before, self.settings = self.settings, config
        for member in self.group.members:
            if config.upstream_limit != before.upstream_limit:
                member.limit = config.upstream_limit
            member.slow_start, member.breaker.rules = config.slow_start, config.breaker_rules()
        if config.checking() != before.checking():
            self.check_anew(config.health_rules())
        if config.group_settings() != before.group_settings():
            old, members = self.group, self.group.members
            self.group = self._group(members)
            for member in members:
                member.off_change(old.changed)
