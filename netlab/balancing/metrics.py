"""A balancer's numbers for Prometheus: collected when they are asked for, so that counting costs nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from netlab.balancing.member import Member

if TYPE_CHECKING:
    from netlab.balancing.steering import Steering

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""
OF_MEMBER = ["service", "pool", "upstream"]
OF_POOL = ["service", "pool"]

GAUGES: list[tuple[str, str, Callable[[Member], float]]] = [
    ("weight", "Its share of the work as it was set.", lambda member: member.full_weight),
    ("effective_weight", "Its share of the work as of now, after its agent and slow start.", lambda m: m.weight),
    ("active", "Requests or connections that it has now.", lambda member: member.active),
    ("breaker_open", "1 while its breaker lets nothing through.", lambda m: m.breaker.state.value == "open"),
    ("check_up", "1 while its active checks find it up; 1 too where it is not checked.", lambda m: _up(m)),
]
COUNTERS: list[tuple[str, str, Callable[[Member], float]]] = [
    ("requests", "Requests or connections that it was given.", lambda member: member.total),
    ("errors", "Those without an answer, or with one of 500 to 599.", lambda member: member.errors),
    ("ejections", "How often it was sent to rest.", lambda member: member.record.total),
]


def _up(member: Member) -> bool:
    return member.health is None or member.health.up


class Pools:
    """What Prometheus calls a collector."""

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    def collect(self) -> Iterator[Any]:
        for name, about, value in GAUGES:
            yield self._family(GaugeMetricFamily, name, about, value)
        for name, about, value in COUNTERS:
            yield self._family(CounterMetricFamily, name, about, value)
        yield self._available()
        yield self._latencies()
        yield from self._of_pools()

    def _members(self) -> Iterator[tuple[list[str], Member, bool]]:
        for pool in self._steering.pools:
            group = pool.group
            for member in group.refreshed(group.clock.now()):
                yield [self._steering.service, pool.name, member.name], member, member in group.available

    def _family(self, kind: Callable[..., Any], name: str, about: str, value: Callable[[Member], float]) -> Any:
        family = kind(f"netlab_balancer_upstream_{name}", about, labels=OF_MEMBER)
        for labels, member, _ in self._members():
            family.add_metric(labels, float(value(member)))
        return family

    def _available(self) -> Any:
        family = GaugeMetricFamily("netlab_balancer_upstream_up", "1 while it takes new work.", labels=OF_MEMBER)
        for labels, _, available in self._members():
            family.add_metric(labels, float(available))
        return family

    def _latencies(self) -> Any:
        about = "Seconds from a request's leaving to the head of its answer."
        family = HistogramMetricFamily("netlab_balancer_upstream_response_seconds", about, labels=OF_MEMBER)
        for labels, member, _ in self._members():
            histogram = member.histogram
            counts = [*zip(map(str, BOUNDS), histogram.below(BOUNDS), strict=True), ("+Inf", histogram.count)]
            family.add_metric(labels, buckets=counts, sum_value=histogram.total)
        return family

    def _of_pools(self) -> Iterator[Any]:
        """What a pool counts itself, each under its name: `live`, `waiting` …; those of the past end on `_total`."""
        families: dict[str, Any] = {}
        for pool in self._steering.pools:
            for name, value in pool.group.counts().items():
                ever = name.endswith("_total")
                kind = CounterMetricFamily if ever else GaugeMetricFamily
                bare = f"netlab_balancer_pool_{name.removesuffix('_total')}"
                about = f"Of the pool: {name.replace('_', ' ')}."
                family = families.setdefault(name, kind(bare, about, labels=OF_POOL))
                family.add_metric([self._steering.service, pool.name], float(value))
        yield from families.values()


def exposition(steering: Steering) -> bytes:
    """The text that Prometheus scrapes (version 0.0.4)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Pools(steering))
    return generate_latest(registry)
