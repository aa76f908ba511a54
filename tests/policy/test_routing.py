"""Routes: what each criterion takes and leaves, their order, and the sentence when none matches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.fields import Fields
from netlab.policy.routing import Asked, Match, Routes, api_version, host_name, path_pattern


def asked(
    path: str = "/", *, host: str = "api.test", method: str = "GET", fields: tuple[tuple[str, str], ...] = ()
) -> Asked:
    return Asked(method, host, path, Fields(fields))


def takes(match: Match, request: Asked) -> bool:
    return Routes([(match, "it")]).find(request) is not None


@pytest.mark.parametrize(
    ("hosts", "taken", "left"),
    [
        (("api.test",), ["api.test", "API.test:8081", "api.test."], ["a.api.test", "api.test.evil"]),
        (("*.shop.test",), ["www.shop.test", "a.b.shop.test"], ["shop.test", "wwwshop.test"]),
        (("api.*",), ["api.test", "api.shop.test"], ["api", "myapi.test"]),
        (("[::1]", "localhost"), ["[::1]:8081", "localhost:1"], ["127.0.0.1"]),
    ],
)
def test_hosts(hosts: tuple[str, ...], taken: list[str], left: list[str]) -> None:
    for host in taken:
        assert takes(Match(hosts=hosts), asked(host=host)), host
    for host in left:
        assert not takes(Match(hosts=hosts), asked(host=host)), host


@pytest.mark.parametrize("path", ["/v1", "/v1/"])
def test_a_path_is_itself_and_all_below(path: str) -> None:
    match = Match(path=path)
    for taken in ("/v1", "/v1/", "/v1/users"):
        assert takes(match, asked(taken))
    for left in ("/", "/v10", "/v1x/users", "/a/v1"):
        assert not takes(match, asked(left))
    assert takes(Match(path="/"), asked("*"))  # OPTIONS *


def test_a_pattern_is_the_whole_path_and_catches() -> None:
    routes = Routes([(Match(pattern="/users/{id}/posts"), "posts"), (Match(pattern="/files/{rest...}"), "files")])
    found = routes.find(asked("/users/a%2Fb/posts"))
    assert found is not None
    assert (found.route, found.caught) == ("posts", {"id": "a%2Fb"})
    found = routes.find(asked("/files/a/b/c"))
    assert found is not None
    assert found.caught == {"rest": "a/b/c"}
    for left in ("/users/1", "/users/1/2/posts", "/users//posts", "/files", "/users/1/posts/"):
        assert routes.find(asked(left)) is None
    assert takes(Match(pattern="/health.json"), asked("/health.json"))
    assert not takes(Match(pattern="/health.json"), asked("/healthxjson"))


@pytest.mark.parametrize("pattern", ["/{a}/{a}", "/{", "/{1}", "/a}b"])
def test_patterns_that_cannot_be_meant(pattern: str) -> None:
    with pytest.raises(ValueError, match="has "):
        path_pattern(pattern)


def test_get_stands_for_head_too() -> None:
    match = Match(methods=("GET", "POST"))
    assert [takes(match, asked(method=method)) for method in ("GET", "HEAD", "POST", "PUT")] == [
        True,
        True,
        True,
        False,
    ]


def test_fields_by_presence_and_value() -> None:
    there, value, wild = (Match(fields=(("x-beta", want),)) for want in (None, "1", "b*a"))
    assert not takes(there, asked())
    assert takes(there, asked(fields=(("X-Beta", ""),)))
    assert takes(value, asked(fields=(("X-BETA", "1"),)))
    assert not takes(value, asked(fields=(("X-Beta", "10"),)))
    assert takes(wild, asked(fields=(("X-Beta", "beta"),)))


@pytest.mark.parametrize(
    ("path", "fields", "version"),
    [
        ("/v2/users", (), "2"),
        ("/api/v2.1", (), "2.1"),
        ("/dev2/x", (), ""),
        ("/", (("Accept-Version", "2"),), "2"),
        ("/", (("Accept-Version", "v2.1"),), "2.1"),
        ("/", (("Accept-Version", "latest"),), ""),
        ("/v1/", (("Accept-Version", "2"),), "1"),
        ("/", (("Accept", "application/json;version=2"),), "2"),
        ("/", (("Accept", 'application/json; charset=utf-8; v="2.1"'),), "2.1"),
        ("/", (("Accept", "application/vnd.shop.v3+json"),), "3"),
        ("/", (("Accept", "application/vnd.shop-v3"),), "3"),
        ("/", (("Accept", "application/json;version=1;q=0.5, application/json;version=2"),), "2"),
        ("/", (("Accept", "application/json;version=1;q=0"),), ""),
        ("/", (("Accept", "*/*"), ("Content-Type", "application/json;version=4")), "4"),
        ("/", (("Accept", "text/html"),), ""),
    ],
)
def test_where_an_api_version_stands(path: str, fields: tuple[tuple[str, str], ...], version: str) -> None:
    assert api_version(asked(path, fields=fields)) == version


def test_a_version_stands_for_what_is_below_it() -> None:
    assert takes(Match(versions=("2",)), asked("/v2.1/x"))
    assert not takes(Match(versions=("2",)), asked("/v20/x"))
    assert not takes(Match(versions=("2.1",)), asked("/v2/x"))
    assert takes(Match(versions=("1", "2.1")), asked("/v2.1.5/x"))


def test_the_first_match_wins() -> None:
    routes = Routes([(Match(path="/a", methods=("POST",)), 1), (Match(path="/a"), 2), (Match(), 3)])
    for request, route in ((asked("/a", method="POST"), 1), (asked("/a/b"), 2), (asked("/b"), 3)):
        found = routes.find(request)
        assert found is not None
        assert found.route == route


def test_no_route_says_what_was_looked_at() -> None:
    routes = Routes([(Match(hosts=("a.test",), versions=("2",)), 1), (Match(path="/x", fields=(("x-a", "1"),)), 2)])
    assert routes.find(asked("/y", host="b.test")) is None
    assert routes.why_none(asked("/y", host="b.test")) == (
        "no route takes this request (2 looked at the host b.test, the API version (none), the path /y, the field x-a)"
    )


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=40))
def test_nothing_a_client_sends_raises(host: str, path: str, value: str) -> None:
    request = asked("/" + path, host=host, fields=(("Accept", value), ("Accept-Version", value), ("X-A", value)))
    match = Match(hosts=("*.a", "b"), path="/v", pattern="/v/{x...}", versions=("1",), fields=(("x-a", "*1"),))
    routes = Routes([(match, 1)])
    routes.find(request)
    assert routes.why_none(request)
    assert host_name(host) == host_name(host_name(host)) or ":" in host or host.endswith(".")


def test_cookies() -> None:
    match = Match(cookies=(("beta", None), ("plan", "gold*")))
    for taken in ("beta=1; plan=gold", "a=1; plan=golden;beta=", 'plan="gold"; beta=x'):
        assert takes(match, asked(fields=(("Cookie", taken),))), taken
    for left in ("plan=gold", "beta=1; plan=silver", "xbeta=1; plan=gold", "beta=1; a=plan=gold", ""):
        assert not takes(match, asked(fields=(("Cookie", left),))), left
    assert not takes(match, asked())


def test_names_asked_for_in_tls() -> None:
    match = Match(snis=("shop.test", "*.api.test"))
    for taken in ("shop.test", "SHOP.test", "a.api.test"):
        assert takes(match, asked()._replace(sni=taken))
    for left in ("", "api.test", "shop.test.evil"):
        assert not takes(match, asked()._replace(sni=left))


@pytest.mark.parametrize("lot", [0.0, 0.049, 0.05, 0.5, 0.999])
def test_a_share_of_requests_is_drawn_last_and_only_where_all_else_fits(lot: float) -> None:
    drawn: list[str] = []

    def draw(key: str) -> float:
        drawn.append(key)
        return lot

    match = Match(path="/shop", share=(0.05, "source"))
    assert takes(match, asked("/shop")._replace(lot=draw)) is (lot < 0.05)
    assert not takes(match, asked("/other")._replace(lot=draw))
    assert drawn == ["source"]
