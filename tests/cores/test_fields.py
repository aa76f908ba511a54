"""Fields: order, case and repetition kept; look-ups by lower-case name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.fields import EMPTY, Fields, index_of
from netlab.cores.http1 import encode_fields
from netlab.cores.http1_grammar import parse_fields

PAIRS = [("Host", "a"), ("X-List", "1"), ("x-LIST", "2, 3"), ("Set-Cookie", "a=b, c"), ("Set-Cookie", "d=e"), ("Y", "")]


@pytest.fixture
def fields() -> Fields:
    return Fields(PAIRS)


def test_what_stood_on_the_wire_is_kept(fields: Fields) -> None:
    assert list(fields) == PAIRS
    assert len(fields) == 6
    assert fields[1] == ("X-List", "1")


def test_repeated_lines_are_joined_in_their_order(fields: Fields) -> None:
    """RFC 9110 5.3."""
    assert fields.get("x-list") == "1, 2, 3"
    assert fields.all("x-list") == ["1", "2, 3"]


def test_set_cookie_is_not_a_list(fields: Fields) -> None:
    assert fields.all("set-cookie") == ["a=b, c", "d=e"]


def test_absent_and_empty_are_two_things(fields: Fields) -> None:
    assert fields.get("z") is None
    assert fields.get("z", "default") == "default"
    assert fields.get("y", "default") == ""
    assert "y" in fields
    assert "z" not in fields
    assert fields.all("z") == []


@pytest.mark.parametrize(
    ("value", "tokens"),
    [("a", ["a"]), ("A, b ,\tC", ["a", "b", "c"]), (", ,a,", ["a"]), ("", []), (" , ", [])],
)
def test_tokens(value: str, tokens: list[str]) -> None:
    """Empty members are ignored (RFC 9110 5.6.1.2)."""
    assert Fields([("Connection", value)]).tokens("connection") == tokens
    assert Fields().tokens("connection") == []


def test_without(fields: Fields) -> None:
    assert [name for name, _ in fields.without("x-list", "set-cookie")] == ["Host", "Y"]
    assert "x-list" not in fields.without("x-list")
    assert fields.without("none") == fields


def test_values_are_compared_and_hashed_as_they_stood(fields: Fields) -> None:
    assert fields == Fields(PAIRS)
    assert hash(fields) == hash(Fields(PAIRS))
    assert fields != Fields(reversed(PAIRS))
    assert Fields([("a", "b")]) != Fields([("A", "b")])
    assert fields != PAIRS
    assert Fields() == EMPTY
    assert repr(fields) == "<Fields Host, X-List, x-LIST, Set-Cookie, Set-Cookie, Y>"


names = st.text(st.sampled_from("aBc-1"), min_size=1, max_size=4)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=8)


@given(st.lists(st.tuples(names, values)))
def test_bytes_can_be_had_back(pairs: list[tuple[str, str]]) -> None:
    fields = parse_fields(encode_fields(pairs))
    assert fields == Fields(pairs)
    assert dict(index_of(pairs)) == {name: fields.get(name) for name in {name.lower() for name, _ in pairs}}
