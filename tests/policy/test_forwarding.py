"""The fields of an intermediary: what ends at it, what it says of the client, and whom it believes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.forwarding import (
    Arrival,
    First,
    Hop,
    Network,
    has_loop,
    node_address,
    parse_forwarded,
    quoted,
    request_fields,
    response_fields,
    seen_first,
)

Pair = tuple[str, str]
NEAR = ipaddress.ip_network("10.0.0.0/8")
SIX = ipaddress.ip_network("fd00::/8")


def arriving(client: str = "192.0.2.7", scheme: str = "http", host: str = "shop.test", version: str = "1.1") -> Arrival:
    return Arrival(client=client, scheme=scheme, host=host, version=version)


def sent_on(fields: Sequence[Pair], arrival: Arrival, *connection: str, **hop: Any) -> list[Pair]:
    return request_fields(fields, connection, Hop(name="us", **hop), arrival)


def test_what_ends_at_a_hop() -> None:
    """RFC 9110 7.6.1; what Connection names too, and even what should not be named there."""
    fields = [
        *(("Host", "a"), ("Connection", "x-mine, close"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "close")),
        *(("Upgrade", "h2c"), ("HTTP2-Settings", "AAM"), ("Transfer-Encoding", "chunked"), ("Content-Length", "3")),
        *(("TE", "gzip;q=0.5"), ("Proxy-Authorization", "secret"), ("X-Mine", "1"), ("X-Kept", "2"), ("Cookie", "c")),
    ]
    kept = sent_on(fields, arriving(), "x-mine", "close", tells="nothing")
    assert kept == [("X-Kept", "2"), ("Cookie", "c"), ("Via", "1.1 us")]
    assert response_fields(
        [("Connection", "x-a"), ("X-A", "1"), ("Keep-Alive", "x"), ("ETag", '"1"')], ["x-a"], Hop(name="us"), "1.0"
    ) == [("ETag", '"1"'), ("Via", "1.0 us")]


@pytest.mark.parametrize(
    ("value", "kept"), [("trailers", True), ("gzip, trailers", True), ("Trailers;q=1", True), ("gzip", False)]
)
def test_trailers_may_be_sent_for_they_are_relayed(value: str, kept: bool) -> None:
    """RFC 9110 10.1.4."""
    assert (("TE", "trailers") in sent_on([("TE", value)], arriving(), "te")) is kept


@pytest.mark.parametrize(
    ("arrival", "element"),
    [
        (arriving(), "for=192.0.2.7;host=shop.test;proto=http"),
        (arriving("2001:db8::1", "https", "[::1]:8080"), 'for="[2001:db8::1]";host="[::1]:8080";proto=https'),
        (arriving("fe80::1%eth0", host=""), 'for="[fe80::1]";proto=http'),
        (arriving("::ffff:192.0.2.7"), "for=192.0.2.7;host=shop.test;proto=http"),
    ],
)
def test_forwarded_is_written_as_rfc_7239_has_it(arrival: Arrival, element: str) -> None:
    assert ("Forwarded", element) in sent_on([], arrival)


def test_clients_are_told_apart_and_no_more() -> None:
    """RFC 7239 6.3: an obfuscated identifier; no field has the address then."""

    def identifier(client: str, secret: bytes) -> str:
        fields = dict(sent_on([], arriving(client), node="hidden", secret=secret))
        assert not any(client in value for value in fields.values())
        assert fields["Forwarded"].startswith(f"for={fields['X-Forwarded-For']};")
        return fields["X-Forwarded-For"]

    one = identifier("192.0.2.7", b"secret")
    assert one.startswith("_")
    assert one[1:].isalnum()
    assert one == identifier("192.0.2.7", b"secret")
    assert len({one, identifier("192.0.2.8", b"secret"), identifier("192.0.2.7", b"other")}) == 3
    assert ("X-Forwarded-For", "unknown") in sent_on([], arriving(), node="unknown")


CLAIMS = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("Forwarded", "for=6.6.6.6;proto=https"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "bank.test"),
    ("X-Forwarded-Port", "443"),
    ("X-Real-IP", "6.6.6.6"),
    ("Client-Cert", ":Ni42LjYuNg==:"),
]


@pytest.mark.parametrize("tells", ["both", "x-forwarded", "forwarded", "nothing"])
def test_what_a_stranger_claims_does_not_travel_on(tells: str) -> None:
    fields = sent_on(CLAIMS, arriving(), tells=tells)
    assert not any("6.6.6.6" in value or "bank" in value or value == "443" for _, value in fields)
    assert "Client-Cert" not in dict(fields)


def test_a_hop_that_tells_nothing_may_let_it_pass() -> None:
    assert sent_on(CLAIMS, arriving(), tells="nothing", passes=True) == [*CLAIMS, ("Via", "1.1 us")]


def test_a_trusted_proxy_is_believed_and_added_to() -> None:
    said = [("X-Forwarded-For", "6.6.6.6, 10.0.0.9"), ("X-Forwarded-Proto", "https"), ("X-Real-IP", "6.6.6.6")]
    fields = dict(sent_on(said, arriving("10.0.0.1"), trusted=(NEAR,)))
    assert fields["X-Forwarded-For"] == "6.6.6.6, 10.0.0.9, 10.0.0.1"
    assert fields["X-Forwarded-Proto"] == "https"
    assert fields["X-Forwarded-Host"] == "shop.test"
    assert fields["X-Real-IP"] == "6.6.6.6"
    assert fields["Forwarded"] == "for=6.6.6.6;proto=https, for=10.0.0.9, for=10.0.0.1;host=shop.test;proto=http"


def test_a_certificate_that_was_verified_is_told() -> None:
    """RFC 9440 2.2."""
    arrival = Arrival(client="192.0.2.7", scheme="https", host="a", version="1.1", certificate=b"\x30\x03DER")
    assert ("Client-Cert", ":MANERVI=:") in sent_on(CLAIMS, arrival)
    assert sum(name == "Client-Cert" for name, _ in sent_on(CLAIMS, arrival)) == 1


def test_one_form_is_made_from_the_other() -> None:
    """RFC 7239 7.4."""
    said = [("Forwarded", 'for="[2001:db8::5]:47011";host=site.test;proto=https'), ("Forwarded", "for=_gate")]
    fields = dict(sent_on(said, arriving("fd00::1"), trusted=(SIX,)))
    assert fields["X-Forwarded-For"] == "2001:db8::5, _gate, fd00::1"
    assert fields["Forwarded"].startswith('for="[2001:db8::5]:47011";host=site.test;proto=https, for=_gate, for="[fd00')


@pytest.mark.parametrize(
    ("fields", "peer", "first"),
    [
        ({}, "192.0.2.7", First("192.0.2.7", "http", "shop.test")),
        ({"x-forwarded-for": "1.2.3.4"}, "192.0.2.7", First("192.0.2.7", "http", "shop.test")),
        ({"x-forwarded-for": "9.9.9.9, 1.2.3.4, 10.0.0.2"}, "10.0.0.1", First("1.2.3.4", "http", "shop.test")),
        ({"x-forwarded-for": "10.0.0.3, 10.0.0.2"}, "10.0.0.1", First("10.0.0.3", "http", "shop.test")),
        ({"x-forwarded-for": "1.2.3.4:5678"}, "::ffff:10.0.0.1", First("1.2.3.4", "http", "shop.test")),
        ({"x-forwarded-for": "[2001:db8::1]:80"}, "10.0.0.1", First("2001:db8::1", "http", "shop.test")),
        (
            {"forwarded": 'for=9.9.9.9;proto=ftp, for=1.2.3.4;proto=https;host="a.test:1", For=10.0.0.2;proto=http'},
            "10.0.0.1",
            First("1.2.3.4", "https", "a.test:1"),
        ),
        ({"forwarded": "for=_hidden;proto=https"}, "10.0.0.1", First("_hidden", "https", "shop.test")),
        ({"forwarded": "proto=https"}, "10.0.0.1", First("unknown", "https", "shop.test")),
        (
            {"x-forwarded-for": "1.2.3.4", "forwarded": "for=9.9.9.9;proto=https"},
            "10.0.0.1",
            First("1.2.3.4", "http", "shop.test"),
        ),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "a, b"}, "10.0.0.1", First("10.0.0.1", "https", "a")),
    ],
)
def test_who_asked(fields: dict[str, str], peer: str, first: First) -> None:
    trusted: tuple[Network, ...] = (NEAR,)
    assert seen_first(fields, arriving(peer), trusted) == first


def test_a_quote_that_is_left_open_hides_nobody() -> None:
    """What a client makes up in front of a trusted proxy's words may spoil them, never lend them another meaning."""
    said = {"forwarded": 'for="9.9.9.9, for=1.2.3.4;host="a.test:80"'}
    assert seen_first(said, arriving("10.0.0.1"), (NEAR,)).client == "unknown"


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("for=192.0.2.43", [{"for": "192.0.2.43"}]),
        ('For="[2001:db8:cafe::17]:4711"', [{"for": "[2001:db8:cafe::17]:4711"}]),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", [{"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}]),
        ('for="_a;b, c", for=_d', [{"for": "_a;b, c"}, {"for": "_d"}]),
        (r'for="a\"b\\c"', [{"for": r'a"b\c'}]),
        ("for=a; proto = b", [{}]),
        (", ,for=a,", [{}, {"for": "a"}]),
    ],
)
def test_elements(value: str, elements: list[dict[str, str]]) -> None:
    """RFC 7239 4, with its own examples."""
    assert parse_forwarded(value) == elements


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_nothing_a_peer_says_raises(value: str) -> None:
    parse_forwarded(value)
    node_address(value)
    fields = [("Forwarded", value), ("X-Forwarded-For", value), ("Via", value), ("TE", value)]
    sent_on(fields, arriving("10.0.0.1"), trusted=(NEAR,))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30))
def test_what_is_quoted_is_read_again(value: str) -> None:
    assert parse_forwarded(f"for={quoted(value)};proto=x") == [{"for": value, "proto": "x"}]


def test_via_grows_and_finds_loops() -> None:
    """RFC 9110 7.6.3: HTTP may be left out before a version, a comment may follow the name."""
    hop = Hop(name="us")
    fields = sent_on([("Via", "1.0 fred"), ("Via", "HTTP/1.1 other (x)")], arriving(version="1.0"), tells="nothing")
    assert fields == [("Via", "1.0 fred, HTTP/1.1 other (x), 1.0 us")]
    assert has_loop("1.0 fred, 1.1 us (netlab)", hop)
    assert has_loop("HTTP/1.1\tus", hop)
    assert not has_loop("1.0 fred, 1.1 us2", hop)
    assert not has_loop("1.1 fred (us)", hop)
    assert not has_loop(None, hop)
