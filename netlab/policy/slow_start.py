"""Slow start: a newcomer, or one that came back, gets its share of the work step by step."""

from __future__ import annotations

STEPS = 10


def ramp(age: float, window: float) -> float:
    """Its weight's share, above 0 up to 1, `age` seconds after it came; in steps, for a weight that changed has its
    price.
    """
    if not window or age >= window:
        return 1.0
    return (int(max(age, 0.0) / window * STEPS) + 1) / (STEPS + 1)


def next_step(age: float, window: float) -> float:
    """The age at which the share grows next; infinite once it is whole."""
    if not window or age >= window:
        return float("inf")
    return (int(max(age, 0.0) / window * STEPS) + 1) * window / STEPS
