"""What is said about a request: nothing about what browsers and curl send, one finding for each oddity."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.fields import Fields
from netlab.http.field_table import STATUSES, field_table
from netlab.http.lint import KINDS, LIMIT, SINGLE, TRACKING, Finding, Head, lint
from netlab.http.lint_values import CHECKS, check_value

CURL = [("Host", "localhost:8080"), ("User-Agent", "curl/8.5.0"), ("Accept", "*/*")]
CHROME = [
    ("Host", "localhost:8080"),
    ("Connection", "keep-alive"),
    ("sec-ch-ua", '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"),
    ("Accept", "text/html,application/xml;q=0.9,image/avif,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Dest", "document"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-US,en;q=0.9"),
]  # fmt: skip


def found(*fields: tuple[str, str], method: str = "GET", target: str = "/", **about: object) -> list[Finding]:
    version = str(about.pop("version", "1.1"))
    return lint(Head(method, target, version, Fields(fields), **about))  # type: ignore[arg-type]  # has_body, secure


def kinds(*fields: tuple[str, str], **about: object) -> list[tuple[str, str]]:
    return [(finding.kind, finding.field) for finding in found(*fields, **about)]  # type: ignore[arg-type]  # passed on


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_is_whole() -> None:
    table = field_table()
    registered = [field for field in table.values() if field.status != "unregistered"]
    assert len(registered) >= 120
    for field in table.values():
        assert field.status in STATUSES
        assert field.side in ("request", "response", "both")
        assert field.section
        assert field.meaning[0].isupper(), field
        assert field.meaning.endswith("."), field
        assert len(field.meaning) < 130, field
    assert list(table) == sorted(table)


def test_the_lists_of_names_name_known_fields() -> None:
    assert set(SINGLE) <= set(field_table())
    assert set(TRACKING) <= set(field_table())
    assert set(CHECKS) <= set(field_table())


# -- what is usual ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [CURL, CHROME], ids=["curl", "chrome"])
def test_usual_requests_have_nothing_wrong(fields: list[tuple[str, str]]) -> None:
    assert [finding for finding in found(*fields) if finding.kind != "tracking"] == []


# -- each kind ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Accept", "text"),
        ("Accept", "text/html;q=2"),
        ("Accept", "text/html;level"),
        ("Accept-Language", "en;q=0.1234"),
        ("Accept-Language", "en_US"),
        ("Content-Type", "json"),
        ("Cookie", "lonely"),
        ("Cookie", "a=b c"),
        ("DNT", "yes"),
        ("If-Modified-Since", "yesterday"),
        ("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT"),
        ("If-Modified-Since", "Sun Nov  6 08:49:37 1994"),
        ("If-None-Match", "unquoted"),
        ("If-Range", 'W/"weak"'),
        ("Max-Forwards", "-1"),
        ("Origin", "http://a.test/path"),
        ("Range", "0-99"),
        ("Range", "bytes=9-1"),
        ("Range", "bytes=-"),
        ("Referer", "http://a.test/#part"),
        ("Referer", "http://user@a.test/"),
        ("Traceparent", "00-abc-def-01"),
        ("User-Agent", "a (b"),
        ("User-Agent", "caf\xe9"),
        ("X-Anything", ""),
    ],
)
def test_malformed_values(field: str, value: str) -> None:
    problem = check_value(field.lower(), value)
    assert problem is not None
    assert ("malformed", field) in kinds((field, value))
    assert problem[1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Accept", 'text/html;title="a, b";q=0.5, */*;q=0'),
        ("Accept", "text/html ; q=0.500 , text/plain;;q=1.000"),
        ("Accept-Encoding", ""),
        ("Authorization", "Negotiate"),
        ("Authorization", 'Digest username="x", realm="y"'),
        ("Cache-Control", 'max-age=0, ext="a, b"'),
        ("Cookie", 'a=b; c="d"; e='),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-None-Match", 'W/"a", "b,c"'),
        ("If-None-Match", "*"),
        ("If-Range", '"strong"'),
        ("Origin", "null"),
        ("Origin", "http://[::1]:8080"),
        ("Range", "bytes=0-0,-1, 500-"),
        ("Range", "lines=whatever"),
        ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("Upgrade", "h2c, websocket, TLS/1.0"),
        ("User-Agent", "a (b; (c)) d"),
    ],
)
def test_values_as_they_should_be(field: str, value: str) -> None:
    assert check_value(field.lower(), value) is None


@pytest.mark.parametrize(
    ("fields", "about", "name"),
    [
        ({"If-None-Match": '"a"', "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, {}, "If-Modified-Since"),
        ({"If-Match": '"a"', "If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, {}, "If-Unmodified-Since"),
        ({"If-Range": '"a"'}, {}, "If-Range"),
        ({"Range": "bytes=0-1"}, {"method": "PUT"}, "Range"),
        ({"Connection": "close, keep-alive"}, {}, "Connection"),
        ({"Upgrade": "websocket"}, {}, "Upgrade"),
        ({"TE": "trailers"}, {}, "TE"),
        ({"Connection": "cookie"}, {}, "Connection"),
        ({"Connection": "nothing"}, {}, "Connection"),
        ({"Cache-Control": "no-cache, only-if-cached"}, {}, "Cache-Control"),
        ({"Pragma": "no-cache", "Cache-Control": "no-cache"}, {}, "Pragma"),
        ({"Accept": "*/*;q=0"}, {}, "Accept"),
        ({"Expect": "100-continue"}, {}, "Expect"),
        ({"Content-Type": "text/plain"}, {}, "Content-Type"),
        ({"Content-Length": "1"}, {"has_body": True}, "Content-Length"),
        ({"Max-Forwards": "1"}, {}, "Max-Forwards"),
        ({"Access-Control-Request-Method": "PUT"}, {}, "Access-Control-Request-Method"),
        ({"Sec-CH-UA": '"Google Chrome";v="140"', "User-Agent": "curl/8"}, {}, "Sec-CH-UA"),
        ({"Sec-CH-UA-Mobile": "?1", "User-Agent": "Mozilla/5.0"}, {}, "Sec-CH-UA-Mobile"),
        ({"Authorization": "Basic YTpi"}, {}, "Authorization"),
        ({"Referer": "https://a.test/"}, {}, "Referer"),
    ],
)
def test_contradictions(fields: dict[str, str], about: dict[str, object], name: str) -> None:
    assert ("contradictory", name) in kinds(*fields.items(), **about)


def test_credentials_over_tls_are_no_contradiction() -> None:
    assert kinds(("Authorization", "Basic YTpi"), secure=True) == []


@pytest.mark.parametrize("name", SINGLE)
def test_what_stands_once(name: str) -> None:
    assert ("duplicate", field_table()[name].name) in kinds((name, "x"), (name.upper(), "y"))


def test_lists_that_repeat_themselves() -> None:
    assert kinds(("Accept-Encoding", "gzip, br"), ("Accept-Encoding", "gzip")) == [("duplicate", "Accept-Encoding")]


@pytest.mark.parametrize(
    "name", ["Pragma", "Warning", "Cookie2", "Accept-Charset", "Keep-Alive", "Proxy-Connection", "DNT"]
)
def test_dated_fields(name: str) -> None:
    assert ("obsolete", name) in kinds((name, "1"))


def test_dated_values() -> None:
    assert ("obsolete", "Accept-Encoding") in kinds(("Accept-Encoding", "x-gzip"))
    assert ("obsolete", "Upgrade") in kinds(("Upgrade", "h2c"), ("Connection", "upgrade"))


def test_what_gives_away() -> None:
    assert ("tracking", "Cookie") in kinds(("Cookie", "a=b"))
    assert ("tracking", "target") in kinds(target="/?utm_source=x&q=1")
    assert [f.sentence for f in found(target="/?fbclid=1")] == [
        "The parameter fbclid is put into links by Facebook to follow a person from site to site."
    ]
    assert kinds(target="/?q=utm_source") == []


def test_names_nobody_knows() -> None:
    assert kinds(("X-Nobody-Knows", "1")) == [("unknown", "X-Nobody-Knows")]
    assert kinds(("Server", "me")) == [("unknown", "Server")]


# -- whatever comes -----------------------------------------------------------------------------------------------

NAMES = st.one_of(st.sampled_from(sorted(field_table())), st.from_regex(r"[a-zA-Z-]{1,12}", fullmatch=True))
VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60).map(str.strip)


@given(fields=st.lists(st.tuples(NAMES, VALUES), max_size=12), target=st.text(max_size=40), body=st.booleans())
def test_any_request_gets_sentences(fields: list[tuple[str, str]], target: str, body: bool) -> None:
    findings = found(*fields, target=target, has_body=body)
    assert len(findings) <= LIMIT
    order = [KINDS.index(finding.kind) for finding in findings]
    assert order == sorted(order)
    for finding in findings:
        assert finding.field
        assert finding.sentence.endswith(".")
        assert len(finding.sentence) < 300


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("piece", ['"', '"\\', "; ;", ";a=", ";q=0 ", "a/b;", "a,", "((", "a=b; ", "-", " \t", "x"])
def test_long_values_take_no_time(name: str, piece: str) -> None:
    value = "a/b" + piece * (60_000 // len(piece)) + "\x7f"
    started = time.perf_counter()
    check_value(name, value)
    assert time.perf_counter() - started < 2.0  # linear takes milliseconds; what is not, minutes
