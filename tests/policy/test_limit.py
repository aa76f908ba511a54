"""Rate limits: tables, and the property each promises, for any sequence of arrivals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.limit import Concurrency, FixedWindow, PerKey, SlidingWindow, TokenBucket, parse_rate

GAPS = st.lists(st.floats(min_value=0, max_value=3), max_size=200)


def arrivals(gaps: list[float]) -> list[float]:
    now, times = 0.0, []
    for gap in gaps:
        now += gap
        times.append(now)
    return times


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3)
    assert [bucket.admit(0.0).admitted for _ in range(5)] == [True, True, True, False, False]
    assert bucket.admit(0.4).retry == pytest.approx(0.1)
    assert [bucket.admit(0.5).admitted, bucket.admit(0.5).admitted] == [True, False]
    assert bucket.admit(100.0).remaining == 2


def test_a_clock_set_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=100.0)
    assert bucket.admit(100.0).admitted
    assert not bucket.admit(50.0).admitted
    assert not bucket.admit(50.5).admitted


@given(GAPS, st.floats(min_value=0.1, max_value=20), st.integers(min_value=1, max_value=20))
def test_a_bucket_never_admits_more_than_burst_and_rate_times_t(gaps: list[float], rate: float, burst: int) -> None:
    bucket = TokenBucket(rate, burst)
    admitted = [now for now in arrivals(gaps) if bucket.admit(now).admitted]
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            elapsed = admitted[last] - admitted[first]
            assert last - first + 1 <= burst + rate * elapsed + 1e-6


@given(GAPS, st.floats(min_value=0.1, max_value=20), st.integers(min_value=1, max_value=20))
def test_whoever_waits_as_told_is_admitted(gaps: list[float], rate: float, burst: int) -> None:
    for limit in (TokenBucket(rate, burst), FixedWindow(burst, rate), SlidingWindow(burst, rate)):
        now = 0.0
        for gap in gaps:
            now += gap
            verdict = limit.admit(now)
            if not verdict.admitted:
                now += verdict.retry + 1e-6
                assert limit.admit(now).admitted


@given(GAPS, st.integers(min_value=1, max_value=10), st.floats(min_value=0.5, max_value=5))
def test_a_fixed_window_never_admits_more_than_its_limit_a_window(gaps: list[float], limit: int, window: float) -> None:
    fixed = FixedWindow(limit, window)
    counts: dict[float, int] = {}
    for now in arrivals(gaps):
        if fixed.admit(now).admitted:
            counts[now // window] = counts.get(now // window, 0) + 1
    assert all(count <= limit for count in counts.values())


@given(GAPS, st.integers(min_value=1, max_value=10), st.floats(min_value=0.5, max_value=5))
def test_a_sliding_window_keeps_its_limit_in_its_own_windows(gaps: list[float], limit: int, window: float) -> None:
    sliding = SlidingWindow(limit, window)
    admitted = [now for now in arrivals(gaps) if sliding.admit(now).admitted]
    for began in {now // window for now in admitted}:
        assert sum(1 for now in admitted if now // window == began) <= limit
    for now in admitted:  # and over any window never twice the limit, which a fixed one allows
        assert sum(1 for other in admitted if now - window < other <= now) < 2 * limit or limit == 1


def test_concurrency_counts_what_is_running() -> None:
    limit = Concurrency(2)
    assert [limit.admit(0).admitted for _ in range(3)] == [True, True, False]
    limit.release()
    assert limit.admit(0).admitted


def test_keys_have_limits_of_their_own_and_are_bounded() -> None:
    limits = PerKey(lambda now: TokenBucket(1, 1, now), keys=3)
    assert limits.admit("a", 0).admitted
    assert not limits.admit("a", 0).admitted
    assert limits.admit("b", 0).admitted
    for number in range(1000):
        limits.admit(number, 0)
    assert len(limits) == 3


def test_the_fields_say_quota_and_what_is_left() -> None:
    bucket = TokenBucket(rate=0.5, burst=2)
    assert bucket.admit(0).fields("client") == [
        ("RateLimit-Policy", '"client";q=2;w=4'),
        ("RateLimit", '"client";r=1;t=2'),
    ]
    bucket.admit(0)
    assert ("Retry-After", "2") in bucket.admit(0).fields("client")


@pytest.mark.parametrize(
    ("text", "rate"), [("100/s", (100, 1)), ("60/minute", (60, 60)), ("5/10s", (5, 10)), (" 3 / h", (3, 3600))]
)
def test_rates_as_people_write_them(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "5", "x/s", "0/s", "5/fortnight", "-1/s", "5/0s", "1.5/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        parse_rate(text)
