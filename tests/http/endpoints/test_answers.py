"""Statuses, redirects, cookies, validators, codings, fixed pages: as httpbin's own tests want them, and curl."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from xml.etree import ElementTree

import pytest
import requests

from netlab.http.endpoints.cookies import quoted, unquoted
from tests.http.endpoints.site import site
from tests.http.serving import connected

# -- statuses ----------------------------------------------------------------------------------------------------


async def test_statuses_with_what_belongs_to_them() -> None:
    async with site() as here, here.http() as client:
        for code in (200, 201, 204, 205, 304, 404, 500, 599, 799):
            answer = await client.get(f"/status/{code}")
            assert (answer.status_code, answer.content) == (code, b"")
        for code in (301, 302, 303, 305, 307, 308):
            assert (await client.get(f"/status/{code}")).headers["location"] == "/redirect/1"
        assert (await client.get("/status/401")).headers["www-authenticate"] == 'Basic realm="Fake Realm"'
        assert (await client.get("/status/407")).headers["proxy-authenticate"] == 'Basic realm="Fake Realm"'
        assert "image/webp" in (await client.get("/status/406")).json()["accept"]
        assert "-=[ teapot ]=-" in (await client.get("/status/418")).text
        for method in ("HEAD", "POST", "PUT", "DELETE", "PATCH"):
            assert (await client.request(method, "/status/418")).status_code == 418
        for codes in ("4!9", "200,402,foo", "100", "99", "1000", "200:-1,404", "200:nan,404", "200:0,404:0", "²⁰⁰"):
            assert (await client.get(f"/status/{codes}")).status_code == 400


async def test_one_of_several_statuses_by_weight() -> None:
    async with site(seed=7) as here, here.http() as client:
        found = Counter([(await client.get("/status/200:0.9,500:0.1")).status_code for _ in range(100)])
        assert set(found) == {200, 500}
        assert 2 <= found[500] <= 25
        again = {(await client.get("/status/200:0,404:2,404")).status_code for _ in range(20)}
        assert again == {404}


# -- redirects and cookies ---------------------------------------------------------------------------------------


async def test_redirects_as_httpbin_leads() -> None:
    async with site() as here, here.http() as client:
        for path, location in (
            ("/redirect/5", "/relative-redirect/4"),
            ("/redirect/1", "/get"),
            ("/redirect/5?absolute=true", here.url("/absolute-redirect/4")),
            ("/relative-redirect/1", "/get"),
            ("/relative-redirect/7", "/relative-redirect/6"),
            ("/absolute-redirect/1", here.url("/get")),
            ("/redirect-to?url=/%C3%B6%0d%0aX:y", "/%C3%B6%0D%0AX:y"),
            ("/redirect-to?URL=get%23x", "get#x"),
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (302, location)
        assert (await client.post("/redirect-to?url=/post&status_code=307")).status_code == 307
        assert (await client.get("/redirect-to?url=/x&status_code=500")).status_code == 302
        for path, status in (("/redirect/0", 400), ("/redirect/x", 404), ("/redirect-to", 400)):
            assert (await client.get(path)).status_code == status


async def test_curl_follows_to_the_end() -> None:
    async with site() as here:
        followed = await here.curl("/redirect/6", "-L", "-w", "%{num_redirects}", "-o", "/dev/null")
        assert (followed.code, followed.out) == (0, b"6")
        circle = await here.curl("/redirect/60", "-L")
        assert circle.code == 47
        posted = await here.curl("/redirect-to?url=/post&status_code=307", "-L", "-d", "a=b")
        assert json.loads(posted.out)["form"] == {"a": "b"}


async def test_cookies_are_set_kept_and_deleted() -> None:
    async with site() as here:

        def ask() -> None:
            with requests.Session() as session:
                session.trust_env = False
                assert session.get(here.url("/cookies/set?a=1&b=x%20y")).json() == {"cookies": {"a": "1", "b": "x y"}}
                assert session.get(here.url("/cookies/set/c/%C3%B6")).json()["cookies"]["c"] == "ö"
                assert session.get(here.url("/cookies/delete?a&c")).json() == {"cookies": {"b": "x y"}}

        await asyncio.to_thread(ask)
        answer = await here.get("/cookies/set?a=1&a=2")
        assert answer.headers.get_list("set-cookie") == ["a=1; Path=/"]
        deleted = await here.get("/cookies/delete?a")
        assert deleted.headers["set-cookie"] == "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
        assert (await here.get("/cookies/set?a%20b=1")).status_code == 400


@pytest.mark.parametrize("value", ["", "plain", "x y", "a,b;c", 'quo"te', "back\\slash", "ö€🌍", "\r\nX: y", '"'])
def test_any_value_survives_in_a_cookie(value: str) -> None:
    assert unquoted(quoted(value).encode().decode("latin-1")) == value
    assert quoted(value).isprintable()
    assert quoted(value).isascii()


# -- validators and fields ---------------------------------------------------------------------------------------


async def test_cache_and_entity_tags() -> None:
    async with site() as here, here.http() as client:
        fresh = await client.get("/cache")
        assert fresh.status_code == 200
        assert fresh.headers["etag"]
        for field in ("If-None-Match", "If-Modified-Since"):
            again = await client.get("/cache", headers={field: "anything"})
            assert (again.status_code, again.content) == (304, b"")
        assert (await client.get("/cache/60")).headers["cache-control"] == "public, max-age=60"
        for field, value, status in (
            ("If-None-Match", "abc", 304),
            ("If-None-Match", '"123", W/"abc"', 304),
            ("If-None-Match", "*", 304),
            ("If-None-Match", "123", 200),
            ("If-Match", '"123", "abc"', 200),
            ("If-Match", "*", 200),
            ("If-Match", "123", 412),
            ("X-None", "", 200),
        ):
            answer = await client.get("/etag/abc", headers={field: value})
            assert (answer.status_code, answer.headers.get("etag")) == (status, None if status == 412 else "abc")
        assert (await client.get("/etag/%22abc%22")).headers["etag"] == '"abc"'
        assert (await client.get("/etag/%22abc%22", headers={"If-None-Match": '"abc"'})).status_code == 304
        assert (await client.get("/etag/a%0d%0ab")).status_code == 400


async def test_response_fields_of_the_clients_choice() -> None:
    async with site() as here, here.http() as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, "/response-headers?animal=dog&animal=cat&x=%3Cb%3E")
            assert answer.headers.get_list("animal") == ["dog", "cat"]
            told = answer.json()
            assert told["animal"] == ["dog", "cat"]
            assert told["x"] == "<b>"
            assert told["Content-Length"] == answer.headers["content-length"] == str(len(answer.content))
        html = await client.get("/response-headers?Content-Type=text/html&x=%3Cscript%3E")
        assert html.headers.get_list("content-type") == ["text/html"]
        assert b"<" not in html.content
        for bad in (
            "Content-Length=5",
            "transfer-encoding=chunked",
            "x%0d%0ay=1",
            "x=%0d%0aSet-Cookie:a",
            "a%20b=",
            "=",
        ):
            assert (await client.get(f"/response-headers?{bad}")).status_code == 400


# -- codings, pages, images --------------------------------------------------------------------------------------


async def test_codings_are_undone_by_clients() -> None:
    async with site() as here, here.http() as client:
        for path, coding, told in (
            ("/gzip", "gzip", "gzipped"),
            ("/deflate", "deflate", "deflated"),
            ("/brotli", "br", "brotli"),
            ("/zstd", "zstd", "zstd"),
        ):
            answer = await client.get(path)
            assert answer.headers["content-encoding"] == coding
            assert answer.json()[told] is True
            assert answer.json()["method"] == "GET"
        by_curl = await here.curl("/gzip", "--compressed")
        assert json.loads(by_curl.out)["gzipped"] is True


async def test_fixed_pages() -> None:
    async with site() as here, here.http() as client:
        assert (await client.get("/json")).json()["slideshow"]["title"] == "Sample Slide Show"
        assert ElementTree.fromstring((await client.get("/xml")).text).tag == "slideshow"
        assert "<h1>Herman Melville - Moby-Dick</h1>" in (await client.get("/html")).text
        assert (await client.get("/robots.txt")).text == "User-agent: *\nDisallow: /deny\n"
        assert "YOU SHOULDN'T BE HERE" in (await client.get("/deny")).text
        assert "𝄞" in (await client.get("/encoding/utf8")).text
        assert 'name="custname"' in (await client.get("/forms/post")).text


async def test_images_of_every_kind() -> None:
    begins = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF", "svg": b"<svg"}
    async with site() as here, here.http() as client:
        for kind, begin in begins.items():
            answer = await client.get(f"/image/{kind}")
            assert answer.headers["content-type"] == f"image/{kind}" + "+xml" * (kind == "svg")
            assert answer.content.startswith(begin)
        for accept, found in (
            ("image/webp", "image/webp"),
            ("image/*", "image/png"),
            ("*/*", "image/png"),
            ("image/jpeg;q=0.5, image/png;q=0.4", "image/jpeg"),
            ("image/webp;q=0, */*;q=0.1", "image/png"),
            ("image/avif,image/webp,image/svg+xml,image/*;q=0.8", "image/webp"),
            ("text/html", "application/json"),
        ):
            answer = await client.get("/image", headers={"Accept": accept})
            assert answer.headers["content-type"] == found
            assert answer.status_code == (406 if found == "application/json" else 200)


# -- all of them -------------------------------------------------------------------------------------------------


async def test_pages_of_any_origin_may_read_answers_but_only_local_ones_with_cookies() -> None:
    async with site() as here, here.http() as client:
        plain = await client.get("/get")
        assert plain.headers["access-control-allow-origin"] == "*"
        assert plain.headers["access-control-allow-credentials"] == "true"
        for origin, local in (
            ("http://localhost:3000", True),
            ("http://127.0.0.1:1", True),
            ("http://[::1]:1", True),
            ("http://www.shop.test", True),
            ("https://evil.example", False),
            ("http://localhost.evil.example", False),
            ("http://[", False),
            ("null", False),
        ):
            answer = await client.get("/cookies", headers={"Origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin
            assert ("access-control-allow-credentials" in answer.headers) == local


async def test_options_head_and_methods_that_are_not_allowed() -> None:
    async with site() as here, here.http() as client:
        answer = await client.options("/status/200", headers={"Access-Control-Request-Headers": "X-Test"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE, PATCH, OPTIONS"
        assert answer.headers["access-control-allow-headers"] == "X-Test"
        assert answer.headers["access-control-max-age"] == "3600"
        assert (await client.options("/get")).headers["allow"] == "GET, HEAD, OPTIONS"
        refused = await client.put("/get")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        head, get = await client.head("/json"), await client.get("/json")
        assert head.content == b""
        assert head.headers["content-length"] == get.headers["content-length"]


async def test_the_front_page_names_every_path() -> None:
    async with site() as here, here.http() as client:
        paths = {item["path"] for item in (await client.get("/")).json()["paths"]}
        assert {"/get", "/status/{codes}", "/broken", "/sse"} <= paths
        page = await client.get("/", headers={"Accept": "text/html,*/*"})
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<code>/status/{codes}</code>" in page.text
        assert '<a href="/broken">' in page.text


async def test_an_http_1_0_client_without_host_is_told_where_it_is() -> None:
    async with site() as here, connected(here.port) as client:
        await client.send(b"GET /get HTTP/1.0\r\n\r\n")
        _, body = await client.response()
        assert json.loads(body)["url"] == here.url("/get")


async def test_the_other_engine_answers_alike() -> None:
    paths = (
        "/get?a=1 /status/418 /redirect/2 /cookies/set?a=1 /basic-auth/a/b /cache/5 /etag/x /gzip /bytes/5?seed=1 /xml"
        " /stream/2 /stream-bytes/9?seed=1&chunk_size=2 /range/30 /drip?duration=0 /delay/0 /image /trailers?x=1"
        " /early-hints /sse?count=1 /broken/cut-body /broken/length-too-small /broken/http-0.9"
    )
    async with site() as ours, site(engine="h11") as other:
        for path in paths.split():
            answers = []
            for here in (ours, other):
                found = await here.curl(path, "-i", "-H", "Host: test", "--http0.9")
                lines = [line for line in found.out.splitlines() if not line.lower().startswith(VARYING)]
                answers.append((found.code, lines))
            assert answers[0] == answers[1], path


VARYING = (b"date:", b"server-timing:", b"data: {")
