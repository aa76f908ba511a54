"""Age and lifetime in figures, what they mean for a request, parts put together, and what a decision says of itself."""

from __future__ import annotations

from email.utils import formatdate
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.fields import Fields
from netlab.policy.http_cache.directives import RequestDirectives, ResponseDirectives, response_directives
from netlab.policy.http_cache.freshness import Exchanged, Freshness, Heuristic, freshness
from netlab.policy.http_cache.invalidation import invalidated, resolved
from netlab.policy.http_cache.partial import Part, combined, covering, extent, missing, strong_validator
from netlab.policy.http_cache.report import Handled
from netlab.policy.http_cache.reuse import Use, reuse, stands_in
from netlab.policy.http_cache.selection import favourite, matches, nominated, normalized
from netlab.policy.http_cache.storing import may_store
from netlab.policy.http_cache.validation import conditional, is_validated, updated

NOW = 1_790_000_000.0


def life(*pairs: tuple[str, str], asked: float = NOW, answered: float = NOW) -> Freshness:
    fields = Fields(pairs)
    return freshness(200, fields, response_directives(fields), Exchanged(asked=asked, answered=answered), Heuristic())


def date(delta: float) -> str:
    return formatdate(NOW + delta, usegmt=True)


def test_age_is_the_greater_of_what_clocks_and_caches_say() -> None:
    """RFC 9111 4.2.3: apparent_age, corrected_age_value, resident_time."""
    assert life(("Date", date(-30)), ("Age", "20")).initial_age == 30
    assert life(("Date", date(-10)), ("Age", "20")).initial_age == 20
    assert life(("Date", date(0)), ("Age", "20"), asked=NOW - 5).initial_age == 25
    assert life(("Date", date(+500))).initial_age == 0
    fresh = life(("Date", date(-10)), ("Cache-Control", "max-age=60"))
    assert [fresh.age(NOW + seconds) for seconds in (0, 7)] == [10, 17]
    assert fresh.until == NOW + 50
    assert fresh.staleness(NOW + 50) == 0
    assert fresh.arithmetic(NOW + 7) == "age 17 s = 10 on arrival + 7 here; lifetime 60 s by max-age=60"


def test_within_the_second_of_date_nothing_has_aged() -> None:
    assert life(("Date", date(0)), answered=NOW + 0.9).initial_age == pytest.approx(0.9)
    assert life(("Date", date(0)), asked=NOW + 0.9, answered=NOW + 0.9).initial_age == 0


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 10**6))
def test_fresh_until_stale(lifetime: int, age: int, later: float) -> None:
    fresh = life(("Cache-Control", f"max-age={lifetime}"), ("Age", str(age)))
    found = reuse(fresh, ResponseDirectives(), RequestDirectives(), NOW + later)
    assert (found.use is Use.FRESH) == (fresh.age(NOW + later) < lifetime)


def test_s_maxage_gives_way_to_what_is_about_staleness() -> None:
    fields = Fields([("Cache-Control", "s-maxage=1, stale-while-revalidate=10, stale-if-error=20")])
    said, fresh = response_directives(fields), life(*fields)
    assert reuse(fresh, said, RequestDirectives(), NOW + 5).use is Use.REVALIDATE
    assert reuse(fresh, said, RequestDirectives(max_stale=99), NOW + 15).use is Use.VALIDATE
    assert stands_in(fresh, said, RequestDirectives(), NOW + 15, unreachable=False, grace=0) is not None
    assert stands_in(fresh, said, RequestDirectives(), NOW + 25, unreachable=True, grace=99) is None


def test_a_verdict_names_rule_section_and_directive() -> None:
    answer = Fields([("Cache-Control", "max-age=60, private")])
    said = response_directives(answer)
    verdict = may_store("GET", Fields(), RequestDirectives(), 200, answer, said, life(*answer))
    assert (verdict.allowed, verdict.rule, verdict.section, verdict.directive) == (
        False,
        "private",
        "RFC 9111 5.2.2.7",
        "private",
    )
    assert verdict.reason == "Cache-Control says private: it is for one user"


@pytest.mark.parametrize(
    ("first", "then", "same"),
    [
        ("a,b", "a , b", True),
        ("a", "A", False),
        ('"a,b"', '"a, b"', False),
        (None, "", False),
        ("", "", True),
    ],
)
def test_unknown_fields_compare_without_blanks(first: str | None, then: str | None, same: bool) -> None:
    assert (normalized("foo", first) == normalized("foo", then)) is same


@given(st.permutations(["en;q=0.8", "de", "fr;q=0.5"]), st.sampled_from([",", ", ", " ,"]))
def test_preferences_have_no_order(languages: list[str], comma: str) -> None:
    wanted = nominated("Accept-Language", Fields([("Accept-Language", "de, en;q=0.8, fr;q=0.5")]))
    assert wanted is not None
    assert matches(wanted, Fields([("Accept-Language", comma.join(languages))]))


def test_the_favourite_language() -> None:
    assert favourite("fr;q=0.5, DE") == "de"
    assert favourite("en, de") is None
    assert favourite("*") is None
    assert favourite("de;q=0") is None
    assert favourite("") is None


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=1, max_size=6))
def test_parts_put_together_are_the_whole(spans: list[tuple[int, int]]) -> None:
    whole = bytes(range(64))
    parts: tuple[Part, ...] = ()
    for first, length in spans:
        parts = combined(parts, Part(first, whole[first : first + length]))
    for part in parts:
        assert part.content == whole[part.first : part.end]
    assert all(one.end < other.first for one, other in pairwise(parts))
    have = {index for part in parts for index in range(part.first, part.end)}
    assert have == {index for first, length in spans for index in range(first, min(first + length, 64))}
    for first, length in spans:
        last = min(first + length, 64) - 1
        assert covering(parts, first, last) == whole[first : last + 1]


def test_extents_and_what_is_missing() -> None:
    assert extent("bytes 2-3/10") == (2, 3, 10)
    for wrong in (None, "", "bytes 3-2/10", "bytes 2-10/10", "bytes 2-3/*", "bytes */10", "lines 2-3/10", "bytes 2-3"):
        assert extent(wrong) is None
    assert missing((Part(0, b"abc"),), 10) == "bytes=3-"
    assert missing((Part(7, b"abc"),), 10) == "bytes=0-6"
    assert missing((Part(1, b"abc"),), 10) is None
    assert missing((Part(0, b"a"), Part(5, b"b")), 10) is None


def test_strong_validators() -> None:
    assert strong_validator(Fields([("ETag", '"a"')]), NOW) == '"a"'
    assert strong_validator(Fields([("ETag", 'W/"a"'), ("Last-Modified", date(-9)), ("Date", date(0))]), NOW) is None
    assert strong_validator(Fields([("ETag", "a")]), NOW) is None
    assert strong_validator(Fields([("Last-Modified", date(-9)), ("Date", date(0))]), NOW) == date(-9)
    assert strong_validator(Fields([("Last-Modified", date(0)), ("Date", date(0))]), NOW) is None
    assert strong_validator(Fields([("Last-Modified", date(-9))]), NOW) is None


def test_what_a_304_is_about() -> None:
    stored = Fields([("ETag", '"a"'), ("Last-Modified", "x")])
    assert is_validated(stored, Fields([("ETag", '"a"')]))
    assert is_validated(stored, Fields([("ETag", 'W/"a"')]))
    assert is_validated(stored, Fields())
    assert not is_validated(stored, Fields([("ETag", '"b"')]))
    assert not is_validated(Fields([("Last-Modified", "x")]), Fields([("ETag", '"b"')]))
    assert not is_validated(Fields([("Last-Modified", "x")]), Fields([("Last-Modified", "y")]))


def test_fields_are_replaced_by_name() -> None:
    stored = [("A", "1"), ("Set-Cookie", "x"), ("a", "2"), ("Content-Length", "3"), ("B", "1")]
    answer = [("a", "3"), ("Set-Cookie", "y"), ("Set-Cookie", "z"), ("Content-Length", "0")]
    assert updated(stored, answer) == [
        ("Content-Length", "3"),
        ("B", "1"),
        ("a", "3"),
        ("Set-Cookie", "y"),
        ("Set-Cookie", "z"),
    ]


def test_our_conditions_take_the_place_of_the_clients() -> None:
    asked = [("If-None-Match", '"x"'), ("Range", "bytes=0-"), ("If-Range", '"x"'), ("Accept", "*/*")]
    assert conditional(asked, Fields([("ETag", '"a"')])) == [("Accept", "*/*"), ("If-None-Match", '"a"')]


@pytest.mark.parametrize(
    ("reference", "uri"),
    [
        ("/b?c#d", "http://shop.test/b?c"),
        ("x", "http://shop.test/a/x"),
        ("//SHOP.test:80/y", "http://shop.test/y"),
        ("http://shop.test", "http://shop.test/"),
        ("", "http://shop.test/a/"),
        ("http://[", None),
    ],
)
def test_references(reference: str, uri: str | None) -> None:
    assert resolved("http://shop.test/a/", reference) == uri


def test_only_the_same_origin_is_invalidated() -> None:
    for other in ("https://shop.test/b", "http://shop.test:8080/b", "http://other.test/b"):
        assert invalidated("POST", 201, "http://shop.test/a", Fields([("Location", other)])) == ["http://shop.test/a"]
    same = Fields([("Location", "http://SHOP.test:80/b")])
    assert invalidated("POST", 201, "http://shop.test/a", same)[1:] == ["http://shop.test/b"]
    assert invalidated("POST", 404, "http://shop.test/a", same) == []
    assert invalidated("GET", 200, "http://shop.test/a", same) == []


def test_cache_status() -> None:
    """RFC 9211 2: one member of a list, its parameters in this order."""
    assert Handled(hit=True, ttl=-3.5).member("netlab-1") == "netlab-1; hit; ttl=-4"
    handled = Handled(forwarded="stale", status=304, stored=True, ttl=59.9, collapsed=True, detail="x")
    assert handled.member("n") == "n; fwd=stale; fwd-status=304; ttl=59; stored; collapsed; detail=x"
