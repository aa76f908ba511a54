"""Upstreams as balancers see them, for tables and properties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from netlab.policy.balance import Balancer, Latency


class Upstream:
    """A candidate whose every number a test may set."""

    def __init__(self, name: str, weight: float = 1.0, active: int = 0) -> None:
        self.name, self.weight, self.active = name, weight, active
        self.latency = Latency()

    def __repr__(self) -> str:
        return f"<{self.name} {self.weight:g} {self.active}>"


def upstreams(*weights: float) -> tuple[Upstream, ...]:
    """a, b, c … with these weights."""
    return tuple(Upstream(chr(ord("a") + number), weight) for number, weight in enumerate(weights))


def many(count: int) -> tuple[Upstream, ...]:
    return tuple(Upstream(f"10.0.{number // 250}.{number % 250}:80") for number in range(count))


def picks(balancer: Balancer[Upstream], candidates: Sequence[Upstream], count: int) -> str:
    """The names of so many picks in a row."""
    members = tuple(candidates)
    return "".join(balancer.pick(members).name for _ in range(count))


def keys(count: int) -> list[bytes]:
    return [b"key %d" % number for number in range(count)]


def owners(balancer: Balancer[Upstream], candidates: tuple[Upstream, ...], asked: Sequence[bytes]) -> list[str]:
    return [balancer.pick(candidates, key).name for key in asked]


def shares(names: Sequence[str]) -> dict[str, float]:
    return {name: count / len(names) for name, count in Counter(names).items()}
