"""Groups: who may be picked, who is not and why, what slow start and panic do, and that every count comes back."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.balancing.group import Group, GroupSettings
from netlab.balancing.member import Member, Mode
from netlab.balancing.status import Lately
from netlab.clock import LabClock
from netlab.histogram import Histogram
from netlab.policy.balance import Decision
from netlab.policy.breaker import BreakerRules
from netlab.policy.health import HealthRules
from netlab.policy.outlier import OutlierRules


def clock() -> LabClock:
    frozen = LabClock()
    frozen.freeze(1000.0)
    return frozen


def group(*members: Member, time: LabClock | None = None, **settings: object) -> Group[Member]:
    return Group("api", members, time or clock(), random.Random(1).random, GroupSettings(**settings))  # type: ignore[arg-type]  # as the test says


def picked(some: Group[Member], count: int = 20) -> dict[str, int]:
    return dict(Counter(member.name for _ in range(count) if (member := some.pick()) is not None))


def test_weight_drain_and_maintenance_take_no_new_work() -> None:
    a, b, c, d = (Member(name) for name in "abcd")
    some = group(a, b, c, d)
    a.set_weight(0)
    b.set_mode(Mode.DRAIN, 0)
    c.set_mode(Mode.MAINTENANCE, 0)
    assert picked(some) == {"d": 20}
    assert some.excluded(0) == {"a": "its weight is 0", "b": "draining", "c": "in maintenance"}
    assert [some.takes_session(member) for member in (a, b, c, d)] == [True, True, False, True]
    for member in (b, c):
        member.set_mode(Mode.READY, 0)
    assert set(picked(some)) == {"b", "c", "d"}


def test_down_means_no_work_until_it_is_up() -> None:
    a, b = (Member(name, health=HealthRules(rise=1, fall=2)) for name in "ab")
    some = group(a, b)
    assert set(picked(some)) == {"a", "b"}  # nobody has been checked yet
    assert a.report_check(False, "connection refused", 1000)
    assert picked(some) == {"b": 20}
    assert some.excluded(1000) == {"a": "down: connection refused"}
    a.report_check(True, "200 OK", 1001)
    assert set(picked(some)) == {"a", "b"}


def test_backups_work_where_no_other_can() -> None:
    a, b = Member("a", health=HealthRules()), Member("b", backup=True)
    some = group(a, b)
    assert picked(some) == {"a": 20}
    assert some.excluded(1000) == {"b": "a backup, and others can work"}
    a.report_check(False, "no", 1000)
    assert picked(some) == {"b": 20}


def test_the_full_are_passed_over_and_nobody_overtakes_the_limit() -> None:
    a, b = Member("a", limit=2), Member("b", limit=1)
    some = group(a, b, balance="least_connections")
    for _ in range(3):
        member = some.pick()
        assert member is not None
        some.begin(member)
    assert (a.active, b.active, some.pick(), some.busy) == (2, 1, None, True)
    assert some.excluded(1000) == {"a": "it has 2 of at most 2", "b": "it has 1 of at most 1"}
    some.end(b)
    assert some.pick() is b


def test_in_panic_soundness_is_not_asked() -> None:
    members = [Member(name, health=HealthRules()) for name in "abcd"]
    some = group(*members, panic=0.5)
    for member in members[:2]:
        member.report_check(False, "no", 1000)
    assert set(picked(some)) == {"c", "d"}
    assert not some.panicking
    members[2].report_check(False, "no", 1000)
    assert set(picked(some)) == {"a", "b", "c", "d"}
    assert some.panicking


def test_without_panic_all_down_is_nobody() -> None:
    a = Member("a", health=HealthRules())
    some = group(a)
    a.report_check(False, "no", 1000)
    assert some.pick() is None
    assert not some.busy


def test_slow_start_after_coming_back() -> None:
    time = clock()
    a, b = Member("a"), Member("b", health=HealthRules(rise=1, fall=1), slow_start=10)
    some = group(a, b, time=time, balance="weighted_round_robin")
    b.report_check(False, "no", time.now())
    b.report_check(True, "yes", time.now())
    shares = []
    for _ in range(3):
        shares.append(picked(some, 110).get("b", 0) / 110)
        time.jump(5)
    assert shares == pytest.approx([0.08, 0.35, 0.5], abs=0.02)


def test_slow_start_leaves_hashing_alone() -> None:
    assert group(Member("a", slow_start=10), balance="ring_hash").members[0].slow_start == 0


def test_ejection_and_return_by_the_clock() -> None:
    time = clock()
    a, b = Member("a"), Member("b")
    some = group(a, b, time=time, outliers=OutlierRules(errors=2, pause=10))
    for _ in range(2):
        some.begin(a)
        some.answered(a, False, 0.1)
        some.end(a)
    assert picked(some) == {"b": 20}
    assert some.excluded(time.now()) == {"a": "ejected for 10.0 s more: 2 errors in a row"}
    time.jump(10)
    assert set(picked(some)) == {"a", "b"}


def test_an_open_breaker_lets_one_through_after_its_pause() -> None:
    time = clock()
    a, b = Member("a", breaker=BreakerRules(failures=1, pause=5)), Member("b")
    some = group(a, b, time=time)
    a.breaker.record(False, time.now())
    a.changed()
    assert picked(some) == {"b": 20}
    time.jump(5)
    assert picked(some) == {"a": 1, "b": 19}  # the trial, and no other before it has ended


def test_a_decision_accounts_for_everyone() -> None:
    a, b, c = Member("a"), Member("b"), Member("c")
    some = group(a, b, c, balance="least_connections")
    b.set_mode(Mode.MAINTENANCE, 0)
    a.active, decision = 3, Decision()
    found = some.pick(decision=decision)
    assert found is c
    assert some.account(c, decision, tried=(b,)) == {
        "upstream": "c",
        "balance": "least_connections",
        "rule": "(active + 1) / weight; the least wins, the even have their turns",
        "scores": {"c": 1.0, "a": 4.0},
        "excluded": {"b": "was tried already"},
        "among": 2,
        "active": 0,
    }


def test_members_that_stay_keep_what_is_known_of_them() -> None:
    a, b, c = (Member(name) for name in "abc")
    some = group(a, b)
    some.begin(a)
    some.set_members((a, c))
    assert a.active == 1
    assert set(picked(some)) == {"a", "c"}


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["take", "end", "fail", "down", "up", "drain", "ready"]))))
def test_whatever_happens_limits_hold_and_counts_come_back(steps: list[tuple[int, str]]) -> None:
    members = [Member(name, limit=2, health=HealthRules(rise=1, fall=1)) for name in "abcde"]
    some = group(*members, balance="power_of_two_choices", outliers=OutlierRules(errors=3))
    under_way: list[Member] = []
    for number, step in steps:
        member = members[number]
        if step == "take" and (found := some.pick()) is not None:
            assert found.working
            assert found.sound(1000)
            some.begin(found)
            under_way.append(found)
        elif step in ("end", "fail") and under_way:
            some.answered(under_way[-1], step == "end", 0.1)
            some.end(under_way.pop())
        elif step in ("down", "up"):
            member.report_check(step == "up", step, 1000)
        elif step in ("drain", "ready"):
            member.set_mode(Mode(step), 1000)
        assert all(0 <= each.active <= 2 for each in members)
    for each in under_way:
        some.end(each)
    assert not any(each.active for each in members)


# -- histogram -------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200), st.floats(0.01, 1))
def test_percentiles_are_known_to_six_percent(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(-(-int(share * len(values) * 1e9) // 10**9), 1) - 1]
    found = histogram.percentile(share)
    assert any(value <= found <= value * 1.07 + 1e-6 for value in values)
    assert found >= exact * 0.999 - 1e-6
    assert list(histogram.below([1e5])) == [len(values)]


def test_what_was_added_since_and_what_others_counted() -> None:
    histogram, other = Histogram(), Histogram()
    histogram.add(0.1)
    before = histogram.copy()
    histogram.add(0.2)
    assert (histogram.since(before).count, histogram.since(before).mean) == (1, pytest.approx(0.2))
    other.add(0.4)
    other.merge(histogram)
    assert other.count == 3
    assert list(other.below([0.15, 0.3, 0.5])) == [1, 2, 3]


def test_latencies_of_the_first_moments_are_told_until_a_minute_is_over() -> None:
    member, lately = Member("a"), Lately()
    member.histogram.add(0.01)
    lately.look([member], 0.0)
    assert lately.of(member).count == 1
    for second in range(10, 60, 10):
        lately.look([member], float(second))
    member.histogram.add(0.02)
    lately.look([member], 60.0)
    assert lately.of(member).count == 1  # the first is forgotten
