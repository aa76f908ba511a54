"""Filter expressions: what they find, and where they point when they cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import UsageError
from netlab.filter import MAX_LENGTH, compile_filter

FLOW: dict[str, Any] = {
    "id": "w1.17",
    "kind": "http",
    "service": "http",
    "parent": "w1.16",
    "level": "full",
    "client": "127.0.0.1:51000",
    "server": "127.0.0.1:8080",
    "started": 1000.0,
    "ended": 1000.25,
    "label": "GET /shop/1",
    "result": "404",
    "outcome": "refused",
    "received": 0,
    "sent": 2048,
    "details": {"tls": "TLSv1.3"},
    "events": [
        {
            "name": "request.received",
            "fields": {"method": "GET", "version": "1.1", "fields": [["Host", "www.shop.test"], ["X-Tag", "a"]]},
        },
        {"name": "response.sent", "fields": {"status": 404, "fields": [["X-Tag", "b"]]}},
    ],
}
OPEN = {**FLOW, "ended": None, "outcome": "", "events": []}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("", True),
        ('http.status >= 400 and host contains "shop"', True),
        ("http.status >= 500", False),
        ("dns.status >= 400", False),
        ("kind == http", True),
        ("kind == 'http'", True),
        ("kind==http", True),
        ("outcome != ok", True),
        ("outcome != refused", False),
        ("not outcome == ok", True),
        ("not not shop", True),
        ("shop", True),
        ("SHOP", True),
        ('"GET /shop"', True),
        ("mail", False),
        ("mail or shop", True),
        ("mail or shop and GET", True),
        ("(mail or shop) and POST", False),
        ("shop and (mail or GET)", True),
        ("id == w1.17", True),
        ("method == GET", True),
        ("target == /shop/1", True),
        ("status == 404", True),
        ("result == 404.0", True),
        ("duration > 100ms", True),
        ("duration > 1s", False),
        ("duration <= 0.25", True),
        ("sent >= 2KiB", True),
        ("sent < 2KiB", False),
        ("tls == TLSv1.3", True),
        ("details.tls == TLSv1.3", True),
        ("version == 1.1", True),
        ("x_tag == a", True),
        ("X-Tag contains A", True),
        (r'host matches "^w+\.shop"', True),
        ("host matches ^mail", False),
        ("nothing == 1", False),
        ("nothing != 1", True),
        ("nothing > 1", False),
        ("nothing contains 1", False),
        ("client contains 127.0.0.1", True),
        (r'label contains "\"quoted\""', False),
    ],
)
def test_expressions(expression: str, found: bool) -> None:
    assert compile_filter(expression)(FLOW) is found


def test_a_flow_that_is_still_open() -> None:
    assert compile_filter("duration > 0")(OPEN) is False
    assert compile_filter("outcome == ''")(OPEN) is True


@pytest.mark.parametrize(
    ("expression", "needs"),
    [("kind == http and shop", False), ("duration > 1s", False), ("host == x", True), ("http.status == 1", False)],
)
def test_only_what_stands_in_events_needs_them(expression: str, needs: bool) -> None:
    assert compile_filter(expression).needs_events is needs


@pytest.mark.parametrize(
    ("expression", "may"),
    [
        ('host matches "never"', True),
        ('not host matches "shop"', True),
        ('not (mail and host matches "x")', True),
        ('kind == tcp and host matches "shop"', False),
        ("kind == http", True),
    ],
)
def test_where_traffic_waits_no_regular_expression_is_run(expression: str, may: bool) -> None:
    assert compile_filter(expression).may_match(FLOW) is may


@pytest.mark.parametrize(
    ("expression", "what", "column"),
    [
        ("label contains", "expected a value after contains", 15),
        ("a ==", "expected a value after ==", 5),
        ("a == )", "expected a value after ==", 6),
        ("kind = http", "write == to compare", 6),
        ("(a", "expected ')'", 3),
        ("a)", "expected 'and', 'or' or the end", 2),
        ("a b", "expected 'and', 'or' or the end", 3),
        ("and", "expected a name, a value or '('", 1),
        ("a and", "expected a name, a value or '('", 6),
        ("== 1", "expected a name, a value or '('", 1),
        ('  "abc', "this quote is not closed", 3),
        ("!x", "this means nothing here", 1),
        ("status > abc", "> compares numbers, durations (100ms) and sizes (64KiB)", 10),
        ('x matches "("', "this is not a regular expression: missing ), unterminated subpattern", 11),
    ],
)
def test_mistakes_are_pointed_at(expression: str, what: str, column: int) -> None:
    with pytest.raises(UsageError) as caught:
        compile_filter(expression)
    first, second, third = str(caught.value).split("\n")
    assert first == f"filter, column {column}: {what}"
    assert second == f"  {expression}"
    assert third.index("^") == column - 1 + 2


def test_bounds() -> None:
    with pytest.raises(UsageError, match="levels deep"):
        compile_filter("(" * 60 + "a" + ")" * 60)
    with pytest.raises(UsageError, match=f"at most {MAX_LENGTH} characters"):
        compile_filter("a" * (MAX_LENGTH + 1))


PIECES = [*"ab()=!<>\"'\\ .1_-", "and ", "or ", "not ", "contains ", "matches "]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_read_or_refused(expression: str) -> None:
    try:
        found = compile_filter(expression)
    except UsageError:
        return
    if found(FLOW):
        assert found.may_match(FLOW)
