"""Rewriting: a path there, and what names places back, such that the client can use it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.rewriting import Rewrite, Seen, WayBack, check_template

V1 = Rewrite(strip="/v1", add="/api")


@pytest.mark.parametrize(
    ("rewrite", "asked", "sent"),
    [
        (Rewrite(), "/a?b=/v1", "/a?b=/v1"),
        (Rewrite(strip="/v1"), "/v1/users?x=1", "/users?x=1"),
        (Rewrite(strip="/v1"), "/v1", "/"),
        (Rewrite(strip="/v1/"), "/v1/?q", "/?q"),
        (Rewrite(strip="/v1"), "/v10", "/v10"),
        (Rewrite(add="/api"), "/", "/api/"),
        (Rewrite(add="/api/"), "/users", "/api/users"),
        (V1, "/v1/users", "/api/users"),
        (V1, "/v1", "/api"),
        (Rewrite(whole="/u/{id}/p"), "/users/7/posts?all", "/u/7/p?all"),
    ],
)
def test_the_way_there(rewrite: Rewrite, asked: str, sent: str) -> None:
    assert rewrite.onward(asked, {"id": "7"}) == sent


def way_back(rewrite: Rewrite = V1, client: str = "shop.test:8453", scheme: str = "https") -> WayBack:
    upstream = Seen(scheme="http", authority="127.0.0.1:9101")
    return WayBack(rewrite=rewrite, upstream=upstream, asked="backend", client=Seen(scheme=scheme, authority=client))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("http://127.0.0.1:9101/api/login?next=%2Fx#top", "https://shop.test:8453/v1/login?next=%2Fx#top"),
        ("HTTP://127.0.0.1:9101/api", "https://shop.test:8453/v1"),
        ("http://backend/api/x", "https://shop.test:8453/v1/x"),  # the Host it was sent
        ("https://backend/api/x", "https://shop.test:8453/v1/x"),
        ("//127.0.0.1:9101/api/x", "https://shop.test:8453/v1/x"),
        ("/api/x", "/v1/x"),
        ("/api", "/v1"),
        ("/elsewhere", "/elsewhere"),  # where the client cannot follow: not ours to invent
        ("http://127.0.0.1:9101", "https://shop.test:8453/"),
        ("http://127.0.0.1:9102/api/x", "http://127.0.0.1:9102/api/x"),
        ("https://127.0.0.1:9101/api/x", "https://127.0.0.1:9101/api/x"),  # the same port cannot speak both
        ("https://other.test/api/x", "https://other.test/api/x"),
        ("next", "next"),
        ("?page=2", "?page=2"),
        ("mailto:a@b", "mailto:a@b"),
        ("", ""),
    ],
)
def test_redirects(said: str, told: str) -> None:
    fields = [("Location", said), ("X-Other", said), ("Content-Location", said)]
    assert way_back().fields(fields) == [("Location", told), ("X-Other", said), ("Content-Location", told)]


def test_default_ports_are_the_same_origin() -> None:
    upstream = Seen(scheme="http", authority="up.test")
    back = WayBack(rewrite=Rewrite(), upstream=upstream, asked="x", client=Seen(scheme="http", authority="c.test"))
    assert back.reference("http://up.test:80/a") == "http://c.test/a"
    assert back.reference("http://up.test:8080/a") == "http://up.test:8080/a"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("5; url=http://backend/api/x", "5; url=https://shop.test:8453/v1/x"),
        ("0;URL='/api/x'", "0;URL='/v1/x'"),
        ("3", "3"),
    ],
)
def test_refresh(said: str, told: str) -> None:
    assert way_back().refresh(said) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a=b; Path=/api; HttpOnly", "a=b; Path=/v1; HttpOnly"),
        ("a=b; path=/api/x", "a=b; path=/v1/x"),
        ("a=b; Path=/", "a=b; Path=/v1"),  # for more than we show of it: for all that we show
        ("a=b; Path=/other", "a=b; Path=/other"),
        ("a=/api; Secure", "a=/api; Secure"),
        ("a=b; Domain=127.0.0.1", "a=b; Domain=shop.test"),
        ("a=b; Domain=other.test", "a=b; Domain=other.test"),
        ("a=b; Domain=.test", "a=b; Domain=.test"),  # it covers the client's host as it is
        ("__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"),
    ],
)
def test_cookies(said: str, told: str) -> None:
    assert way_back().fields([("Set-Cookie", said)]) == [("Set-Cookie", told)]


@pytest.mark.parametrize("client", ["localhost:8081", "127.0.0.2:8081", "[::1]:8081"])
def test_a_domain_that_no_browser_would_take_is_left_out(client: str) -> None:
    assert way_back(client=client).cookie("a=b; Domain=127.0.0.1; Path=/api/x") == "a=b; Path=/v1/x"


def test_a_path_made_anew_has_no_way_back_but_its_cookies_are_kept() -> None:
    back = way_back(Rewrite(whole="/u/{id}"))
    assert back.reference("/u/7") == "/u/7"
    assert back.cookie("a=b; Path=/u") == "a=b; Path=/"


def test_a_template_takes_only_what_is_caught() -> None:
    check_template("/u/{id}", {"id"})
    with pytest.raises(ValueError, match=r"has \{id\}"):
        check_template("/u/{id}", {"name"})


PATHS = st.text("/ab%.", max_size=12).map(lambda text: "/" + text)
PREFIXES = st.sampled_from(["", "/", "/a", "/b/", "/a/b"])


@given(PREFIXES, PREFIXES, PATHS)
def test_what_was_stripped_and_added_comes_back(strip: str, add: str, rest: str) -> None:
    rewrite = Rewrite(strip=strip, add=add)
    asked = strip.rstrip("/") + rest
    sent = rewrite.onward(asked, {})
    assert sent.startswith(add.rstrip("/"))
    assert rewrite.back(sent) == asked


@given(st.text(max_size=60))
def test_nothing_an_upstream_says_raises(value: str) -> None:
    way_back().fields([("Location", value), ("Refresh", value), ("Set-Cookie", value)])
