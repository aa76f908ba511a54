"""Active health checks: when the next one is due, and how many in a row turn an upstream down or up again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthRules:
    """How often is checked, and how long one check is doubted.

    interval  seconds between checks; `hurry` while a change is under way, so that it is decided soon
    jitter    share by which each pause is shortened or lengthened at random: a hundred balancers must not call at once
    rise      good checks in a row that turn a down upstream up
    fall      bad ones that turn it down
    """

    interval: float = 5.0
    hurry: float = 1.0
    jitter: float = 0.1
    rise: int = 2
    fall: int = 3


class Health:
    """One upstream's. It is taken for up until its first check, and that decides at once."""

    __slots__ = ("_in_a_row", "_known", "rules", "up")

    def __init__(self, rules: HealthRules | None = None) -> None:
        self.rules = rules or HealthRules()
        self.up = True
        self._known = False
        self._in_a_row = 0  # checks that spoke against the present state

    def report(self, ok: bool) -> bool:
        """How a check ended; the result is whether that turned the upstream up or down."""
        if ok is self.up:
            self._known, self._in_a_row = True, 0
            return False
        self._in_a_row += 1
        if self._known and self._in_a_row < (self.rules.fall if self.up else self.rules.rise):
            return False
        self.up, self._known, self._in_a_row = ok, True, 0
        return True

    def pause(self, uniform: float) -> float:
        """Seconds until the next check; `uniform` is a random number from 0 to 1."""
        rules = self.rules
        seconds = min(rules.hurry, rules.interval) if self._in_a_row or not self._known else rules.interval
        return seconds * (1 + rules.jitter * (2 * uniform - 1))

    @property
    def words(self) -> str:
        """The state as a person reads it: `up`, `up, failed 1 of 3`, `down`, `down, passed 1 of 2`, `not checked`."""
        if not self._known:
            return "not checked"
        state = "up" if self.up else "down"
        if not self._in_a_row:
            return state
        needed = f"failed {self._in_a_row} of {self.rules.fall}" if self.up else ""
        return f"{state}, {needed or f'passed {self._in_a_row} of {self.rules.rise}'}"

    def __repr__(self) -> str:
        return f"<Health {self.words}>"
