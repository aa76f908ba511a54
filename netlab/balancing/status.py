"""How a balancer's pools are, as records: what the page, the API and `netlab balancer` show."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from netlab.balancing.group import Group
from netlab.balancing.member import Member
from netlab.histogram import Histogram
from netlab.policy.balance import HASHING, Balancer, Maglev, Modulo, RingHash, share_moved

Record = dict[str, Any]

LATELY = 6
"""Snapshots of latencies that are kept, one every ten seconds: percentiles are of the last minute."""
EVERY = 10.0
WEIGHTLESS = frozenset(("round_robin", "first"))
"""Balancers that know only whether a weight is 0."""
MOST_HASHED = 200
"""Members above which it is not worked out how many keys move."""


class Pooled(Protocol):
    """What can be told of a pool; `leaving` are members that were removed and still have work."""

    name: str
    leaving: list[Any]

    @property
    def group(self) -> Group[Any]: ...


class Lately:
    """What members' latencies were a minute ago, so that percentiles speak of now."""

    def __init__(self) -> None:
        self._before: dict[Member, deque[Histogram]] = {}
        self._next = 0.0

    def look(self, members: Sequence[Member], now: float) -> None:
        """Called often; every ten seconds it takes a snapshot. `now` is monotonic."""
        if now < self._next:
            return
        self._next = now + EVERY
        nothing = Histogram()  # before a member was first seen
        self._before = {member: self._before.get(member) or deque([nothing], LATELY) for member in members}
        for member, snapshots in self._before.items():
            snapshots.append(member.histogram.copy())

    def of(self, member: Member) -> Histogram:
        snapshots = self._before.get(member)
        return member.histogram.since(snapshots[0]) if snapshots else member.histogram


def member_record(group: Group[Any], member: Member, lately: Lately, now: float) -> Record:
    """One upstream. Times are in seconds; `state` is a word or sentence for a person."""
    told = member in group.available
    why = "" if told else member.why_not(now) or "a backup, and others can work"
    recent = lately.of(member)
    return {
        "upstream": member.name,
        "state": "up" if told else why,
        "takes_work": told,
        "mode": member.mode.value,
        "backup": member.backup,
        "weight": member.full_weight,
        "effective_weight": round(member.weight, 3),
        "active": member.active,
        "limit": member.limit,
        "total": member.total,
        "errors": member.errors,
        "latency": {
            "count": recent.count,
            **{f"p{share * 100:.4g}": round(recent.percentile(share), 6) for share in (0.5, 0.9, 0.99)},
        },
        "ejections": member.record.total,
        "ejected_for": round(max(member.record.until - now, 0.0), 1),
        "breaker": member.breaker.state.value,
        "check": "" if member.health is None else member.health.words,
        "last_check": member.checked,
        "checked_ago": round(now - member.checked_at, 1) if member.checked else None,
    }


def pool_record(pool: Pooled, lately: Lately) -> Record:
    """One pool with its upstreams; `leaving` are those that were removed and still have work."""
    group = pool.group
    now = group.clock.now()
    members = [member_record(group, member, lately, now) for member in group.refreshed(now)]
    return {
        "pool": pool.name,
        "balance": group.settings.balance,
        "available": len(group.available),
        "panic": group.panicking,
        "notes": notes(group),
        **group.counts(),
        "upstreams": members,
        "leaving": [{"upstream": member.name, "active": member.active} for member in pool.leaving],
        **({"keys_moved": keys_moved(group)} if group.settings.balance in HASHING else {}),
    }


def notes(group: Group[Any]) -> list[str]:
    """What a person should know of a pool that its numbers do not say."""
    told = ["panic: checks are not asked"] if group.panicking else []
    balance = group.settings.balance
    if balance in WEIGHTLESS and len({member.full_weight for member in group.members} - {0}) > 1:
        told.append(f"weights are not asked by {balance}; weighted_round_robin goes by them")
    return told


def keys_moved(group: Group[Any]) -> Mapping[str, Mapping[str, float]]:
    """Which share of keys goes elsewhere if the last upstream leaves, or another joins: here, and with `hash % n`."""
    members = tuple(member for member in group.members if member.weight > 0)
    if not 1 < len(members) <= MOST_HASHED:
        return {}
    if group.moved is None:
        make: Callable[[], Balancer[Member]] = small_maglev if group.settings.balance == "maglev" else RingHash
        keys = [b"%d" % number for number in range(500)]
        changes = {"leaves": members[:-1], "joins": (*members, Member("one more"))}
        ways: dict[str, Callable[[], Balancer[Member]]] = {group.settings.balance: make, "hash % n": Modulo}
        group.moved = {
            change: {name: round(share_moved(way, members, after, keys), 3) for name, way in ways.items()}
            for change, after in changes.items()
        }
    return group.moved


def small_maglev() -> Balancer[Member]:
    """Moves as many keys as a large one does, and is filled sooner."""
    return Maglev(4093)
