"""Which upstream gets the next request: one verb, `pick`, and the textbook's ways to decide it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netlab.policy.balance.contract import Balancer, Candidate, Decision
from netlab.policy.balance.draws import PeakEwma, PowerOfTwoChoices, Random
from netlab.policy.balance.hashing import Maglev, Modulo, RingHash, share_moved
from netlab.policy.balance.latency import Latency
from netlab.policy.balance.turns import First, LeastConnections, RoundRobin, WeightedRoundRobin

__all__ = [
    "BALANCERS",
    "HASHING",
    "Balancer",
    "Candidate",
    "Decision",
    "First",
    "Latency",
    "LeastConnections",
    "Maglev",
    "Modulo",
    "PeakEwma",
    "PowerOfTwoChoices",
    "Random",
    "RingHash",
    "RoundRobin",
    "WeightedRoundRobin",
    "share_moved",
]

Uniform = Callable[[], float]
"""A random number, 0 or more and less than 1."""

BALANCERS: Mapping[str, Callable[[Uniform], Balancer[Any]]] = {
    "round_robin": lambda _: RoundRobin(),
    "weighted_round_robin": lambda _: WeightedRoundRobin(),
    "random": Random,
    "least_connections": lambda _: LeastConnections(),
    "power_of_two_choices": PowerOfTwoChoices,
    "peak_ewma": PeakEwma,
    "source_hash": lambda _: RingHash(),
    "ring_hash": lambda _: RingHash(),
    "maglev": lambda _: Maglev(),
    "first": lambda _: First(),
}
"""By the name people write; each is made with a source of random numbers."""

HASHING = frozenset(("source_hash", "ring_hash", "maglev"))
"""Those that go by a key of the request; `source_hash` is `ring_hash` by the client's address."""
