"""The part of JSON Schema that the shop speaks, and reading JSON strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.http.shop.schema import Checker, from_text, parse_json

CHECKER = Checker({"Sku": {"type": "string", "pattern": "^[a-z]+$"}})


@pytest.mark.parametrize(
    ("value", "schema", "right"),
    [
        (1, {"type": "integer"}, True),
        (1.0, {"type": "integer"}, True),
        (1.5, {"type": "integer"}, False),
        (True, {"type": "integer"}, False),
        (True, {"type": "number"}, False),
        (True, {"type": "boolean"}, True),
        (None, {"type": ["string", "null"]}, True),
        ("a", {"$ref": "#/components/schemas/Sku"}, True),
        ("a\n", {"$ref": "#/components/schemas/Sku"}, False),
        ("xay", {"pattern": "a"}, True),
        ("a$", {"pattern": "a\\$$"}, True),
        ("𝄞" * 3, {"maxLength": 3}, True),
        (5, {"minimum": 5, "maximum": 5}, True),
        (5.1, {"maximum": 5}, False),
        ([1, 1.5, "1"], {"uniqueItems": True}, True),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], {"uniqueItems": True}, False),
        ([], {"minItems": 1}, False),
        ({}, {"minProperties": 1}, False),
        ({"a": 1}, {"additionalProperties": False}, False),
        ({"a": 1}, {"properties": {"a": {"type": "string"}}}, False),
        ({"a": 1}, {}, True),
        ("a", {"enum": ["b"]}, False),
    ],
)
def test_values(value: Any, schema: dict[str, Any], right: bool) -> None:
    assert (CHECKER.errors(value, schema) == []) is right


def test_errors_are_bounded() -> None:
    errors = CHECKER.errors(["x"] * 1000, {"type": "array", "items": {"type": "integer"}})
    assert len(errors) == 20


@pytest.mark.parametrize(
    ("text", "schema_type", "value"),
    [
        ("12", "integer", 12),
        ("-0", "integer", 0),
        ("012", "integer", "012"),
        ("1.0", "integer", "1.0"),
        ("1e2", "number", 100.0),
        ("nan", "number", "nan"),
        ("1_0", "number", "1_0"),
        ("٣", "integer", "٣"),
        ("true", "boolean", True),
        ("True", "boolean", "True"),
        ("12", "string", "12"),
    ],
)
def test_parameters(text: str, schema_type: str, value: Any) -> None:
    found = from_text(text, {"type": schema_type})
    assert (found, type(found)) == (value, type(value))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_round_trip(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60) | st.text('[]{}:,"\\u01289ab tfnrue-.E', max_size=60).map(str.encode))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        value = parse_json(data)
    except ValueError:
        return
    assert json.loads(data) == value
    json.dumps(value, ensure_ascii=False).encode()


SCHEMAS: Any = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["integer", "number", "string", "boolean", "array", "object", "null"]),
        "enum": st.lists(JSON, min_size=1, max_size=3),
        "minLength": st.integers(0, 3),
        "maxLength": st.integers(0, 3),
        "minimum": st.integers(-3, 3),
        "required": st.lists(st.text(max_size=2), max_size=2),
        "uniqueItems": st.booleans(),
        "additionalProperties": st.just(False),
    },
)


@given(JSON, SCHEMAS)
def test_any_value_is_checked(value: Any, schema: dict[str, Any]) -> None:
    for error in CHECKER.errors(value, schema):
        assert error["pointer"].startswith("#")
