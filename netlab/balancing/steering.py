"""Steering a balancer while it runs: weight, drain, ready, maintenance, add, remove; and telling how it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from netlab.balancing.member import Member, Mode
from netlab.balancing.status import Lately, Pooled, Record, pool_record
from netlab.clock import Clock
from netlab.config.sources import nearest
from netlab.errors import UsageError
from netlab.units import parse_duration

ACTIONS = ("list", "weight", "drain", "ready", "maintenance", "add", "remove")


class Steered(Pooled, Protocol):
    """A pool whose members come and go."""

    def add_written(self, text: str, *, backup: bool) -> None:
        """One upstream more, as it is written in settings; ValueError says what is wrong with it."""

    def remove_member(self, member: Any, *, ends: float) -> None:
        """No new work for it; what it has ends by itself, or at `ends`."""


class Steering:
    """The pools of one service."""

    def __init__(
        self, service: str, pools: Callable[[], Mapping[str, Steered]], clock: Clock, drain_timeout: Callable[[], float]
    ) -> None:
        self.service, self._pools, self._clock, self._drain_timeout = service, pools, clock, drain_timeout
        self.lately = Lately()

    @property
    def pools(self) -> Iterable[Steered]:
        return self._pools().values()

    def records(self) -> list[Record]:
        return [{"service": self.service, **pool_record(pool, self.lately)} for pool in self.pools]

    def act(
        self, action: str = "list", *, upstream: str = "", pool: str = "", value: str = "", backup: bool = False
    ) -> list[Record]:
        """Change something, or nothing, and tell how all pools are then; UsageError where it cannot be done.

        `value` is the weight, or for drain and remove a duration after which what is left is cut.
        """
        if action not in ACTIONS:
            raise UsageError(f"{action!r} is not one of {', '.join(ACTIONS)}{nearest(action, ACTIONS)}")
        if action == "add":
            self._add(upstream, pool, backup)
        elif action != "list":
            for place, member in self._found(upstream, pool):
                self._change(action, place, member, value)
        return self.records()

    def _change(self, action: str, place: Steered, member: Member, value: str) -> None:
        now = self._clock.now()
        match action:
            case "weight":
                member.set_weight(weight(value))
            case "ready" | "maintenance":
                member.set_mode(Mode(action), now)
            case "drain":
                member.set_mode(Mode.DRAIN, now, ends=now + self._patience(value))
            case "remove":
                place.remove_member(member, ends=now + self._patience(value))

    def _patience(self, value: str) -> float:
        if not value:
            return self._drain_timeout()
        try:
            return parse_duration(value)
        except ValueError:
            raise UsageError(f"{value!r} is not a duration such as 30s or 5m") from None

    def _add(self, upstream: str, pool: str, backup: bool) -> None:
        places = self._places(pool)
        if len(places) > 1:
            raise UsageError(f"say which pool with --pool: {', '.join(place.name for place in places)}")
        try:
            places[0].add_written(upstream, backup=backup)
        except ValueError as error:
            reason = str(error) or "is no upstream; write it as in --to"
            raise UsageError(f"{upstream!r} {reason}") from None

    def _places(self, pool: str) -> list[Steered]:
        pools = self._pools()
        if pool and pool not in pools:
            there = f"; there are: {', '.join(pools)}"
            raise UsageError(f"there is no pool {pool!r}{nearest(pool, pools) or there}")
        return [pools[pool]] if pool else list(pools.values())

    def has(self, upstream: str, pool: str = "") -> bool:
        """Whether there is an upstream of this name, in that pool or any."""
        try:
            return bool(self._found(upstream, pool))
        except UsageError:
            return False

    def _found(self, upstream: str, pool: str) -> list[tuple[Steered, Member]]:
        """The upstream of this name, in every pool that has it unless one is named.

        An address that was given twice means both; the second of them alone is `127.0.0.1:9101 2`.
        """
        places = self._places(pool)
        wanted = upstream.removeprefix("http://").rstrip("/")
        wanted = f"127.0.0.1{wanted}" if wanted.startswith(":") else wanted
        found = [(place, member) for place in places for member in place.group.members if wanted in called(member)]
        if not found:
            names = list(dict.fromkeys(member.name for place in places for member in place.group.members))
            there = f"; there are: {', '.join(names[:20])}" if names else ""
            raise UsageError(f"there is no upstream {upstream!r}{nearest(wanted, names) or there}")
        return found


def called(member: Member) -> tuple[str, str]:
    """What a member is called by: its name, and the address that it may share with others."""
    return member.name, member.name.partition(" ")[0]


def weight(text: str) -> float:
    """A weight as a person writes it."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1e6:
        raise UsageError(f"{text!r} is no weight: a number from 0 (no new work) to a million")
    return found
