"""Nothing that a client can ask for is a bug of ours: odd paths, queries, fields and content on every path."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.fields import Fields
from netlab.cores.http1 import Frame, Request
from netlab.http.endpoints.answers import Unusable, printed
from netlab.http.endpoints.arguments import LONGEST, grouped, query, seconds
from netlab.http.endpoints.cookies import cookies_of, quoted, unquoted
from netlab.http.endpoints.forms import content_of
from netlab.http.exchange import Exchange
from tests.http.endpoints.site import Site, site
from tests.http.serving import connected

ODD = (
    "0",
    "-1",
    "99999999999999999999",
    "1e3",
    "²",
    "%00",
    "%0d%0aX: y",
    "%ff%fe",
    "a" * 3000,
    "..",
    "%2F",
    "<b>",
    '"',
    "ö",
)
ODD_FIELDS = (
    ("Authorization", "Digest"),
    ("Authorization", "Digest a=b, nonce=\xff, qop=auth, response=\xe9"),
    ("Authorization", "Basic \xff"),
    ("Cookie", 'a="\\999"; =; ;; b="; stale_after=x; last_nonce=\xff'),
    ("Cookie", "stale_after=" + "9" * 500),
    ("Accept", ",;q=x,*/*;q=9"),
    ("Range", "bytes=" + "9" * 40 + "-"),
    ("Range", "bytes=-"),
    ("If-None-Match", '"\xff", W/"'),
    ("Content-Type", 'multipart/form-data; boundary="'),
    ("Origin", "http://[::"),
    ("X-Forwarded-Proto", "\xff"),
)
NAMES = "url status_code duration delay numbytes code seed chunk_size count absolute link require-cookie Content-Type"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pause is over at once, as when the server ends."""

    async def pause(exchange: Exchange, seconds: float) -> bool:
        exchange.connection.flush()
        return False

    monkeypatch.setattr(Exchange, "pause", pause)


async def statuses(here: Site, requests: list[bytes]) -> list[int]:
    """Send each on a connection of its own and read what comes."""
    found = []
    for request in requests:
        async with connected(here.port) as client:
            await client.send(request)
            client.end()
            answer = await client.all()
            assert answer.startswith(b"HTTP/1.1 "), (request[:200], answer[:200])
            finals = [code for code in re.findall(rb"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE) if code[:1] != b"1"]
            found.append(int(finals[0]))
    return found


def asked(path: str, *fields: tuple[str, str], body: bytes = b"") -> bytes:
    method = "POST" if body else "GET"
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def patterns(here: Site) -> list[str]:
    assert here.server.routes is not None
    return [route.pattern for route in here.server.routes.all if route.about]


@pytest.mark.usefixtures("hurried")
@pytest.mark.one_loop
async def test_odd_paths_and_queries() -> None:
    async with site() as here:
        requests = []
        for pattern in patterns(here):
            for odd in ODD:
                value = quote(odd, safe="%")
                path = re.sub(r"\{\w+(\.\.\.)?\}", lambda _, value=value: value, pattern)
                everything = "&".join(f"{name}={value}" for name in NAMES.split())
                requests += [asked(path), asked(f"{path}?{everything}&{value}={value}")]
        found = await statuses(here, requests)
    assert [request[:300] for request, status in zip(requests, found, strict=True) if status >= 500] == []


@pytest.mark.usefixtures("hurried")
@pytest.mark.one_loop
async def test_odd_fields_and_content() -> None:
    async with site() as here:
        requests = []
        for pattern in patterns(here):
            path = re.sub(r"\{\w+(\.\.\.)?\}", "1", pattern)
            requests += [asked(path, field) for field in ODD_FIELDS]
            requests.append(
                asked(path, ("Content-Type", "multipart/form-data; boundary=b"), body=b"--b\r\n\xff\xfe\r\n")
            )
        found = await statuses(here, requests)
    assert [request[:300] for request, status in zip(requests, found, strict=True) if status >= 500] == []


KINDS = st.sampled_from(
    ["", "text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
PIECES = st.sampled_from(
    [b"--b", b"--b--", b"\r\n", b'Content-Disposition: form-data; name="a"', b"; filename=x", b"{", b"="]
)


@given(KINDS, st.binary() | st.lists(PIECES | st.binary(max_size=3), max_size=30).map(b"".join))
def test_any_content_can_be_told(content_type: str, body: bytes) -> None:
    fields = Fields((("content-type", content_type),))
    told = content_of(Request("POST", "/", "1.1", fields, Frame(True, len(body), False, True)), body)
    assert sorted(json.loads(printed(told))) == ["data", "files", "form", "json"]


@given(st.text(st.characters(max_codepoint=255, blacklist_categories=["Cc"])))
def test_any_query_and_any_cookie_can_be_told(text: str) -> None:
    request = Request("GET", f"/?{text}", "1.1", Fields((("cookie", text),)), Frame(False, 0, False, True))
    printed({"args": grouped(query(request)), "cookies": cookies_of(request)})


@given(st.text())
def test_any_text_survives_in_a_cookie(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert unquoted(quoted(text)) == text


@given(st.text() | st.from_regex(r"-?[0-9.]{1,9}(ms|s|m|h|us|ns)?", fullmatch=True))
def test_a_duration_is_within_bounds_or_refused(text: str) -> None:
    try:
        assert 0 <= seconds("x", text) <= LONGEST
    except Unusable as refusal:
        assert "it must be" in str(refusal)  # noqa: PT017  a refusal is as good as a number
