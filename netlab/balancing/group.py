"""A group of members that can stand in for each other: who may be picked now, who is picked, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from netlab.balancing.member import NEVER, Member
from netlab.clock import Clock
from netlab.policy.balance import BALANCERS, HASHING, Balancer, Decision
from netlab.policy.breaker import State
from netlab.policy.outlier import OutlierRules, Outliers

M = TypeVar("M", bound=Member)
CLOSED = State.CLOSED
SHOWN = 50
"""Members that a record of a decision tells of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSettings:
    """How a group decides.

    balance   the balancer's name
    panic     share of sound members below which soundness is not asked: all get work rather than a few too much
    outliers  which answers eject
    measured  whether latencies are counted, for people to see
    """

    balance: str = "round_robin"
    panic: float = 0.0
    outliers: OutlierRules = field(default_factory=OutlierRules)
    measured: bool = False


class Told(dict[M, dict[str, Any]]):
    """By member, why it is picked, in short: as flows keep it, made once for as long as nothing is different."""

    def __init__(self, group: Group[M]) -> None:
        super().__init__()
        self._group = group

    def __missing__(self, member: M) -> dict[str, Any]:
        told = self[member] = {"upstream": member.name, "picked": self._group.why(member)}
        return told


class Group(Generic[M]):
    """Members in the order given. Every `pick` that found one is followed by `begin` or by the breaker's `forget`, and
    every `begin` by one `end`.
    """

    def __init__(
        self,
        name: str,
        members: Iterable[M],
        clock: Clock,
        random: Callable[[], float],
        settings: GroupSettings | None = None,
    ) -> None:
        self.name, self.clock, self.settings = name, clock, settings or GroupSettings()
        self.balancer: Balancer[M] = BALANCERS[self.settings.balance](random)
        self.outliers = Outliers(self.settings.outliers) if self.settings.outliers.wanted else None
        self._measured = self.settings.measured
        self._learns = self.settings.balance == "peak_ewma"
        self.times_answers = self.settings.measured or self._learns or self.settings.outliers.latency > 0
        self.judges = self.times_answers or self.outliers is not None  # asks to be told of every answer
        self._hashes = self.settings.balance in HASHING
        self.members: tuple[M, ...] = ()
        self.available: tuple[M, ...] = ()  # those that may be picked; the same object while they are the same
        self.panicking = False
        self._review = 0.0  # when to look again who they are; 0: before the next pick
        self._weights: list[float] = []
        self.told = Told(self)
        self.moved: dict[str, dict[str, float]] | None = None  # keys that would move, where that was worked out
        self.set_members(members)

    def set_members(self, members: Iterable[M]) -> None:
        """These from now on. Who stays keeps all that is known of it."""
        before, self.members = set(self.members), tuple(members)
        for member in self.members:
            if member not in before:
                member.on_change(self.changed)
            if self._hashes:
                member.slow_start = 0.0  # each step would move keys, and the last one would move them back
        if self.outliers is not None:
            self.outliers.records = [member.record for member in self.members]
        self._weights = []
        self.changed()

    def changed(self) -> None:
        """Something is different: before the next pick, look who may be picked."""
        self._review = 0.0

    # -- picking ---------------------------------------------------------------------------------------------------

    def pick(self, key: bytes = b"", tried: Collection[M] = (), decision: Decision | None = None) -> M | None:
        """A member that takes one more now, not one of those `tried`; None if there is none."""
        now = self.clock.now()
        if now >= self._review:
            self._look(now)
        candidates = self.available
        if tried:
            candidates = tuple(member for member in candidates if member not in tried)
        while candidates:
            picked = candidates[0] if len(candidates) == 1 else self.balancer.pick(candidates, key, now, decision)
            if picked.breaker.state is CLOSED or picked.breaker.allow(now):
                return picked
            candidates = tuple(member for member in candidates if member is not picked)
        return None

    def _look(self, now: float) -> None:
        """Find out who may be picked, and until when that holds if nothing happens."""
        members = self.members
        self.told.clear()
        self._review = min((member.settle(now) for member in members), default=NEVER)
        if self._hashes and (weights := [member.weight for member in members]) != self._weights:
            self._weights, self.moved = weights, None
            self.balancer.arrange(members)
        working = [member for member in members if member.working]
        sound = [member for member in working if member.sound(now)]
        self.panicking = bool(working) and len(sound) < self.settings.panic * len(working)
        able = [member for member in (working if self.panicking else sound) if not member.open(now)]
        able = [member for member in able if not member.backup] or able
        self.available = tuple(member for member in able if not member.full)

    def takes_session(self, member: M) -> bool:
        """Whether a member takes one more request of a session that belongs to it: draining does not keep it away."""
        now = self.clock.now()
        if now >= self._review:
            self._look(now)
        if member in self.available:
            return True
        drains = member.mode.value != "maintenance" and not member.working
        return drains and member.sound(now) and not member.open(now) and not member.full

    @property
    def busy(self) -> bool:
        """Whether someone could take more work if it had less."""
        now = self.clock.now()
        return any(member.full and member.working and member.sound(now) for member in self.members)

    # -- counting --------------------------------------------------------------------------------------------------

    def begin(self, member: M) -> None:
        """It has one more."""
        member.active += 1
        member.total += 1
        if member.active == member.limit:
            member.changed()

    def end(self, member: M) -> None:
        """It has one less."""
        if member.active == member.limit:
            member.changed()
        member.active -= 1

    def answered(self, member: M, ok: bool, seconds: float) -> None:
        """What became of one: whether it was answered as it should be, and how long the answer took to begin."""
        if not ok:
            member.errors += 1
        if self._measured:
            member.histogram.add(seconds)
        if self._learns:
            member.latency.observe(seconds if ok else max(seconds, SLOW_FAILURE), self.clock.now())
        if self.outliers is not None:
            for record in self.outliers.record(member.record, ok, seconds, self.clock.now()):
                self._ejected(record.name)

    def _ejected(self, name: str) -> None:
        for member in self.members:
            if member.name == name:
                member.changed()

    # -- telling ---------------------------------------------------------------------------------------------------

    def refreshed(self, now: float) -> tuple[M, ...]:
        """All members, when `available` is up to date."""
        if now >= self._review:
            self._look(now)
        return self.members

    def counts(self) -> dict[str, int]:
        """What the group as a whole counts; those that only grow end on `_total`."""
        return {"live": sum(member.active for member in self.members)}

    def excluded(self, now: float) -> dict[str, str]:
        """By name, why members get no new work."""
        self.refreshed(now)
        told = {}
        for member in self.members[:SHOWN]:
            if member not in self.available:
                told[member.name] = member.why_not(now) or "a backup, and others can work"
        return told

    def why(self, picked: M, tried: Collection[M] = ()) -> str:
        """Why it is this one, in words that fit a line; the account of the decision is on flows recorded in full."""
        there = len(self.available)
        how = f"{self.settings.balance} of {there}" if there > 1 else "the only one"
        if picked.backup:
            how = "a backup"
        elif there < 2 and len(self.members) > 1:
            how = f"the only one of {len(self.members)} that takes work"
        if self.panicking:
            how += ", though none may be sound"
        return f"{how}, after {', '.join(member.name for member in tried)}" if tried else how

    def account(self, picked: M, decision: Decision, *, tried: Collection[M] = ()) -> dict[str, Any]:
        """The record of a decision: what was compared, who was left out and why, who won."""
        excluded = self.excluded(self.clock.now()) | {member.name: "was tried already" for member in tried}
        scores = sorted(decision.scores.items(), key=lambda score: score[0] != picked.name)
        return {
            "upstream": picked.name,
            "balance": self.settings.balance,
            "rule": decision.rule or "the only one there is",
            "scores": {name: round(score, 6) for name, score in scores[:SHOWN]},
            "excluded": excluded,
            "among": len(self.available),
            "active": picked.active,
            **({"panic": True} if self.panicking else {}),
        }

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"<Group {self.name} {len(self.available)} of {len(self.members)} available>"


SLOW_FAILURE = 1.0
"""Seconds that a failure counts for at least: an upstream that refuses quickly must not look like the quickest."""
