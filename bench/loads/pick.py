"""Picking upstreams, nothing else: what a balancer's decision costs."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import dataclass

from bench.model import Sample
from bench.stage import Target
from netlab.policy.balance import BALANCERS, Latency

AT_ONCE = 20
"""Picks between two looks at the clock."""
KEYS = [b"127.0.0.%d" % number for number in range(AT_ONCE)]


class Upstream:
    """A candidate."""

    def __init__(self, number: int) -> None:
        self.name, self.weight, self.active = f"10.0.{number // 250}.{number % 250}:80", 1.0, number % 7
        self.latency = Latency()
        self.latency.observe(0.001 * (number % 13 + 1), 0.0)


@dataclass(frozen=True, kw_only=True)
class Pick:
    """Picks among so many, each of a client of its own; p50 is the median CPU time of one pick, in ms."""

    balance: str
    among: int

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        """There is nothing to ask."""

    def run(self, target: Target, seconds: int) -> Sample:
        candidates = tuple(map(Upstream, range(self.among)))
        balancer = BALANCERS[self.balance](random.Random(1).random)
        balancer.arrange(candidates)
        balancer.pick(candidates, b"first", 1.0)
        costs: list[float] = []
        before, began = time.process_time(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            now = time.thread_time()  # what others take of the core meanwhile is not the pick's
            for key in KEYS:
                balancer.pick(candidates, key, 1.0)
            costs.append((time.thread_time() - now) / AT_ONCE)
        spent = time.perf_counter() - began
        values = {"p50": statistics.median(costs) * 1000}
        cpu = time.process_time() - before
        return Sample(units=len(costs) * AT_ONCE, seconds=spent, load_cpu=cpu, values=values)
