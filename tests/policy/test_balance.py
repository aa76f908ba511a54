"""Balancers that go by turns, work and chance: exact tables and properties."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.policy.balance import (
    BALANCERS,
    Decision,
    Latency,
    LeastConnections,
    Maglev,
    PeakEwma,
    PowerOfTwoChoices,
    Random,
    RingHash,
    RoundRobin,
    WeightedRoundRobin,
)
from tests.policy.candidates import Upstream, many, picks, shares, upstreams

WEIGHTS = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def test_round_robin_goes_round_and_on_behind_the_last_when_some_leave() -> None:
    balancer: RoundRobin[Upstream] = RoundRobin()
    a, b, c = upstreams(1, 1, 1)
    assert picks(balancer, (a, b, c), 5) == "abcab"
    assert picks(balancer, (a, c), 3) == "cac"
    assert picks(balancer, (a, b, c), 3) == "abc"
    assert picks(balancer, (b,), 2) == "bb"


def test_round_robin_favours_nobody_when_candidates_flap() -> None:
    balancer: RoundRobin[Upstream] = RoundRobin()
    a, b, c = upstreams(1, 1, 1)
    names = "".join(picks(balancer, some, 1) for _ in range(60) for some in ((a, b, c), (b, c), (a, c)))
    assert max(Counter(names).values()) <= 2 * min(Counter(names).values())


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((5, 1, 1), "aabacaa"),  # nginx's own example
        ((1, 1, 1), "abc"),
        ((3, 2), "ababa"),
        ((4, 1, 1), "aabaca"),
        ((0.5, 0.5), "ab"),
        ((1, 3), "babb"),
    ],
)
def test_weighted_round_robin_is_smooth(weights: tuple[float, ...], expected: str) -> None:
    assert picks(WeightedRoundRobin(), upstreams(*weights), 2 * len(expected)) == expected * 2


@given(WEIGHTS)
def test_weighted_round_robin_is_exact_in_every_round(weights: list[int]) -> None:
    candidates, total = upstreams(*weights), sum(weights)
    balancer: WeightedRoundRobin[Upstream] = WeightedRoundRobin()
    for _ in range(2):
        names = Counter(picks(balancer, candidates, total))
        assert [names[c.name] for c in candidates] == weights


@given(WEIGHTS, WEIGHTS)
def test_weighted_round_robin_lets_nobody_starve_when_weights_change(before: list[int], after: list[int]) -> None:
    members = upstreams(*[1] * max(len(before), len(after)))
    balancer: WeightedRoundRobin[Upstream] = WeightedRoundRobin()
    for weights in (before, after):
        for member, weight in zip(members, weights, strict=False):
            member.weight = weight
        present = tuple(members[: len(weights)])
        names = picks(balancer, present, 3 * sum(weights))
    assert set(names) == {member.name for member in present}


def test_least_connections_looks_at_the_work_for_the_weight() -> None:
    a, b, c = upstreams(1, 2, 4)
    a.active, b.active, c.active = 1, 3, 8
    balancer: LeastConnections[Upstream] = LeastConnections()
    decision = Decision()
    assert balancer.pick((a, b, c), decision=decision) is a  # 2, 2 and 9/4: a and b are even
    assert balancer.pick((a, b, c)) is b
    assert decision.scores == {"a": 2.0, "b": 2.0, "c": 2.25}


@given(st.integers(2, 9), st.integers(1, 40))
def test_the_even_have_their_turns(count: int, rounds: int) -> None:
    """Requests one after the other, each over before the next: nobody has work, and nobody is preferred."""
    members, balancer = many(count), LeastConnections[Upstream]()
    assert set(Counter(balancer.pick(members) for _ in range(count * rounds)).values()) == {rounds}


@given(WEIGHTS, st.integers(0, 200))
def test_least_connections_fills_by_weight(weights: list[int], requests: int) -> None:
    """With nothing ever answered, no one is further ahead of its weight than one request."""
    candidates = upstreams(*weights)
    balancer: LeastConnections[Upstream] = LeastConnections()
    for _ in range(requests):
        balancer.pick(candidates).active += 1
    fullest = max(c.active / c.weight for c in candidates)
    assert all(fullest <= (c.active + 1) / c.weight for c in candidates)


@pytest.mark.parametrize("make", [Random, PowerOfTwoChoices])
def test_draws_go_by_weight(make: type[Random[Upstream]]) -> None:
    candidates = upstreams(1, 3, 6)
    names = list(picks(make(random.Random(7).random), candidates, 20_000))
    found = shares(names)
    if make is Random:
        assert [round(found[c.name], 1) for c in candidates] == [0.1, 0.3, 0.6]
    else:
        assert found["c"] > found["b"] > found.get("a", 0)  # with no work anywhere the heavier of two wins


def test_two_choices_of_equal_weight_are_even() -> None:
    names = list(picks(PowerOfTwoChoices(random.Random(3).random), upstreams(1, 1, 1, 1), 40_000))
    assert all(abs(share - 0.25) < 0.01 for share in shares(names).values())


@given(WEIGHTS.filter(lambda w: len(w) > 1), st.integers(0, 2**32))
def test_two_different_ones_are_drawn(weights: list[int], seed: int) -> None:
    candidates = upstreams(*weights)
    balancer: PowerOfTwoChoices[Upstream] = PowerOfTwoChoices(random.Random(seed).random)
    for _ in range(20):
        decision = Decision()
        winner = balancer.pick(candidates, decision=decision)
        assert len(decision.scores) == 2
        assert decision.scores[winner.name] == min(decision.scores.values())


@pytest.mark.parametrize("edge", [0.0, 1 - 2**-53])
def test_the_ends_of_a_draw(edge: float) -> None:
    for weights in ((1, 1), (0.1, 0.2, 0.7), (1e-9, 1e9), (1e9, 1e-9)):
        for make in (Random, PowerOfTwoChoices, PeakEwma):
            assert make(lambda: edge).pick(upstreams(*weights)).name in "abc"


def test_two_choices_are_more_even_than_one() -> None:
    """Balls into bins: the fullest of n has ln n / ln ln n with one choice, ln ln n with two (Mitzenmacher 1996)."""
    fullest = {}
    for make in (Random, PowerOfTwoChoices):
        candidates = many(1000)
        balancer = make(random.Random(1).random)
        for _ in range(1000):
            balancer.pick(candidates).active += 1
        fullest[make] = max(c.active for c in candidates)
    assert fullest[PowerOfTwoChoices] <= 3 < fullest[Random]


# -- latency -------------------------------------------------------------------------------------------------------


def test_bad_news_counts_at_once_and_good_news_by_and_by() -> None:
    latency = Latency(fade=10)
    latency.observe(0.1, now=0.0)
    assert latency.expected(0, now=0.0) == pytest.approx(0.1)
    latency.observe(0.5, now=0.0)
    assert latency.cost == 0.5
    latency.observe(0.1, now=10.0)
    assert latency.cost == pytest.approx(0.5 * 0.3679 + 0.1 * 0.6321, rel=1e-3)
    assert latency.expected(3, now=10.0) == pytest.approx(latency.cost * 4)
    assert latency.expected(0, now=40.0) < latency.cost / 20  # it is worth a try again


def test_peak_ewma_takes_the_one_that_is_expected_to_answer_sooner() -> None:
    a, b = upstreams(1, 1)
    a.latency.observe(0.010, 0.0)
    b.latency.observe(0.003, 0.0)
    balancer: PeakEwma[Upstream] = PeakEwma(random.Random(1).random)
    assert {balancer.pick((a, b), b"", 0.0).name for _ in range(10)} == {"b"}
    b.active = 4  # 15 ms against 10
    assert {balancer.pick((a, b), b"", 0.0).name for _ in range(10)} == {"a"}


def test_a_newcomer_is_neither_starved_nor_flooded() -> None:
    a, new = upstreams(1, 1)
    a.latency.observe(0.010, 0.0)
    a.active = 100
    balancer: PeakEwma[Upstream] = PeakEwma(random.Random(1).random)
    assert balancer.pick((a, new), b"", 0.0) is new
    new.active = 1
    assert balancer.pick((a, new), b"", 0.0) is a  # until it has answered


# -- all -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BALANCERS)
@settings(max_examples=30)
@given(weights=WEIGHTS, seed=st.integers(0, 1000), data=st.data())
def test_whatever_happens_a_candidate_is_picked(name: str, weights: list[int], seed: int, data: st.DataObject) -> None:
    members = upstreams(*weights)
    small = {"maglev": Maglev(251), "ring_hash": RingHash(2)}
    balancer = small.get(name) or BALANCERS[name](random.Random(seed).random)
    balancer.arrange(members)
    for _ in range(5):
        present = tuple(data.draw(st.lists(st.sampled_from(members), min_size=1, unique=True)))
        key = data.draw(st.binary(max_size=3))
        for decision in (None, Decision()):
            assert balancer.pick(present, key, 1.0, decision) in present


@pytest.mark.parametrize("name", BALANCERS)
def test_a_decision_says_what_it_went_by_and_changes_nothing(name: str) -> None:
    members = many(5)
    told, silent = (BALANCERS[name](random.Random(9).random) for _ in range(2))
    told.arrange(members)
    silent.arrange(members)
    for number in range(30):
        key, decision = b"%d" % number, Decision()
        picked = told.pick(members, key, 0.0, decision)
        assert picked is silent.pick(members, key, 0.0)
        assert picked.name in decision.scores
        assert decision.rule
        picked.active += number % 3
