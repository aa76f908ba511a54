"""Active checks, agents' answers, outliers, slow start and sticky sessions: exact tables and properties, no clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.agent import AgentAnswer, read_answer
from netlab.policy.health import Health, HealthRules
from netlab.policy.outlier import OutlierRules, Outliers, Record, most_resting
from netlab.policy.slow_start import STEPS, next_step, ramp
from netlab.policy.sticky import StickyTable, cookie, set_cookie, token

RULES = HealthRules(interval=10, hurry=2, jitter=0.1, rise=2, fall=3)


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ("", ["not checked"]),
        ("-", ["not checked", "down"]),  # the first decides at once
        (
            "+--+---",
            [
                "not checked",
                "up",
                "up, failed 1 of 3",
                "up, failed 2 of 3",
                "up",
                "up, failed 1 of 3",
                "up, failed 2 of 3",
                "down",
            ],
        ),
        ("-+-++", ["not checked", "down", "down, passed 1 of 2", "down", "down, passed 1 of 2", "up"]),
    ],
)
def test_rise_and_fall(checks: str, words: list[str]) -> None:
    health = Health(RULES)
    found = [health.words]
    for check in checks:
        before = health.up
        assert health.report(check == "+") is (health.up is not before)
        found.append(health.words)
    assert found == words


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_state_changes_only_after_enough_in_a_row(checks: list[bool], rise: int, fall: int) -> None:
    health = Health(HealthRules(rise=rise, fall=fall))
    for number, ok in enumerate(checks):
        if health.report(ok) and number:
            needed = rise if ok else fall
            assert checks[number + 1 - needed : number + 1] == [ok] * needed


def test_a_change_under_way_is_decided_in_a_hurry() -> None:
    health = Health(RULES)
    assert health.pause(0.5) == 2
    health.report(True)
    assert [health.pause(uniform) for uniform in (0.0, 0.5, 1.0)] == [9, 10, 11]
    health.report(False)
    assert health.pause(0.5) == 2


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("up\n", AgentAnswer(up=True)),
        ("75%", AgentAnswer(share=0.75)),
        ("UP, 50% maxconn:30\r\nmore", AgentAnswer(up=True, share=0.5, limit=30)),
        ("drain", AgentAnswer(state="drain")),
        ("maint", AgentAnswer(state="maintenance")),
        ("ready up", AgentAnswer(up=True, state="ready")),
        ("down # disk is full", AgentAnswer(up=False, reason="disk is full")),
        ("stopped", AgentAnswer(up=False)),
        ("0%", AgentAnswer(share=0.0)),
        ("", None),
        ("# nothing", None),
        ("HTTP/1.1 200 OK", None),
        ("up 5000%", None),
        ("up maxconn:-1", None),
    ],
)
def test_agents_speak_haproxys_words(text: str, meaning: AgentAnswer | None) -> None:
    assert read_answer(text) == meaning


@given(st.text(max_size=300))
def test_any_answer_is_read_or_refused(text: str) -> None:
    read_answer(text)


# -- outliers --------------------------------------------------------------------------------------------------------


def group(count: int, rules: OutlierRules) -> Outliers:
    outliers = Outliers(rules)
    outliers.records = [Record(chr(ord("a") + number)) for number in range(count)]
    return outliers


def test_errors_in_a_row_eject_and_each_time_for_longer() -> None:
    outliers = group(4, OutlierRules(errors=3, pause=10, longest=25, window=1000))
    bad = outliers.records[0]
    now, rests = 0.0, []
    for _ in range(3):
        ejected = [outliers.record(bad, ok, 0.1, now) for ok in (False, False, True, False, False, False)]
        assert ejected == [[], [], [], [], [], [bad]]
        rests.append(bad.until - now)
        assert bad.resting(now)
        assert not bad.resting(bad.until)
        now = bad.until
    assert rests == [10, 20, 25]
    assert bad.why == "3 errors in a row"


def test_a_share_of_errors_ejects_at_the_end_of_the_window() -> None:
    outliers = group(3, OutlierRules(rate=0.5, enough=10, window=10))
    good, bad, quiet = outliers.records
    for number in range(20):
        assert not outliers.record(good, True, 0.1, 1.0)
        assert not outliers.record(bad, number % 2 == 0, 0.1, 1.0)
    outliers.record(quiet, False, 0.1, 1.0)  # all of its answers were errors, but one is not enough to judge
    assert outliers.record(good, True, 0.1, 12.0) == [bad]
    assert bad.why == "50% of its answers were errors"


def test_the_slow_are_held_against_the_median() -> None:
    outliers = group(3, OutlierRules(latency=3, enough=5, window=10))
    for record, seconds in zip(outliers.records, (0.01, 0.012, 0.1), strict=True):
        for _ in range(5):
            assert not outliers.record(record, True, seconds, 1.0)
    assert outliers.record(outliers.records[0], True, 0.01, 11.5) == [outliers.records[2]]
    assert outliers.records[2].why == "it took 8.3 times as long as is usual here"


def test_who_behaves_is_forgiven() -> None:
    outliers = group(2, OutlierRules(errors=1, pause=10, window=10))
    one, other = outliers.records
    outliers.record(one, False, 0.1, 1.0)
    assert one.times == 1
    for now in (12.0, 23.0):
        outliers.record(other, True, 0.1, now)
    assert one.times == 0


@given(st.integers(1, 9), st.floats(0, 1), st.lists(st.integers(0, 8), max_size=60))
def test_never_more_rest_than_may(count: int, most: float, failing: list[int]) -> None:
    outliers = group(count, OutlierRules(errors=1, most=most, window=1e9))
    for number in failing:
        outliers.record(outliers.records[number % count], False, 0.1, 1.0)
        assert sum(record.resting(1.0) for record in outliers.records) <= most_resting(count, most)
    assert most_resting(count, most) < max(count, 2) or most == 1


# -- slow start ------------------------------------------------------------------------------------------------------


def test_slow_start_goes_step_by_step() -> None:
    assert [round(ramp(age, 10), 2) for age in (0, 0.9, 1, 5, 9.9, 10, 99)] == [0.09, 0.09, 0.18, 0.55, 0.91, 1, 1]
    assert ramp(0, 0) == 1
    assert [next_step(age, 10) for age in (0, 0.9, 1, 9.9, 10)] == [1, 1, 2, 10, float("inf")]


@given(st.floats(0, 100), st.floats(0.1, 100))
def test_the_share_only_grows_and_changes_no_sooner_than_is_said(age: float, window: float) -> None:
    soon = min(next_step(age, window), window)
    assert 0 < ramp(age, window) <= ramp(age + 0.01, window) <= 1
    assert ramp((age + soon) / 2, window) >= ramp(age, window)
    assert len({ramp(window * n / 97, window) for n in range(99)}) == STEPS + 1


# -- sticky ----------------------------------------------------------------------------------------------------------


def test_a_token_tells_nothing_and_is_the_same_everywhere() -> None:
    made = token(b"key", "api", "127.0.0.1:9101")
    assert made == token(b"key", "api", "127.0.0.1:9101") == "rKIUZPT4fpEd-DLwp31lmw"
    others = {
        token(b"other", "api", "127.0.0.1:9101"),
        token(b"key", "web", "127.0.0.1:9101"),
        token(b"key", "api", "b"),
    }
    assert made not in others
    assert len(others) == 3


def test_cookies() -> None:
    assert set_cookie("up", "abc", secure=False) == "up=abc; Path=/; HttpOnly; SameSite=Lax"
    assert (
        set_cookie("up", "abc", secure=True, lasts=60) == "up=abc; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
    )
    assert cookie('a=1; up="abc"; up=later', "up") == "abc"
    assert [cookie(field, "up") for field in (None, "", "up", "cup=1", "a=up=1")] == [""] * 5


def test_the_table_remembers_so_many_for_so_long() -> None:
    table = StickyTable(size=2, lasts=10)
    table.remember(b"1", "a", 0)
    table.remember(b"2", "b", 1)
    assert [table.upstream_of(b"1", 10), table.upstream_of(b"1", 11)] == ["a", ""]
    table.remember(b"3", "c", 2)
    table.remember(b"2", "c", 3)
    table.remember(b"4", "a", 4)
    assert [table.upstream_of(shown, 5) for shown in (b"2", b"3", b"4")] == ["c", "", "a"]
    assert len(table) == 2
