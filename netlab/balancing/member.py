"""One upstream of a group: what was set for it, what is known of it, and what it has to do now."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from netlab.histogram import Histogram
from netlab.policy.balance import Latency
from netlab.policy.breaker import Breaker, BreakerRules, State
from netlab.policy.health import Health, HealthRules
from netlab.policy.outlier import Record
from netlab.policy.slow_start import next_step, ramp

OPEN = State.OPEN
NEVER = float("inf")


class Mode(Enum):
    """What a person, or the upstream's agent, wants of it."""

    READY = "ready"
    DRAIN = "drain"  # no new work but that of sessions which belong to it
    MAINTENANCE = "maintenance"  # none at all


READY, DRAIN, MAINTENANCE = Mode  # a look-up in an Enum costs as much as a small function in Python 3.11


class Member:
    """A candidate of balancers. Times are the lab's, in seconds.

    weight       its share of the work as of now: `full_weight` times the agent's share and slow start's
    limit        requests, or connections, that it may have at the same time; 0: any number
    backup       it gets work only where no other member can
    health       of active checks; None: it is not checked
    record       of passive ones
    since        when it came, or came back: slow start begins there; 0: it was here from the start
    checked      what the last active check found, in words, and when
    """

    __slots__ = (
        "_changed",
        "active",
        "backup",
        "breaker",
        "checked",
        "checked_at",
        "drain_ends",
        "errors",
        "full_weight",
        "health",
        "histogram",
        "latency",
        "limit",
        "mode",
        "name",
        "record",
        "share",
        "since",
        "slow_start",
        "total",
        "weight",
    )

    def __init__(
        self,
        name: str,
        *,
        weight: float = 1.0,
        limit: int = 0,
        backup: bool = False,
        breaker: BreakerRules | None = None,
        health: HealthRules | None = None,
        slow_start: float = 0.0,
    ) -> None:
        self.name, self.limit, self.backup, self.slow_start = name, limit, backup, slow_start
        self.weight = self.full_weight = weight
        self.share = 1.0
        self.mode, self.drain_ends, self.since = READY, NEVER, 0.0
        self.active = self.total = self.errors = 0
        self.latency, self.histogram = Latency(), Histogram()
        self.breaker, self.record = Breaker(breaker), Record(name)
        self.health = Health(health) if health is not None else None
        self.checked, self.checked_at = "", 0.0
        self._changed: list[Callable[[], None]] = []

    def on_change(self, call: Callable[[], None]) -> None:
        """Call this when it matters anew who may be picked; groups share members."""
        self._changed.append(call)

    def off_change(self, call: Callable[[], None]) -> None:
        self._changed.remove(call)

    def changed(self) -> None:
        for call in self._changed:
            call()

    # -- what is asked ---------------------------------------------------------------------------------------------

    @property
    def working(self) -> bool:
        """Whether it is meant to get new work at all."""
        return self.mode is READY and self.full_weight > 0 and self.share > 0

    def sound(self, now: float) -> bool:
        """Whether neither active nor passive checks speak against it."""
        return (self.health is None or self.health.up) and now >= self.record.until

    def open(self, now: float) -> bool:
        """Whether its breaker lets nothing through."""
        return self.breaker.state is OPEN and self.breaker.retry_after(now) > 0

    @property
    def full(self) -> bool:
        return 0 < self.limit <= self.active

    def settle(self, now: float) -> float:
        """Take the weight that is due now; the result is when something of it changes next without anyone's doing."""
        record, breaker = self.record, self.breaker
        ends = [record.until] if now < record.until else []
        if breaker.state is OPEN and (wait := breaker.retry_after(now)):
            ends.append(now + wait)
        age = now - max(self.since, record.until)
        self.weight = self.full_weight * self.share * ramp(age, self.slow_start)
        if age < self.slow_start:
            ends.append(now - age + next_step(age, self.slow_start))
        return min(ends, default=NEVER)

    def why_not(self, now: float) -> str:
        """Why it gets no new work, in words; empty if it may."""
        if self.mode is not READY:
            return "draining" if self.mode is DRAIN else "in maintenance"
        if not self.full_weight or not self.share:
            return "its weight is 0" if not self.full_weight else "its agent wants no work"
        if self.health is not None and not self.health.up:
            return f"{self.health.words}: {self.checked}" if self.checked else self.health.words
        if now < self.record.until:
            return f"ejected for {self.record.until - now:.1f} s more: {self.record.why}"
        if self.open(now):
            return f"failed too often, and is asked again in {self.breaker.retry_after(now):.1f} s"
        return f"it has {self.active} of at most {self.limit}" if self.full else ""

    # -- what is set -----------------------------------------------------------------------------------------------

    def set_weight(self, weight: float) -> None:
        self.full_weight = weight
        self.changed()

    def set_mode(self, mode: Mode, now: float, *, ends: float = NEVER) -> None:
        """`ends` is when a drain is over, and what is still under way is cut."""
        if self.mode is MAINTENANCE and mode is READY:
            self.since = now
        self.mode, self.drain_ends = mode, ends if mode is DRAIN else NEVER
        self.changed()

    def report_check(self, ok: bool, words: str, now: float) -> bool:
        """What an active check found; the result is whether that turned it up or down."""
        assert self.health is not None
        known, self.checked, self.checked_at = bool(self.checked), words, now
        turned = self.health.report(ok)
        if turned:
            if ok and known:
                self.since = now
            self.changed()
        return turned

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.mode.value}, {self.active} active>"
