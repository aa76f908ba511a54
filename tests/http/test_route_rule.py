"""Routes as people write them: every key, and a reason for everything that cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import UsageError
from netlab.http.error_pages import ErrorPage, read_pages
from netlab.http.route_rule import RouteRule, targets_of
from netlab.http.target import Target
from netlab.policy.rewriting import Rewrite
from netlab.policy.routing import Match


def test_every_key() -> None:
    text = (
        "host=api.*,API.test path=/v1/ pattern=/v1/{id} method=GET,POST field=X-Beta:1 field='X-Two: a b' "
        "field=X-Three version=v2,3.1 to=http://127.0.0.1:9102,:9103 to=https://up.test/base strip=/v1 "
        "add=/api timeout=500ms retries=3 auth=jwt,basic roles=admin,staff "
        "limit=100/s limit=5:user:concurrency compress preserve-host"
    )
    rule = RouteRule.parse(text)
    assert rule.match == Match(
        hosts=("api.*", "api.test"),
        path="/v1/",
        pattern="/v1/{id}",
        methods=("GET", "POST"),
        fields=(("x-beta", "1"), ("x-two", "a b"), ("x-three", None)),
        versions=("2", "3.1"),
    )
    assert list(map(str, rule.to)) == ["http://127.0.0.1:9102", "http://127.0.0.1:9103", "https://up.test/base"]
    assert rule.rewrite == Rewrite(strip="/v1", add="/api")
    assert (rule.timeout, rule.retries) == (0.5, 3)
    assert (rule.auth, rule.roles) == (("bearer", "basic"), ("admin", "staff"))
    assert [str(limit) for limit in rule.limits] == ["/=100/1s:client:token-bucket", "/=5:user:concurrency"]
    assert (rule.compress, rule.preserve_host, rule.maintenance) == (True, True, False)
    assert str(rule) == text


def test_switches_and_separators() -> None:
    rule = RouteRule.parse("path=/x;maintenance;no-compress;replace-host")
    assert (rule.maintenance, rule.compress, rule.preserve_host) == (True, False, False)
    assert RouteRule.parse("roles=admin").mechanisms == ("bearer",)  # roles are those of tokens


@pytest.mark.parametrize(
    "text",
    [
        "path",
        "path=x",
        "path=/x?y",
        "host=a.test:80",
        "host=a_b.test/",
        "method=G T",
        "method=(",
        "field=:1",
        "version=two",
        "to=",
        "to=http://user@up.test",
        "to=http://up.test?x",
        "timeout=soon",
        "retries=-1",
        "auth=none,basic",
        "roles=a b",
        "limit=0/s",
        "as=/x strip=/y",
        "as=/{id}",
        "pattern=/{id}/{id}",
        "path=/v1 strip=/v2",
        "auth=none roles=admin",
        "path='/x",
    ],
)
def test_what_cannot_be_meant_says_why(text: str) -> None:
    with pytest.raises(ValueError, match=r"\A(has|needs) "):
        RouteRule.parse(text)


@given(st.text(max_size=60))
def test_no_text_does_harm(text: str) -> None:
    try:
        RouteRule.parse(text)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (":9101", "http://127.0.0.1:9101"),
        ("127.0.0.1:9101", "http://127.0.0.1:9101"),
        ("localhost", "http://localhost"),
        ("http://up.test:80/", "http://up.test"),
        ("HTTPS://Up.test/a/b/", "https://up.test/a/b"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_targets(text: str, target: str) -> None:
    assert str(Target.parse(text)) == target


def test_an_upstream_is_named_once() -> None:
    rules = [RouteRule.parse("to=:1,:2"), RouteRule.parse("to=:2,:3")]
    assert [target.port for target in targets_of(rules, [Target.parse(":3")])] == [3, 1, 2]


def test_pages_of_ones_own(tmp_path: Path) -> None:
    for name in ("all.html", "one.json"):
        (tmp_path / name).write_text(name)
    given = [ErrorPage.parse(f"502={tmp_path}/one.json"), ErrorPage.parse(f"5xx={tmp_path}/all.html")]
    pages = read_pages(given)
    assert len(pages) == 100
    assert pages[502] == ([("Content-Type", "application/json")], b"one.json")
    assert pages[504][1] == b"all.html"
    for wrong in ("502", "200=x", "5x=x", "=x"):
        with pytest.raises(ValueError):  # noqa: PT011  the kind says what is allowed
            ErrorPage.parse(wrong)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_pages([ErrorPage.parse("502=/no/such")])
