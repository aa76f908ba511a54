"""Rewriting rules: which URLs they fit, what they catch, what they do to fields; and what is no rule."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.rewrite import Rewrites, edited, parse_rewrite


@pytest.mark.parametrize(
    ("pattern", "url", "caught"),
    [
        ("ads.test", "http://ads.test/x?y", ()),
        ("ads.test", "https://ads.test/", ()),
        ("ADS.test", "https://ads.test/", ()),
        ("ads.test", "http://ads.test:8080/", None),
        ("ads.test:*", "http://ads.test:8080/", ("8080",)),
        ("ads.test", "http://bads.test/", None),
        ("*.shop.test", "http://a.b.shop.test/x", ("a.b",)),
        ("*.shop.test", "http://evil.test/x.shop.test/", None),  # a host's asterisk ends where the host does
        ("http://a.test/v1/*", "http://a.test/v1/x?y=1", ("x?y=1",)),
        ("http://a.test/v1/*", "https://a.test/v1/x", None),
        ("*://a.test/v1/*", "https://a.test/v1/x", ("https", "x")),
        ("a.test/*/c*", "http://a.test/b/c/d", ("b", "/d")),
        ("a.test/*.js", "http://a.test/app.js", ("app",)),
        ("a.test/*.js", "http://a.test/app.js?v=1", None),
        ("a.test/x", "http://a.test/X", None),
        ("*", "http://a.test:81/b", ("a.test:81",)),
        ("*/*b*", "http://a.test/abab", ("a.test", "a", "ab")),
    ],
)
def test_patterns(pattern: str, url: str, caught: tuple[str, ...] | None) -> None:
    assert parse_rewrite(f"{pattern} block").match(url) == caught


@given(st.text("ab*", max_size=12), st.text("ab", max_size=24))
def test_patterns_of_paths_match_as_wildcards_do(pattern: str, path: str) -> None:
    def wild(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return wild(pattern[1:], text) or (bool(text) and wild(pattern, text[1:]))
        return bool(text) and text[0] == pattern[0] and wild(pattern[1:], text[1:])

    found = parse_rewrite(f"a.test/{pattern} block").match(f"http://a.test/{path}")
    assert (found is not None) == wild(pattern, path)


def test_no_url_makes_a_pattern_slow() -> None:
    rule = parse_rewrite("a.test/" + "*a" * 30 + "b block")
    began = time.perf_counter()
    assert rule.match("http://a.test/" + "a" * 16_000) is None
    assert time.perf_counter() - began < 1


FIELDS = [("Host", "a"), ("X-One", "1"), ("Cookie", "a=b"), ("x-one", "2")]


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        (["* set-request X-One: 3"], [("Host", "a"), ("X-One", "3"), ("Cookie", "a=b")]),
        (["* set-request X-New: v: w"], [*FIELDS, ("X-New", "v: w")]),
        (["* remove-request COOKIE"], [FIELDS[0], FIELDS[1], FIELDS[3]]),
        (["* remove-request nothing"], FIELDS),
        (["* remove-request x-one", "* set-request X-One: 4"], [("Host", "a"), ("Cookie", "a=b"), ("X-One", "4")]),
        (["* set-request Host: b"], [("Host", "b"), *FIELDS[1:]]),
    ],
)
def test_fields(rules: list[str], fields: list[tuple[str, str]]) -> None:
    assert edited(FIELDS, [parse_rewrite(rule) for rule in rules]) == fields


def test_rules_add_up_and_the_first_answer_counts() -> None:
    rules = Rewrites(
        [
            parse_rewrite("a.test set-request X: 1"),
            parse_rewrite("a.test/slow/* delay 500ms"),
            parse_rewrite("*.test delay 2s"),
            parse_rewrite("a.test/v1/* to http://127.0.0.1:9/v2/*"),
            parse_rewrite("a.test block 451"),
            parse_rewrite("a.test set-response Y: 2"),
        ]
    )
    assert rules.find("http://b.example/") is None
    found = rules.find("http://a.test/slow/x")
    assert found is not None
    plan, elsewhere = found
    assert plan.delay == 2.5
    assert plan.on_request([]) == [("X", "1")]
    assert plan.on_response([]) == [("Y", "2")]
    assert elsewhere is not None
    assert (elsewhere.rule.action, elsewhere.rule.argument) == ("block", "451")
    again = rules.find("http://a.test/slow/y")
    assert again is not None
    assert again[0] is plan  # so that what was made for it is found again
    moved = rules.find("http://a.test/v1/items?x=1")
    assert moved is not None
    assert moved[1] is not None
    assert moved[1].url == "http://127.0.0.1:9/v2/items?x=1"


def test_the_last_asterisks_are_meant_where_a_url_has_fewer() -> None:
    rules = Rewrites([parse_rewrite("*.a.test/v1/* to http://b.test/v2/*")])
    found = rules.find("http://www.a.test/v1/items?x=1")
    assert found is not None
    assert found[1] is not None
    assert found[1].url == "http://b.test/v2/items?x=1"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "PATTERN ACTION"),
        ("a.test", "PATTERN ACTION"),
        ("a.test explode", "'explode' is none"),
        ("a.test set-request X", "takes NAME: VALUE"),
        ("a.test set-request X y: z", "takes NAME: VALUE"),
        ("a.test remove-response X: y", "takes a field's name"),
        ("a.test set-response Content-Length: 3", "frames or routes"),
        ("a.test remove-request Host", "frames or routes"),
        ("a.test to 127.0.0.1", "leads to a URL"),
        ("a.test to http://b.test/a b", "leads to a URL"),
        ("a.test to http:///b", "leads to a URL"),
        ("a.test to http://b.test/ü", "leads to a URL"),
        ("a.test to http://b.test/*", r"more \* than its pattern"),
        ("a.test file", "needs a path"),
        ("a.test block 200", "a status from 400 to 599"),
        ("a.test delay soon", "takes a time"),
    ],
)
def test_what_is_no_rule(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_rewrite(text)
