"""URLs: where they lead, how they are written on the wire, and what is not one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import UsageError
from netlab.http.url import Url


@pytest.mark.parametrize(
    ("text", "shown", "target", "endpoint"),
    [
        ("http://a.test", "http://a.test/", "/", "a.test:80"),
        ("HTTPS://A.Test:443/x?y#z", "https://a.test/x?y", "/x?y", "a.test:443"),
        (":8080/x", "http://127.0.0.1:8080/x", "/x", "127.0.0.1:8080"),
        ("localhost:8080/x", "http://localhost:8080/x", "/x", "localhost:8080"),
        ("http://a.test?q", "http://a.test/?q", "/?q", "a.test:80"),
        ("http://[::1]:80/", "http://[::1]/", "/", "[::1]:80"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/", "/", "[fe80::1%eth0]:80"),
        ('http://a.test/ü b%41"<>', "http://a.test/%C3%BC%20b%41%22%3C%3E", "/%C3%BC%20b%41%22%3C%3E", "a.test:80"),
        ("http://münchen.test/", "http://xn--mnchen-3ya.test/", "/", "xn--mnchen-3ya.test:80"),
        ("http://a.test/\udcff", "http://a.test/%FF", "/%FF", "a.test:80"),
        ("http://a.test:/", "http://a.test/", "/", "a.test:80"),
        ("http://a.test/../x//y/.", "http://a.test/../x//y/.", "/../x//y/.", "a.test:80"),
    ],
)
def test_where_a_url_leads(text: str, shown: str, target: str, endpoint: str) -> None:
    url = Url.parse(text)
    assert (str(url), url.target, url.endpoint) == (shown, target, endpoint)
    assert Url.parse(shown) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "http://", "ftp://a.test/", "mailto:x", "http://a b/", "http://a\nb/", "http://-a/", "http://[zz]/"),
        *("http://a]/", "http://a.test:x/", "http://a.test:65536/", "http://a.test:0/", "http://" + "ä" * 80 + "/"),
    ],
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(UsageError):
        Url.parse(text)


def test_a_zone_is_this_machines_own_business() -> None:
    assert Url.parse("http://[fe80::1%25eth0]:8080/").authority == "[fe80::1]:8080"


def test_user_and_password_are_kept_apart_and_never_shown() -> None:
    url = Url.parse("http://me:s%3Aecret@a.test/")
    assert (url.user, url.password, url.basic) == ("me", "s:ecret", "Basic bWU6czplY3JldA==")
    assert str(url) == "http://a.test/"
    assert Url.parse("http://a.test/").basic is None


@pytest.mark.parametrize(
    ("reference", "result"),
    [
        ("/x", "http://a.test/x"),
        ("x", "http://a.test/b/x"),
        ("../x?y#z", "http://a.test/x?y"),
        ("?q", "http://a.test/b/c?q"),
        ("//other.test/p", "http://other.test/p"),
        ("https://other.test:8443", "https://other.test:8443/"),
    ],
)
def test_where_a_reference_leads_from_here(reference: str, result: str) -> None:
    assert str(Url.parse("http://a.test/b/c?d").join(reference)) == result


@given(st.text(max_size=40))
def test_whatever_stands_in_a_path_a_request_line_can_carry_it(path: str) -> None:
    try:
        target = Url.parse(f"http://a.test/{path}").target
    except UnicodeEncodeError:
        return  # half a surrogate pair, which no shell hands over
    assert target.startswith("/")
    assert all(0x21 <= ord(character) < 0x7F for character in target)
    assert "#" not in target
