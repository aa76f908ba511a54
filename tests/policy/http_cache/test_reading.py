"""Directives and structured dictionaries: what they say, in whatever form, and that nothing breaks their readers."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.fields import Fields
from netlab.policy.http_cache.directives import (
    FOREVER,
    NOTHING_ASKED,
    NOTHING_SAID,
    delta_seconds,
    members,
    request_directives,
    response_directives,
    targeted_members,
)
from netlab.policy.http_cache.structured import Token, parse_dictionary

TOKENS = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=8)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@given(st.dictionaries(TOKENS.map(str.lower), st.none() | TEXT, max_size=6))
def test_directives_are_what_was_written(said: dict[str, str | None]) -> None:
    value = ", ".join(name if argument is None else f"{name}={quoted(argument)}" for name, argument in said.items())
    assert members(value) == said


@given(st.text(max_size=40))
def test_nothing_breaks_the_reading_of_directives(value: str) -> None:
    fields = Fields([("Cache-Control", value), ("CDN-Cache-Control", value), ("Pragma", value)])
    request_directives(fields)
    response_directives(fields, ("CDN-Cache-Control",))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("007", 7),
        ("2147483648", FOREVER),
        ("9" * 40, FOREVER),
        ("0" * 40, 0),
        *((wrong, None) for wrong in ("", "-1", "1.5", "1 ", "٣")),
    ],
)
def test_delta_seconds(text: str, seconds: int | None) -> None:
    assert delta_seconds(text) == seconds


def test_a_message_without_fields_says_nothing() -> None:
    assert request_directives(Fields()) is NOTHING_ASKED
    assert response_directives(Fields()) is NOTHING_SAID


def test_qualified_forms() -> None:
    said = response_directives(Fields([("Cache-Control", 'no-cache="A, b", private=c, no-cache="d"')]))
    assert (said.no_cache, said.no_cache_fields) == (False, {"a", "b", "d"})
    assert (said.private, said.private_fields) == (False, {"c"})
    assert response_directives(Fields([("Cache-Control", 'private, private="a"')])).private
    assert response_directives(Fields([("Cache-Control", 'private=""')])).private


def test_the_first_targeted_field_counts() -> None:
    fields = Fields(
        [("CDN-Cache-Control", "max-age=1"), ("Own-Cache-Control", "max-age=2"), ("Cache-Control", "public")]
    )
    said = response_directives(fields, ("Own-Cache-Control", "CDN-Cache-Control"))
    assert (said.field, said.max_age, said.public, said.targeted) == ("Own-Cache-Control", 2, False, True)
    assert response_directives(fields).field == "Cache-Control"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("max-age=60;x=1, public", {"max-age": "60", "public": None}),
        ("public=?0, max-age=1", {"max-age": "1"}),
        ('no-cache="a", private=b', {"no-cache": "a", "private": "b"}),
        ('max-age="60"', {}),
        ("max-age=1.5", {}),
        ("extension=(a b);c, max-age=1", {"extension": None, "max-age": "1"}),
        ("max-age=60,", {}),
        ("Max-Age=60", {}),
        ("", {}),
    ],
)
def test_targeted_fields_are_structured(value: str, found: dict[str, str | None]) -> None:
    assert targeted_members(value) == found


# -- RFC 9651 ----------------------------------------------------------------------------------------------------

KEYS = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,6}", fullmatch=True)
BARE = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.booleans(),
    TEXT,
    st.from_regex(r"[A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]{0,6}", fullmatch=True).map(Token),
)


def written(value: object) -> str:
    if isinstance(value, bool):
        return f"?{value:d}"
    if isinstance(value, Token):
        return str(value)
    return quoted(value) if isinstance(value, str) else str(value)


@given(
    st.lists(st.tuples(KEYS, BARE, st.dictionaries(KEYS, BARE, max_size=2)), max_size=5),
    st.sampled_from([",", ", ", "\t,  "]),
)
def test_dictionaries(pairs: list[tuple[str, object, dict[str, object]]], comma: str) -> None:
    """What is written can be read; of equal keys the last counts."""
    texts = []
    for key, value, parameters in pairs:
        more = "".join(
            f"; {name}" if value is True else f";{name}={written(value)}" for name, value in parameters.items()
        )
        texts.append((key if value is True else f"{key}={written(value)}") + more)
    found = parse_dictionary(comma.join(texts))
    assert found == {key: value for key, value, _ in pairs}
    assert {key: type(value) for key, value in (found or {}).items()} == {key: type(value) for key, value, _ in pairs}


NO_DICTIONARIES = """a=|a =1|a= 1|A=1|a=1,,b|a=1,|,a|a=1 b|a=&&|a="|a="\x7f"|a=?2|a=1.2345|a=1234567890123456|a=:é:
a=(1|a=(1)(2)|a=(1,2)|a=("x""y")|a;=1|a;B|a=@1.5|a=1."""


@pytest.mark.parametrize("text", NO_DICTIONARIES.replace("\n", "|").split("|"))
def test_what_is_no_dictionary(text: str) -> None:
    assert parse_dictionary(text) is None


@pytest.mark.parametrize(
    "text", ["a=(1 2);x", "a=()", "a=( 1  b )", "a=:aGk=:", "a=@1700000000", 'a=%"f%c3%bc"', "a=-1.5", ""]
)
def test_what_is_one(text: str) -> None:
    assert parse_dictionary(text) is not None


@given(st.text(max_size=30))
def test_nothing_breaks_the_parser(text: str) -> None:
    parse_dictionary(text)
