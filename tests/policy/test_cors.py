"""CORS: which origins are allowed, what is said to them, and that nobody else is let in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.cors import Sharing, covers, parse_origin


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("http://a.test", "http://a.test", True),
        ("http://a.test", "https://a.test", False),
        ("http://a.test", "http://a.test:8080", False),
        ("http://a.test:8080", "http://a.test:8080", True),
        ("http://a.test:*", "http://a.test:8080", True),
        ("http://a.test:*", "http://a.test", True),
        ("http://*.a.test", "http://b.a.test", True),
        ("http://*.a.test", "http://c.b.a.test", True),
        ("http://*.a.test", "http://a.test", False),
        ("http://*.a.test", "http://eviла.test", False),
        ("http://*.a.test", "http://evila.test", False),
        ("http://*.a.test", "http://b.a.test.evil.test", False),
        ("http://*.a.test", "http://b.a.test:81", False),
        ("http://*.a.test:*", "http://b.a.test:81", True),
        ("http://*.a.test", "http://evil.test/.a.test", False),
        ("http://*.a.test", "http://evil.test?.a.test", False),
        ("http://*.a.test", "http://x@b.a.test", False),
        ("http://a.test:*", "http://a.test:x", False),
        ("http://a.test:*", "http://a.test:99999", False),
        ("http://[::1]:*", "http://[::1]:3000", True),
        ("null", "null", True),
        ("http://a.test", "null", False),
        ("http://*.a.test", "null", False),
    ],
)
def test_origins(allowed: str, origin: str, expected: bool) -> None:
    assert covers(parse_origin(allowed), origin) is expected


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("*", "*"),
        ("HTTP://A.test/", "http://a.test"),
        ("http://a.test:80", "http://a.test"),
        ("https://a.test:443", "https://a.test"),
        ("https://a.test:80", "https://a.test:80"),
        ("null", "null"),
        ("chrome-extension://abc", "chrome-extension://abc"),
    ],
)
def test_what_is_allowed_is_written_as_browsers_do(text: str, parsed: str) -> None:
    assert parse_origin(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "a.test", "http://", "http://a.test/x", "http://a test", "http://*a.test", "**", "http://*"]
)
def test_origins_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its words are the setting's
        parse_origin(text)


def test_everyone() -> None:
    sharing = Sharing(origins=("*",))
    for origin in ("http://a.test", "null", None):
        fields = dict(sharing.fields(origin))
        assert fields["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in fields
        assert "Access-Control-Allow-Credentials" not in fields


def test_some() -> None:
    sharing = Sharing(origins=("http://a.test",), credentials=True)
    fields = dict(sharing.fields("http://a.test"))
    assert fields["Access-Control-Allow-Origin"] == "http://a.test"
    assert fields["Access-Control-Allow-Credentials"] == "true"
    assert fields["Vary"] == "Origin"
    for origin in ("http://b.test", "null", None):
        assert sharing.fields(origin) == [("Vary", "Origin")]


def test_preflight() -> None:
    sharing = Sharing(origins=("http://a.test",), max_age=7)
    fields = dict(sharing.preflight("http://a.test", "DELETE", "x-a, content-type"))
    assert "DELETE" in fields["Access-Control-Allow-Methods"].split(", ")
    assert fields["Access-Control-Allow-Headers"] == "x-a, content-type"
    assert fields["Access-Control-Max-Age"] == "7"
    assert "Access-Control-Expose-Headers" not in fields
    assert dict(sharing.preflight("http://a.test", "BREW", None))["Access-Control-Allow-Methods"].endswith(", BREW")
    for origin, method, names in (("http://b.test", "GET", "x"), ("http://a.test", "GET\t", None)):
        assert not [
            name for name, _ in sharing.preflight(origin, method, names) if name.startswith("Access-Control-Allow-M")
        ]
    assert "Access-Control-Allow-Headers" not in dict(sharing.preflight("http://a.test", "GET", 'x: "y"'))


ORIGINS = st.text(max_size=30) | st.from_regex(r"https?://[a-z.*:@/\[\]0-9-]{0,20}", fullmatch=True)


@given(ORIGINS, st.sampled_from(["http://*.a.test", "http://a.test:*", "https://*.a.test:*"]))
def test_who_is_allowed_is_who_was_meant(origin: str, allowed: str) -> None:
    if covers(allowed, origin):
        scheme, _, rest = origin.partition("://")
        host, _, port = rest.partition(":")
        assert allowed.startswith(scheme + "://")
        assert host == "a.test" or (host.endswith(".a.test") and "*." in allowed)
        assert not port or (allowed.endswith(":*") and port.isdigit())


@given(ORIGINS, st.text(max_size=10), st.none() | st.text(max_size=10))
def test_anything_is_answered(origin: str, method: str, names: str | None) -> None:
    for origins in (("*",), ("http://a.test", "http://*.a.test:*")):
        Sharing(origins=origins).preflight(origin, method, names)
