"""Content codings against a table from RFC 9110 12.5.3 and a slow model written from its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.coding import choose, parse

ALL = ("br", "zstd", "gzip")


@pytest.mark.parametrize(
    ("field", "available", "coding"),
    [
        (None, ALL, "identity"),
        ("", ALL, "identity"),  # "does not want any content coding"
        ("*", ALL, "br"),
        ("compress, gzip", ALL, "gzip"),  # the RFC's own examples
        ("compress;q=0.5, gzip;q=1.0", ALL, "gzip"),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", ALL, "gzip"),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", (), "identity"),
        ("gzip, deflate, br, zstd", ALL, "br"),
        ("gzip, deflate, br, zstd", ("gzip", "br"), "gzip"),  # the server's order among equals
        ("gzip, br;q=0.9", ALL, "gzip"),
        ("GZIP", ALL, "gzip"),
        ("x-gzip", ALL, "gzip"),
        ("gzip;q=0", ALL, "identity"),
        ("gzip;q=0.001", ALL, "gzip"),
        ("gzip;q=0.5, identity", ALL, "identity"),
        ("gzip, identity", ALL, "gzip"),
        ("*;q=0.5, identity;q=0.6", ALL, "identity"),
        ("gzip;q=0, *", ALL, "br"),
        ("identity;q=0", ALL, None),
        ("*;q=0", ALL, None),
        ("identity;q=0, *", ALL, "br"),
        ("identity;q=0, gzip", (), None),
        ("*;q=0, identity;q=0.1", ALL, "identity"),
        ("deflate", ALL, "identity"),
        ("gzip;q=2", ALL, "identity"),  # malformed: as if it were not there
        ("gzip;q=0.1234", ALL, "identity"),
        ("gzip;level=9", ALL, "identity"),
        ("gzip ;\tQ=1.000 ,,", ALL, "gzip"),
        (", " * 5000 + "gzip", ALL, "gzip"),
    ],
)
def test_choice(field: str | None, available: tuple[str, ...], coding: str | None) -> None:
    assert choose(field, available) == coding
    assert choose(field, available) == coding


def test_weights() -> None:
    assert parse("gzip;q=0.5, br, gzip;q=1, b@d, *;q=0") == {"gzip": 0.5, "br": 1.0, "*": 0.0}


# -- the slow model: the numbered rules of RFC 9110 12.5.3, one by one ----------------------------------------------

CODINGS = st.sampled_from(["gzip", "br", "zstd", "identity", "*", "deflate"])
WEIGHTS = st.sampled_from([None, "0", "0.0", "0.25", "0.5", "1", "1.0"])
FIELDS = st.lists(st.tuples(CODINGS, WEIGHTS), max_size=6, unique_by=lambda member: member[0])


def acceptable(coding: str, members: list[tuple[str, str | None]]) -> float | None:
    """The weight of a coding, None if it is not acceptable; identity's without a mention is the least there is."""
    listed = {name: float(weight) if weight is not None else 1.0 for name, weight in members}
    if coding in listed:
        return listed[coding] or None  # rule 3: "unless it is accompanied by a qvalue of 0"
    if "*" in listed:
        return listed["*"] or None  # `*` matches any coding not explicitly listed
    if coding == "identity":
        return 0.0001  # rule 2: acceptable unless specifically excluded
    return None


@given(FIELDS, st.lists(st.sampled_from(ALL), unique=True))
def test_against_the_model(members: list[tuple[str, str | None]], available: list[str]) -> None:
    field = ", ".join(name if weight is None else f"{name};q={weight}" for name, weight in members)
    ranked = [(coding, acceptable(coding, members)) for coding in [*available, "identity"]]
    usable = [(coding, weight) for coding, weight in ranked if weight is not None]
    chosen = choose(field, tuple(available))
    if not usable:
        assert chosen is None
    else:
        best = max(weight for _, weight in usable)
        assert chosen == next(coding for coding, weight in usable if weight == best)


@given(st.text(max_size=400))
def test_any_text_is_answered(field: str) -> None:
    assert choose(field, ALL) in {None, "identity", *ALL}
