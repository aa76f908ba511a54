"""Breaker and retry budget: tables and properties, no clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.breaker import Breaker, BreakerRules, State
from netlab.policy.retry import RetryBudget, may_retry


def test_failures_in_a_row_open_it_and_a_trial_closes_it() -> None:
    breaker = Breaker(BreakerRules(failures=3, rate=0, pause=5))
    for ok in (False, False, True, False, False):
        breaker.record(ok, 0.0)
    assert breaker.state is State.CLOSED
    breaker.record(False, 1.0)
    assert (breaker.state, breaker.allow(5.9), breaker.retry_after(4.0)) == (State.OPEN, False, 2.0)
    assert breaker.allow(6.0)
    assert not breaker.allow(6.0)  # one trial at a time
    breaker.record(True, 6.1)
    assert breaker.state is State.CLOSED


def test_a_trial_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    breaker = Breaker(BreakerRules(failures=1, pause=10, longest=30))
    breaker.record(False, 0.0)
    now, pauses = 0.0, []
    for _ in range(4):
        now += breaker.retry_after(now)
        assert breaker.allow(now)
        breaker.record(False, now)
        pauses.append(breaker.retry_after(now))
    assert pauses == [20, 30, 30, 30]


def test_a_share_of_failures_opens_it() -> None:
    breaker = Breaker(BreakerRules(failures=100, rate=0.5, window=10))
    for number in range(9):
        breaker.record(number % 2 == 0, 0.0)
    assert breaker.state is State.CLOSED
    breaker.record(False, 0.0)
    assert breaker.state is State.OPEN


def test_a_forgotten_trial_makes_room_for_another() -> None:
    breaker = Breaker(BreakerRules(failures=1, pause=1))
    breaker.record(False, 0.0)
    assert breaker.allow(1.0)
    breaker.forget()
    assert breaker.allow(1.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(min_value=0, max_value=20)), max_size=100))
def test_it_never_stays_closed_to_success_for_ever(steps: list[tuple[bool, float]]) -> None:
    breaker, now = Breaker(), 0.0
    for ok, gap in steps:
        now += gap
        if breaker.allow(now):
            breaker.record(ok, now)
    for _ in range(3):  # from any state, a pause and a success close it
        now += breaker.rules.longest
        if breaker.allow(now):
            breaker.record(True, now)
    assert breaker.state is State.CLOSED


def test_retries_are_a_share_of_the_requests_under_way() -> None:
    budget = RetryBudget(0.25, least=2)
    allowed = []
    for live, retrying in ((1, 0), (2, 1), (3, 2), (8, 2), (12, 2), (12, 3)):
        budget.retrying = retrying
        allowed.append(budget.allows(live))
    assert allowed == [True, True, False, False, True, False]
    assert not RetryBudget(0.0).allows(9)
    with pytest.raises(ValueError, match="share"):
        RetryBudget(1.5)


@pytest.mark.parametrize(
    ("method", "sent", "begun", "may"),
    [
        ("GET", False, False, True),
        ("GET", False, True, False),
        ("PUT", False, False, True),
        ("PUT", True, False, False),
        ("POST", False, False, False),
        ("PATCH", False, False, False),
    ],
)
def test_what_is_tried_again(method: str, sent: bool, begun: bool, may: bool) -> None:
    assert may_retry(method, content_sent=sent, response_begun=begun) is may
