"""Which upstream a client has, from the pick to the end: counted, judged, and told why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.balancing.group import Group
from netlab.flow import Flow
from netlab.policy.balance import Decision
from servers.l4_balancer.pool import Member, Work

if TYPE_CHECKING:
    from collections.abc import Callable


class Choice:
    """One client's. Every pick is counted until `release`, and judged once: by `succeeded` or `failed`."""

    __slots__ = ("_began", "_now", "_work", "flow", "group", "key", "member", "reasons", "tried")

    def __init__(self, group: Group[Member], work: Work, flow: Flow, key: bytes, now: Callable[[], float]) -> None:
        self._work = work
        self.group, self.flow, self.key, self._now = group, flow, key, now
        self.member: Member | None = None
        self.tried: list[Member] = []
        self.reasons: list[str] = []  # why it was in vain
        self._began = 0.0  # when it was picked; 0: it is judged already

    def pick(self) -> Member | None:
        """The one that has this client now; None where nobody takes it."""
        group, flow = self.group, self.flow
        if flow.events is None:
            member = group.pick(self.key, tried=self.tried)
        else:
            decision = Decision()
            member = group.pick(self.key, tried=self.tried, decision=decision)
            if member is not None:
                flow.note("upstream.picked", **group.account(member, decision, tried=self.tried))
        if member is None and (member := self._backup()) is None:
            return None
        self.member, self._began = member, self._now()
        group.begin(member)
        member.work.add(self._work)
        flow.label = f"{member.name}  ({group.why(member, self.tried)})"
        return member

    def _backup(self) -> Member | None:
        """Where those that had their turn could not, a backup may, though others seem able."""
        now = self.group.clock.now()
        for member in self.group.members if self.tried else ():
            if member.backup and member not in self.tried and not member.why_not(now) and member.breaker.allow(now):
                return member
        return None

    def succeeded(self) -> None:
        """The upstream has answered."""
        self._judge(ok=True)

    def failed(self) -> None:
        """The upstream did not do what it is there for."""
        self._judge(ok=False)

    def _judge(self, *, ok: bool) -> None:
        if self._began:
            assert self.member is not None
            began, self._began = self._began, 0.0
            now = self._now()
            self.member.breaker.record(ok, self.group.clock.now())
            self.group.answered(self.member, ok, now - began)
            if not ok:
                self.member.changed()

    def give_up(self, why: str) -> None:
        """This upstream was tried in vain."""
        assert self.member is not None
        self.tried.append(self.member)
        self.reasons.append(why)
        self.failed()
        self.release()

    def release(self) -> None:
        """It has the client no more; what was not judged says nothing of it."""
        member, self.member = self.member, None
        if member is not None:
            if self._began:
                self._began = 0.0
                member.breaker.forget()
            member.work.discard(self._work)
            self.group.end(member)

    def nobody(self) -> str:
        """Why nobody takes it, in a sentence."""
        told = {member.name: why for member, why in zip(self.tried, self.reasons, strict=True)}
        for name, why in self.group.excluded(self.group.clock.now()).items():
            told.setdefault(name, f"{name}: {why}")
        return f"no upstream takes the connection: {'; '.join(told.values()) or f'pool {self.group.name} has none'}"
