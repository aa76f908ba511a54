"""Anonymity: what stays of a request at each level, in tables; profiles that agree with themselves; the score."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.policy.anonymity.anonymize import Anonymity, Asked
from netlab.policy.anonymity.dress import arrange
from netlab.policy.anonymity.levels import LEVELS, NAMES, Rules, lines
from netlab.policy.anonymity.profiles import (
    BROWSERS,
    LANGUAGES,
    ORDER,
    Profile,
    acceptable,
    brand_list,
    engine_of,
    kind_of,
    pool,
)
from netlab.policy.anonymity.pseudonym import has_own, is_own, pseudonym
from netlab.policy.anonymity.responses import Answered, returned, session_cookie
from netlab.policy.anonymity.sessions import Sessions
from netlab.policy.anonymity.sites import Place, Relation, place, relation, site

Pair = tuple[str, str]
SHOP = Place("http", "www.shop.example", 80)
SECURE = Place("https", "www.shop.example", 443)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WINDOWS = Profile(browser="chrome", version=156, system="Windows", language="en-GB")
FOX = Profile(browser="firefox", version=153, system="macOS", language="de-DE")


def apply(level: str, fields: list[Pair], to: Place = SHOP, method: str = "GET", **changed: str) -> dict[str, str]:
    rules = Rules(**{**{name: getattr(LEVELS[level], name) for name in Rules.__slots__}, **changed})  # type: ignore[arg-type]  # of the table itself
    return dict(Anonymity(rules).apply(fields, Asked(method=method, to=to), WINDOWS).fields)


@pytest.mark.parametrize(
    "field",
    [
        *("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "From", "X-UIDH"),
        *("traceparent", "X-Request-Id", "X-B3-TraceId", "X-Client-Data", "Device-Id", "X-Visitor-Uuid", "DNT"),
        *("Sec-CH-UA-Full-Version-List", "Sec-CH-Prefers-Color-Scheme", "Save-Data", "X-Browser-Fingerprint", "Date"),
    ],
)
def test_what_identifies_is_taken_out(field: str) -> None:
    fields = [("User-Agent", CHROME), (field, "1"), ("X-Api-Key", "k"), ("X-CSRF-Token", "t")]
    assert field in apply("transparent", fields)
    for level in ("anonymous", "elite"):
        assert list(apply(level, fields)) == ["User-Agent", "X-Api-Key", "X-CSRF-Token"]


@pytest.mark.parametrize(
    ("policy", "referer", "sent"),
    [
        ("keep", "http://other.example/a?q=1", "http://other.example/a?q=1"),
        ("origin", "http://other.example/a?q=1", "http://other.example/"),
        ("origin", "http://www.shop.example/a?q=1", "http://www.shop.example/a?q=1"),
        ("origin", "about:blank", None),
        ("same-origin", "http://www.shop.example:80/a", "http://www.shop.example:80/a"),
        ("same-origin", "http://static.shop.example/a", None),
        ("same-origin", "https://www.shop.example/a", None),
        ("none", "http://www.shop.example/a", None),
    ],
)
def test_referer(policy: str, referer: str, sent: str | None) -> None:
    assert apply("anonymous", [("Referer", referer)], referer=policy).get("Referer") == sent


@pytest.mark.parametrize(
    ("mode", "origin", "sent"),
    [
        ("navigate", "http://other.example", "null"),
        ("no-cors", "http://other.example", "null"),
        ("navigate", "http://www.shop.example", "http://www.shop.example"),
        ("cors", "http://other.example", "http://other.example"),  # CORS cannot do without it
        ("websocket", "http://other.example", "http://other.example"),
    ],
)
def test_origin_as_browsers_hide_it(mode: str, origin: str, sent: str) -> None:
    assert apply("anonymous", [("Origin", origin), ("Sec-Fetch-Mode", mode)])["Origin"] == sent


CROSS = ("Sec-Fetch-Site", "cross-site")
OWN = ("Sec-Fetch-Site", "same-origin")


@pytest.mark.parametrize(
    ("policy", "where", "kept"),
    [("keep", CROSS, True), ("first-party", CROSS, False), ("first-party", OWN, True), ("none", OWN, False)],
)
def test_cookies_and_validators(policy: str, where: Pair, kept: bool) -> None:
    assert ("Cookie" in apply("elite", [where, ("Cookie", "a=1")], cookies=policy)) is kept
    for name in ("If-None-Match", "If-Modified-Since"):
        assert (name in apply("anonymous", [where, (name, '"x"')], validators=policy)) is kept
    lost = apply("anonymous", [where, ("Range", "bytes=5-"), ("If-Range", '"x"')], validators=policy)
    assert ("Range" in lost) is kept  # never without its condition: RFC 9110 13.1.5
    assert ("If-Range" in lost) is kept
    assert "If-Match" in apply("elite", [where, ("If-Match", '"x"')], validators=policy)
    assert "Range" in apply("elite", [where, ("Range", "bytes=5-")], validators=policy)


def test_the_app_that_asks() -> None:
    assert "X-Requested-With" in apply("anonymous", [("X-Requested-With", "XMLHttpRequest")])
    assert "X-Requested-With" not in apply("anonymous", [("X-Requested-With", "com.example.app")])
    assert "X-Requested-With" in apply("transparent", [("X-Requested-With", "com.example.app")])


def test_what_a_person_wants_kept_or_dropped() -> None:
    anonymity = Anonymity(LEVELS["anonymous"], keep=("dnt", "x-request-*"), drop=("x-secret-*", "accept"))
    fields = [("DNT", "1"), ("X-Request-Id", "1"), ("X-Secret-A", "1"), ("Accept", "*/*"), ("X-B", "1")]
    kept = anonymity.apply(fields, Asked(method="GET", to=SHOP), WINDOWS)
    assert [name for name, _ in kept.fields] == ["DNT", "X-Request-Id", "X-B"]
    assert [(change.name, change.what) for change in kept.changes] == [("X-Secret-A", "removed"), ("Accept", "removed")]
    assert "1" not in str(kept.changes)  # what was to be forgotten is not kept elsewhere
    transparent = Anonymity(LEVELS["transparent"], drop=("x-b",))
    assert transparent.apply(fields, Asked(method="GET", to=SHOP), WINDOWS).fields == fields[:-1]


def test_what_a_person_wants_goes_before_the_browser_s_clothes() -> None:
    anonymity = Anonymity(LEVELS["elite"], keep=("user-agent", "accept-encoding", "expect"), drop=("sec-fetch-*",))
    found = anonymity.apply([*CURL, ("Expect", "x")], Asked(method="GET", to=SECURE), WINDOWS)
    fields = dict(found.fields)
    assert fields["User-Agent"] == "curl/8.0"
    assert fields["Expect"] == "x"
    assert "Accept-Encoding" not in fields
    assert found.undo is None
    assert not any(name.startswith("Sec-Fetch") for name in fields)


def test_what_is_said_twice_is_worn_once() -> None:
    found = dressed([("User-Agent", "a"), ("user-agent", "b"), ("Cookie", "a=1"), ("Cookie", "b=2")], SHOP)
    assert [name for name, _ in found].count("User-Agent") == 1
    assert [name for name, _ in found].count("Cookie") == 2


# -- where a request comes from ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "referer", "origin", "found"),
    [
        (None, None, None, "none"),
        ("same-site", "http://other.example/", None, "same-site"),
        ("garbage", "http://other.example/", None, "cross-site"),
        (None, "http://www.shop.example/x", None, "same-origin"),
        (None, "http://www.shop.example:8080/x", None, "same-site"),
        (None, "http://a.b.shop.example/x", None, "same-site"),
        (None, "https://www.shop.example/x", None, "cross-site"),  # another scheme is another site
        (None, None, "http://other.example", "cross-site"),
        (None, None, "null", "cross-site"),
        (None, "http://[::1", None, "none"),
        (None, "http://x:99999/", None, "none"),
    ],
)
def test_relations(metadata: str | None, referer: str | None, origin: str | None, found: Relation) -> None:
    assert relation(SHOP, metadata, referer, origin) == found


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("www.shop.example", "shop.example"),
        ("a.b.shop.co.uk", "shop.co.uk"),
        ("shop.co.uk", "shop.co.uk"),
        ("co.uk", "co.uk"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("localhost", "localhost"),
    ],
)
def test_sites(host: str, found: str) -> None:
    assert site(host) == found


def test_places() -> None:
    assert str(Place("http", "::1", 80)) == "http://[::1]"
    assert str(Place("https", "a.test", 8443)) == "https://a.test:8443"
    assert place("https://user:pw@A.test/x") == Place("https", "a.test", 443)
    trusted = [Place("https", "a.test", 443), Place("http", "127.8.1.2", 80), Place("http", "x.localhost", 80)]
    assert all(found.trustworthy for found in trusted)
    assert not Place("http", "127.evil.example", 80).trustworthy


# -- profiles ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", pool(BROWSERS, LANGUAGES), ids=str)
def test_a_profile_agrees_with_itself(profile: Profile) -> None:
    """One version, one system, one engine, whichever field one looks at; and only fields that such a browser has."""
    agent, hints = profile.user_agent, profile.hints
    assert engine_of(agent) == profile.engine
    assert agent.count(f"/{profile.version}.0") >= 1
    assert profile.accept_language.startswith(profile.language[:2])
    systems = {"Windows": "Windows NT 10.0", "macOS": "Mac OS X 10", "Linux": "Linux x86_64"}
    assert systems[profile.system] in agent
    if profile.engine == "chromium":
        assert f'"Chromium";v="{profile.version}"' in hints["sec-ch-ua"]
        assert hints["sec-ch-ua-platform"] == f'"{profile.system}"'
        assert ("Edg/" in agent) == ("Microsoft Edge" in hints["sec-ch-ua"])
    else:
        assert not hints
        assert f"rv:{profile.version}.0" in agent


@pytest.mark.parametrize(
    ("version", "brand", "told"),
    [
        (116, "Google Chrome", '"Chromium";v="116", "Not)A;Brand";v="24", "Google Chrome";v="116"'),
        (120, "Google Chrome", '"Not_A Brand";v="8", "Chromium";v="120", "Google Chrome";v="120"'),
        (124, "Google Chrome", '"Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"'),
        (120, "Microsoft Edge", '"Not_A Brand";v="8", "Chromium";v="120", "Microsoft Edge";v="120"'),
    ],
)
def test_brands_as_released_browsers_said_them(version: int, brand: str, told: str) -> None:
    assert brand_list(version, brand) == told


def test_sessions_are_seeded() -> None:
    clients = [f"10.0.0.{number}" for number in range(40)]
    one, other = (Sessions(7, pool(), 60.0) for _ in range(2))
    first = [one.of(client, None, 0.0).profile for client in clients]
    assert [other.of(client, None, 0.0).profile for client in reversed(clients)][::-1] == first  # in whatever order
    assert len(set(first)) > 5
    assert [Sessions(8, pool(), 60.0).of(client, None, 0.0).profile for client in clients] != first
    assert one.of(clients[0], None, 59.0) == one.of(clients[0], None, 0.0)
    names = {one.of(clients[0], None, 60.0 * number).name for number in range(5)}
    assert len(names) == 5  # when it is over, another begins


def test_a_browser_stays_of_its_engine() -> None:
    sessions = Sessions(1, pool(), 60.0)
    for client, engine in product(map(str, range(20)), ("chromium", "firefox")):
        assert sessions.of(client, engine, 0.0).profile.engine == engine  # type: ignore[arg-type]  # it is one of them
    only = Sessions(1, pool(["firefox"]), 60.0)
    assert only.of("x", "chromium", 0.0).profile.engine == "firefox"  # where there is no other
    assert only.uniform("chromium").browser == "firefox"


def test_sessions_are_bounded() -> None:
    sessions = Sessions(1, pool(), 60.0)
    for number in range(5000):
        sessions.of(str(number), None, 0.0)
    assert len(sessions) == 4096


# -- elite -------------------------------------------------------------------------------------------------------


def dressed(fields: list[Pair], to: Place, method: str = "GET", profile: Profile = WINDOWS) -> list[Pair]:
    return Anonymity(LEVELS["elite"]).apply(fields, Asked(method=method, to=to), profile).fields


CURL = [("User-Agent", "curl/8.0"), ("Accept", "*/*"), ("X-Api-Key", "k")]


def test_a_program_is_dressed_as_a_browser() -> None:
    assert dressed(CURL, SECURE) == [
        ("sec-ch-ua-platform", '"Windows"'),
        ("User-Agent", WINDOWS.user_agent),
        ("sec-ch-ua", brand_list(156, "Google Chrome")),
        ("sec-ch-ua-mobile", "?0"),
        ("Accept", "*/*"),
        ("X-Api-Key", "k"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-GB,en-US;q=0.9,en;q=0.8"),
    ]


def test_no_hints_where_browsers_send_none() -> None:
    names = [name for name, _ in dressed(CURL, SHOP)]
    assert names == ["User-Agent", "Accept", "X-Api-Key", "Accept-Encoding", "Accept-Language"]
    assert ("Accept-Encoding", "gzip, deflate") in dressed(CURL, SHOP)


def test_a_program_that_wants_html_navigates() -> None:
    fields = [("accept", "text/html, */*;q=0.5"), ("user-agent", "w3m")]
    found = dict(dressed(fields, SECURE, profile=FOX))
    assert [found[f"Sec-Fetch-{name}"] for name in ("Site", "Mode", "User", "Dest")] == [
        *("none", "navigate", "?1", "document")
    ]
    assert found["Upgrade-Insecure-Requests"] == "1"
    assert found["Priority"] == "u=0, i"
    assert found["Accept"] == "text/html,*/*;q=0.8"  # nothing the program has not named
    assert next(iter(found)) == "User-Agent"  # spelled as the browser spells it


def test_a_program_that_posts_says_where_from() -> None:
    found = dict(dressed([*CURL, ("Content-Type", "text/x")], SECURE, "POST"))
    assert found["Origin"] == "https://www.shop.example"


def test_a_browser_of_the_same_engine_keeps_its_own_order() -> None:
    fields = [("X-First", "1"), ("Accept", "a/b"), ("sec-ch-ua", "x"), ("User-Agent", CHROME), ("Priority", "u=1")]
    found = dressed(fields, SECURE)
    assert [name for name, _ in found] == [name for name, _ in fields]
    assert dict(found)["Accept"] == "a/b"
    assert dict(found)["sec-ch-ua"] == WINDOWS.hints["sec-ch-ua"]


def test_another_engine_s_browser_is_dressed_over() -> None:
    fields = [("User-Agent", FIREFOX), ("Sec-Fetch-Mode", "navigate"), ("Priority", "u=1"), ("Accept", "text/html")]
    found = dict(dressed(fields, SECURE))
    assert "Priority" not in found
    assert found["Sec-Fetch-Mode"] == "navigate"


@given(st.permutations([name for name in ORDER["chromium"][True] if name != "Host"]))
def test_order_is_the_profile_s_whatever_the_client_s(names: list[str]) -> None:
    found = [name for name, _ in arrange([(name, "") for name in names], [n.lower() for n in ORDER["chromium"][True]])]
    assert found == [name for name in ORDER["chromium"][True] if name != "Host"]


@given(st.lists(st.sampled_from(["a", "b", "c", "x", "y"])))
def test_arranging_loses_nothing(names: list[str]) -> None:
    pairs = [(name, str(index)) for index, name in enumerate(names)]
    assert sorted(arrange(pairs, ["c", "a", "b"])) == sorted(pairs)


def test_all_clients_look_alike_at_anonymous() -> None:
    sessions = Sessions(1, pool(), 60.0)
    anonymity = Anonymity(LEVELS["anonymous"])
    seen = set()
    for agent, language in ((CHROME, "de"), (CHROME.replace("Linux", "Mac"), "fr"), ("curl/8", "it")):
        fields = [("User-Agent", agent), ("Accept-Language", language), ("sec-ch-ua-platform", '"Haiku"')]
        profile = sessions.uniform(engine_of(agent))
        seen.add(tuple(anonymity.apply(fields, Asked(method="GET", to=SECURE), profile).fields))
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("destination", "accept", "kind"),
    [
        ("document", "*/*", "navigation"),
        ("image", None, "image"),
        ("script", "text/html", "other"),
        (None, "text/html;q=0.5", "navigation"),
        (None, "image/avif,*/*", "image"),
        (None, "image/png", "other"),  # a script's own wish
        (None, "text/css,*/*;q=0.1", "style"),
        (None, None, "other"),
    ],
)
def test_kinds(destination: str | None, accept: str | None, kind: str) -> None:
    assert kind_of(destination, accept) == kind


def test_a_profile_promises_nothing_for_the_client() -> None:
    offered = WINDOWS.accept("image")
    assert "image/jxl" not in acceptable(offered, "image/avif,image/webp,*/*")
    assert acceptable(offered, None) == offered


# -- answers -----------------------------------------------------------------------------------------------------

THEN = 1_800_000_000.0


@pytest.mark.parametrize(
    ("cookie", "kept"),
    [
        ("a=1; Max-Age=600; Path=/; Secure", "a=1; Path=/; Secure"),
        ("a=1; expires=Wed, 09 Jun 2049 10:18:14 GMT; Path=/", "a=1; Path=/"),
        ("a=; Max-Age=0", "a=; Max-Age=0"),
        ("a=; max-age=-1; Path=/", "a=; max-age=-1; Path=/"),
        ("a=; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "a=; Expires=Thu, 01-Jan-1970 00:00:00 GMT"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5", "a=1"),  # Max-Age goes before
        ("a=1; Expires=nonsense", "a=1"),
        ("a=1", "a=1"),
    ],
)
def test_cookies_do_not_outlive_the_browser(cookie: str, kept: str) -> None:
    assert session_cookie(cookie, THEN) == kept


ANSWER = [
    ("Set-Cookie", "a=1; Max-Age=9"),
    ("Set-Cookie", "b=2"),
    ("ETag", '"x"'),
    ("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT"),
    ("Strict-Transport-Security", "max-age=9"),
    ("Accept-CH", "Sec-CH-UA-Model"),
    ("Alt-Svc", 'h3="id-of-you.example:443"'),
    ("Report-To", "{}"),
    ("Via", "1.1 parent"),
    ("Content-Type", "text/html"),
]


@pytest.mark.parametrize(
    ("level", "where", "names"),
    [
        ("transparent", "cross-site", [name for name, _ in ANSWER]),
        (
            "anonymous",
            "none",
            ["Set-Cookie", "Set-Cookie", "ETag", "Last-Modified", "Strict-Transport-Security", "Via", "Content-Type"],
        ),
        ("anonymous", "cross-site", ["Via", "Content-Type"]),
        ("elite", "same-site", ["Set-Cookie", "Set-Cookie", "Strict-Transport-Security", "Content-Type"]),
        ("elite", "cross-site", ["Content-Type"]),
    ],
)
def test_answers(level: str, where: Relation, names: list[str]) -> None:
    kept, changes = returned(ANSWER, Answered("GET", where, THEN), LEVELS[level])
    assert [name for name, _ in kept] == names
    assert len(changes) >= len(ANSWER) - len(names)
    assert ("Set-Cookie", "a=1") in kept or level != "elite" or where == "cross-site"


def test_tags_stay_where_they_are_more_than_a_cache_s() -> None:
    kept, _ = returned([("ETag", '"x"')], Answered("PUT", "cross-site", THEN), LEVELS["elite"])
    assert kept  # If-Match needs it, against lost updates
    kept, _ = returned([("ETag", '"x"')], Answered("GET", "none", THEN), LEVELS["elite"], ("etag",))
    assert kept


# -- names for Via -----------------------------------------------------------------------------------------------


def test_pseudonyms_are_known_to_their_maker_alone() -> None:
    names = {pseudonym(b"secret", bytes((0, 0, 0, number))) for number in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch("netlab-[0-9a-f]{16}", name) for name in names)
    assert all(is_own(name, b"secret") and not is_own(name, b"other") for name in names)
    assert has_own(f"1.0 fred, 1.1 {names.pop()} (comment), x", b"secret")


@given(st.text(alphabet="netlab- 0123456789abcdef,"))
def test_other_names_are_not_ours(via: str) -> None:
    assert not has_own(via, b"secret")


def test_the_table_has_a_word_for_each_level() -> None:
    for line in lines(tuple(LEVELS.values())):
        assert len(line.words) == len(NAMES)
        assert all(line.words)
