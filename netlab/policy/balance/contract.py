"""What balancers are asked, what they know of the upstreams, and what they tell of a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from netlab.policy.balance.latency import Latency


class Candidate(Protocol):
    """An upstream that may be picked, as far as balancers look at it.

    name     its identity, unique among the candidates and the same after a restart: hashing goes by it
    weight   its share of the work now, more than 0; slow start raises it step by step
    active   requests, or connections, that it has now
    latency  how long its answers took
    """

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...

    @property
    def active(self) -> int: ...

    @property
    def latency(self) -> Latency: ...


C = TypeVar("C", bound=Candidate)


@dataclass(slots=True)
class Decision:
    """Why it was that one, noted while it was picked, for whoever looks.

    rule    what the scores are, and which of them wins
    scores  by name, of those candidates that were compared
    """

    rule: str = ""
    scores: dict[str, float] = field(default_factory=dict)


class Balancer(Protocol[C]):
    """One verb: which of these candidates gets the next request.

    `candidates` is a tuple of at least one, in a steady order; it is the same object for as long as they and their
    weights are the same, so that what follows from them need not be found out again. Who takes nothing new (weight 0,
    draining, ejected, unhealthy, full) is not among them. `key` is what hashing goes by (b"": the request has none),
    `now` is monotonic time in seconds. With `decision` the balancer notes what it went by; it decides the same.

    Hashing needs to know who is there besides the candidates, so that only the keys of who is out move elsewhere:
    `arrange` tells it, before the first pick and whenever members or weights change.
    """

    def pick(
        self, candidates: tuple[C, ...], key: bytes = b"", now: float = 0.0, decision: Decision | None = None
    ) -> C: ...

    def arrange(self, members: Sequence[C]) -> None: ...
