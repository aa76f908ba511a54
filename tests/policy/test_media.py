"""Negotiation by Accept: tables, and a model that tries every range on every type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.media import choose_type, parse

TEXT, HTML, JSON = "text/plain", "text/html", "application/json"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8,application/signed-exchange;v=b3"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        (CHROME, HTML),
        (JSON, JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json, text/plain, */*", JSON),
        ("text/plain, application/json", TEXT),
        ("application/*", JSON),
        ("text/*;q=0.5, application/json;q=0.4", TEXT),
        ("text/*;q=0.5, text/html", HTML),
        ("text/plain;q=0, */*;q=0.1", HTML),
        ("text/plain;q=0", None),
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/html;level=1;q=0.2, application/json;q=0.3", JSON),
        ('text/html;x="a,b;q=0", application/json;q=0.9', HTML),
        ("nonsense, application/json", JSON),
        ("text/html;q=2", HTML),  # no weight at all
        (",, ,application/json,", JSON),
        ("*", None),
    ],
)
def test_choice(accept: str | None, chosen: str | None) -> None:
    assert choose_type(accept, (TEXT, HTML, JSON)) == chosen


@given(st.text(max_size=60) | st.text('*/;q=01.,ab \t"', max_size=60))
def test_any_field_is_answered(accept: str) -> None:
    assert choose_type(accept, (TEXT, HTML)) in (TEXT, HTML, None)


RANGES = st.sampled_from(["*/*", "text/*", "application/*", TEXT, HTML, JSON, "image/png"])
MEMBERS = st.lists(st.tuples(RANGES, st.integers(0, 1000)), max_size=6, unique_by=lambda member: member[0])


@given(MEMBERS, st.permutations([TEXT, HTML, JSON]))
def test_no_other_type_has_more_weight(members: list[tuple[str, int]], available: list[str]) -> None:
    accept = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in members)
    if not members:
        return
    weights = dict(members)

    def weight(media_type: str) -> int:
        for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
            if name in weights:
                return weights[name]
        return 0

    chosen = choose_type(accept, available)
    assert (0 if chosen is None else weight(chosen)) == max(map(weight, available))
    assert set(parse(accept)) == set(weights)
