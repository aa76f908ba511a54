"""Preconditions against tables and a slow model written from the text of RFC 9110 13."""

from __future__ import annotations

from email.utils import formatdate
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.dates import parse_date
from netlab.policy.conditional import Current, evaluate, range_applies

NOW = 1_790_000_000.0
MODIFIED = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE, AFTER = "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
STRONG, WEAK = Current(etags=('"a"',), modified=MODIFIED), Current(etags=('W/"a"',), modified=MODIFIED)


def status(method: str, current: Current | None, **fields: str) -> int:
    """200 where the method is to be performed."""
    verdict = evaluate(method, {name.replace("_", "-"): value for name, value in fields.items()}, current, now=NOW)
    return verdict.status if verdict is not None else 200


@pytest.mark.parametrize(  # RFC 9110 8.8.3.2, the table: strong and weak comparison
    ("current", "given_tag", "strong", "weak"),
    [
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
    ],
)
def test_comparison(current: str, given_tag: str, *, strong: bool, weak: bool) -> None:
    now = Current(etags=(current,))
    assert status("PUT", now, if_match=given_tag) == (200 if strong else 412)
    assert status("GET", now, if_none_match=given_tag) == (304 if weak else 200)
    assert range_applies(given_tag, now, now=NOW) is strong


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("GET", {}, 200),
        # RFC 9110 13.1.1
        ("PUT", {"if_match": '"a"'}, 200),
        ("PUT", {"if_match": '"b"'}, 412),
        ("PUT", {"if_match": '"b", "a" , "c"'}, 200),
        ("PUT", {"if_match": "*"}, 200),
        ("GET", {"if_match": '"b"'}, 412),
        ("PUT", {"if_match": 'w/"a"'}, 412),  # W/ is case-sensitive
        ("PUT", {"if_match": "a"}, 412),  # malformed: names nothing
        ("PUT", {"if_match": '*, "a"'}, 412),
        ("PUT", {"if_match": ', "a",'}, 200),
        ("PUT", {"if_match": '"x,"a"'}, 412),
        ("PUT", {"if_match": '"x,","a"'}, 200),  # a comma inside a tag
        # RFC 9110 13.1.2
        ("GET", {"if_none_match": '"a"'}, 304),
        ("HEAD", {"if_none_match": '"b", W/"a"'}, 304),
        ("PUT", {"if_none_match": '"a"'}, 412),
        ("PUT", {"if_none_match": "*"}, 412),
        ("GET", {"if_none_match": "*"}, 304),
        ("GET", {"if_none_match": '"b"'}, 200),
        # RFC 9110 13.1.3
        ("GET", {"if_modified_since": DATE}, 304),
        ("GET", {"if_modified_since": AFTER}, 304),
        ("GET", {"if_modified_since": BEFORE}, 200),
        ("PUT", {"if_modified_since": DATE}, 200),  # only GET and HEAD
        ("GET", {"if_modified_since": "yesterday"}, 200),
        ("GET", {"if_modified_since": DATE, "if_none_match": '"b"'}, 200),  # ignored beside If-None-Match
        # RFC 9110 13.1.4
        ("PUT", {"if_unmodified_since": DATE}, 200),
        ("PUT", {"if_unmodified_since": AFTER}, 200),
        ("PUT", {"if_unmodified_since": BEFORE}, 412),
        ("PUT", {"if_unmodified_since": "soon"}, 200),
        ("PUT", {"if_unmodified_since": BEFORE, "if_match": '"a"'}, 200),  # ignored beside If-Match
        # RFC 9110 13.2.2: 412 comes before 304
        ("GET", {"if_match": '"b"', "if_none_match": '"a"'}, 412),
        ("GET", {"if_match": '"a"', "if_none_match": '"a"'}, 304),
        ("OPTIONS", {"if_match": '"b"', "if_none_match": '"a"'}, 200),
    ],
)
def test_preconditions(method: str, fields: dict[str, str], expected: int) -> None:
    assert status(method, STRONG, **fields) == expected


def test_where_nothing_is() -> None:
    assert status("PUT", None, if_match="*") == 412
    assert status("PUT", None, if_match='"a"') == 412
    assert status("PUT", None, if_none_match="*") == 200
    assert status("PUT", None, if_none_match='"a"') == 200
    assert status("PUT", None, if_unmodified_since=BEFORE) == 200


def test_tags_of_all_codings_name_the_resource() -> None:
    current = Current(etags=('"a"', '"a-gzip"'))
    assert status("PUT", current, if_match='"a-gzip"') == 200
    assert status("PUT", current, if_match='"a-br"') == 412


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [
        (None, True),
        ('"a"', True),
        ('"b"', False),
        ('W/"a"', False),
        (DATE, True),
        (BEFORE, False),
        (AFTER, False),  # an exact match, not a comparison
        ("a", False),
    ],
)
def test_if_range(if_range: str | None, *, applies: bool) -> None:
    assert range_applies(if_range, STRONG, now=NOW) is applies


def test_if_range_takes_no_weak_validator() -> None:
    assert not range_applies('"a"', WEAK, now=NOW)
    assert not range_applies('W/"a"', WEAK, now=NOW)
    assert not range_applies(DATE, STRONG, now=MODIFIED + 0.5)  # the second it names is not over
    assert range_applies(DATE, STRONG, now=MODIFIED + 1)


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_dates_of_the_rfc(text: str) -> None:
    assert parse_date(text, NOW) == MODIFIED  # RFC 9110 5.6.7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov ٩٩٩٤ 08:49:37 GMT",
        "Sunday, 31-Feb-94 08:49:37 GMT",
        "784111777",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text, NOW) is None


def test_two_digit_years_lie_within_fifty_years() -> None:
    def year(digits: str) -> str:
        seconds = parse_date(f"Sunday, 06-Nov-{digits} 08:49:37 GMT", NOW)  # NOW is in 2026
        assert seconds is not None
        return formatdate(seconds, usegmt=True)[12:16]

    assert [year(digits) for digits in ("26", "75", "76", "77", "99")] == ["2026", "2075", "1976", "1977", "1999"]


def test_a_leap_second_is_the_next_minute() -> None:
    assert parse_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW) == parse_date("Sun, 01 Jan 2017 00:00:00 GMT", NOW)


@given(st.integers(-2_000_000_000, 10_000_000_000))
def test_every_date_we_write_is_read(seconds: int) -> None:
    assert parse_date(formatdate(seconds, usegmt=True), NOW) == seconds


# -- the slow model: RFC 9110 13.2.2, its steps in its words ---------------------------------------------------------

TAGS = st.sampled_from(['"a"', 'W/"a"', '"b"', 'W/"b"', '""'])
TAG_FIELDS = st.one_of(st.just("*"), st.lists(TAGS, min_size=1, max_size=3).map(", ".join))
OFFSETS = st.integers(-2, 2)
DATES = OFFSETS.map(lambda offset: formatdate(MODIFIED + offset, usegmt=True))
CURRENTS = st.one_of(
    st.none(),
    st.builds(Current, etags=TAGS.map(lambda tag: (tag,)), modified=st.sampled_from([None, MODIFIED])),
)


def strong_match(one: str, other: str) -> bool:
    """Both are not weak and their opaque-tags match character by character."""
    return not one.startswith("W/") and not other.startswith("W/") and one == other


def weak_match(one: str, other: str) -> bool:
    """Their opaque-tags match character by character, either or both weak or not."""
    return one.replace("W/", "") == other.replace("W/", "")


def model(method: str, fields: dict[str, str], current: Current | None) -> int:
    def matches(field: str, compare: object) -> bool:
        if field == "*":
            return current is not None
        assert callable(compare)
        return current is not None and any(compare(tag, current.etags[0]) for tag in field.split(", "))

    def seconds(date: str) -> int:
        return next(at for at in range(MODIFIED - 2, MODIFIED + 3) if formatdate(at, usegmt=True) == date)

    known = current is not None and current.modified is not None
    if "if-match" in fields:  # step 1
        if not matches(fields["if-match"], strong_match):
            return 412
    elif "if-unmodified-since" in fields and known and seconds(fields["if-unmodified-since"]) < MODIFIED:  # step 2
        return 412
    if "if-none-match" in fields:  # step 3
        if matches(fields["if-none-match"], weak_match):
            return 304 if method in ("GET", "HEAD") else 412
    elif (  # step 4
        method in ("GET", "HEAD")
        and "if-modified-since" in fields
        and known
        and seconds(fields["if-modified-since"]) >= MODIFIED
    ):
        return 304
    return 200


@given(
    st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]),
    st.fixed_dictionaries(
        {},
        optional={
            "if-match": TAG_FIELDS,
            "if-none-match": TAG_FIELDS,
            "if-modified-since": DATES,
            "if-unmodified-since": DATES,
        },
    ),
    CURRENTS,
)
def test_against_the_model(method: str, fields: dict[str, str], current: Current | None) -> None:
    verdict = evaluate(method, fields, current, now=NOW)
    assert (verdict.status if verdict is not None else 200) == model(method, fields, current)


@given(st.text(max_size=80), st.sampled_from(["GET", "PUT"]))
def test_any_text_is_answered(text: str, method: str) -> None:
    for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"):
        evaluate(method, {name: text}, STRONG, now=NOW)
    range_applies(text, STRONG, now=NOW)


def test_long_lists_take_no_long_time() -> None:
    for tail in ('"a', "x", ""):
        for filler in ('"b", ', " , ", '"b"', "\t", ","):
            evaluate("GET", {"if-none-match": filler * (60_000 // len(filler)) + tail}, STRONG, now=NOW)


def test_every_verdict_says_why() -> None:
    for method, name in product(("GET", "PUT"), ("if-match", "if-none-match", "if-unmodified-since")):
        fields = {name: {"if-match": '"b"', "if-none-match": "*", "if-unmodified-since": BEFORE}[name]}
        verdict = evaluate(method, fields, STRONG, now=NOW)
        assert verdict is not None
        assert verdict.rule == name
        assert verdict.section.startswith("RFC 9110 13.1")
