"""Ranges against tables from RFC 9110 14 and a slow model written from its text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.ranges import MOST, Span, coalesce, select

RFC_EXAMPLES = [  # RFC 9110 14.1.2, a representation of 10000 bytes
    ("bytes=0-499", [(0, 499)]),
    ("bytes=500-999", [(500, 999)]),
    ("bytes=-500", [(9500, 9999)]),
    ("bytes=9500-", [(9500, 9999)]),
    ("bytes=0-0,-1", [(0, 0), (9999, 9999)]),
    ("bytes= 0-999, 4500-5499, -1000", [(0, 999), (4500, 5499), (9000, 9999)]),
    ("bytes=500-600,601-999", [(500, 999)]),
    ("bytes=500-700,601-999", [(500, 999)]),
]


@pytest.mark.parametrize(("field", "spans"), RFC_EXAMPLES)
def test_examples_of_the_rfc(field: str, spans: list[tuple[int, int]]) -> None:
    assert select(field, 10000) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize(
    "field",
    [
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=+1-2",
        "bytes=1 - 2",
        "bytes=٣-٤",
        "seconds=1-2",
        "bytes 0-1",
        "",
        "bytes=" + ",".join(f"{n * 200}-{n * 200}" for n in range(MOST + 1)),
        "bytes=" + "," * 10_000 + "0-1",
    ],
)
def test_what_must_or_may_be_ignored_selects_the_whole(field: str) -> None:
    assert select(field, 10000) is None


@pytest.mark.parametrize(
    "field", ["bytes=10000-", "bytes=-0", "bytes=99999999999999999999999-", "bytes=20000-30000,-0"]
)
def test_unsatisfiable(field: str) -> None:
    assert select(field, 10000) == ()


@pytest.mark.parametrize(
    ("field", "spans"),
    [
        ("BYTES=0-0", [(0, 0)]),
        ("bytes=,\t0-0 ,,", [(0, 0)]),
        ("bytes=0-" + "9" * 5000, [(0, 9999)]),
        ("bytes=" + "0" * 5000 + "7-7", [(7, 7)]),
        ("bytes=-" + "9" * 5000, [(0, 9999)]),
        ("bytes=9999-10000,20000-", [(9999, 9999)]),
        ("bytes=5000-5009,0-9", [(5000, 5009), (0, 9)]),  # nothing to join: the order asked for
        ("bytes=5000-5009,0-9,5010-5019", [(0, 9), (5000, 5019)]),
    ],
)
def test_edges(field: str, spans: list[tuple[int, int]]) -> None:
    assert select(field, 10000) == tuple(Span(*span) for span in spans)


def test_no_content_has_no_ranges() -> None:
    assert select("bytes=0-0", 0) is None
    assert select("bytes=-5", 0) is None


def test_content_range() -> None:
    assert Span(42, 1233).of(1234) == "bytes 42-1233/1234"  # RFC 9110 14.4
    assert Span(42, 1233).length == 1192


# -- the slow model: sets of positions, read from the text of RFC 9110 14.1 ----------------------------------------

SPECS = st.one_of(
    st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.integers(0, 400).map(lambda first: f"{first}-"),
    st.integers(0, 400).map(lambda length: f"-{length}"),
    st.sampled_from(["", " ", "-", "x", "1-2-3"]),
)


def model(specs: list[str], size: int) -> list[set[int]] | None:
    """Each spec's positions; None where the set is invalid or says nothing."""
    wanted: list[set[int]] = []
    given_specs = [spec for spec in specs if spec.strip()]
    for spec in given_specs:
        first, dash, last = spec.partition("-")
        if not dash or not (first + last).isdigit():
            return None  # neither int-range nor suffix-range
        if first and last and int(last) < int(first):
            return None  # "An int-range is invalid if the last-pos value is present and less than first-pos."
        positions = range(size)
        if first:
            wanted.append({at for at in positions if int(first) <= at <= (int(last) if last else size)})
        else:
            wanted.append({at for at in positions if at >= size - int(last)})
    return wanted if given_specs else None


@given(st.lists(SPECS, max_size=6), st.integers(1, 300))
def test_against_the_model(specs: list[str], size: int) -> None:
    spans = select("bytes=" + ",".join(specs), size)
    wanted = model(specs, size)
    if wanted is None:
        assert spans is None
        return
    assert spans is not None
    satisfiable = [positions for positions in wanted if positions]
    asked = set().union(*satisfiable) if satisfiable else set()
    sent = [set(range(span.first, span.last + 1)) for span in spans]
    assert bool(sent) == bool(satisfiable)
    assert sum(map(len, sent)) == len(set().union(*sent, set()))  # nothing twice
    assert asked == set().union(*sent, set())
    if len(sent) == len(satisfiable):
        assert sent == satisfiable  # nothing joined: each range as asked, in that order


@given(st.text(max_size=60), st.integers(0, 10**12))
def test_any_text_is_answered(field: str, size: int) -> None:
    for text in (field, "bytes=" + field):
        spans = select(text, size)
        assert spans is None or all(0 <= span.first <= span.last < size for span in spans)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 200)).map(lambda at: Span(at[0], at[0] + at[1]))))
def test_coalesced_ranges_are_apart(spans: list[Span]) -> None:
    joined = sorted(coalesce(spans))
    assert all(left.last + 1 < right.first for left, right in pairwise(joined))
