"""Paths that show a request: what httpx, requests and curl send comes back as httpbin tells it."""

from __future__ import annotations

import asyncio
import json

import requests

from netlab.http.endpoints.forms import as_json
from tests.http.endpoints.site import site
from tests.http.serving import connected


async def test_methods_show_what_httpbin_shows() -> None:
    async with site() as here, here.http(headers={"X-A": "1"}) as client:
        told = (await client.get("/get", params={"a": ["1", "2"], "b": ""})).json()
        assert sorted(told) == ["args", "headers", "origin", "url"]
        assert told["args"] == {"a": ["1", "2"], "b": ""}
        assert told["headers"]["X-A"] == "1"
        assert told["origin"] == "127.0.0.1"
        assert told["url"] == here.url("/get?a=1&a=2&b=")
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            told = (await client.request(method, f"/{method.lower()}", content=b"abc")).json()
            assert sorted(told) == ["args", "data", "files", "form", "headers", "json", "origin", "url"]
            assert told["data"] == "abc"
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "BREW"):
            assert (await client.request(method, "/anything/a/b")).json()["method"] == method


async def test_the_bytes_are_those_of_httpbin() -> None:
    """Two blanks, sorted names, ASCII, a newline: clients' tests compare them."""
    async with site() as here, connected(here.port) as client:
        await client.send(b"GET /get?%C3%B6=%F0%9F%8C%8D HTTP/1.0\r\nHost: x\r\nDNT: 1\r\nx-b: 2\r\nX-B: 3\r\n\r\n")
        _, body = await client.response()
    assert body == (
        b'{\n  "args": {\n    "\\u00f6": "\\ud83c\\udf0d"\n  },\n  "headers": {\n    "Dnt": "1",\n    "Host": "x",\n'
        b'    "X-B": "2,3"\n  },\n  "origin": "127.0.0.1",\n  "url": "http://x/get?%C3%B6=%F0%9F%8C%8D"\n}\n'
    )


async def test_forms_and_files_from_curl() -> None:
    async with site() as here:
        form = await here.curl("/post", "-d", "a=1&a=2", "--data-urlencode", "b=ö &")
        assert json.loads(form.out)["form"] == {"a": ["1", "2"], "b": "ö &"}
        mixed = await here.curl("/post", "-F", "a=1", "-F", 'f=page;filename="ä.html";type=text/html', "-F", "a=ü")
        told = json.loads(mixed.out)
        assert (told["form"], told["files"], told["data"]) == ({"a": ["1", "ü"]}, {"f": "page"}, "")
        chunked = await here.curl("/post", "-H", "Transfer-Encoding: chunked", "--json", '{"x": [1, null]}')
        assert json.loads(chunked.out)["json"] == {"x": [1, None]}


async def test_binary_content_is_a_data_url() -> None:
    async with site() as here, here.http() as client:
        assert (await client.post("/post", content=b"\x00\xff")).json()["data"] == (
            "data:application/octet-stream;base64,AP8="
        )
        files = {"f": ("a.png", b"\x89PNG\xff", "image/png")}
        assert (await client.post("/post", files=files)).json()["files"] == {"f": "data:image/png;base64,iVBOR/8="}


async def test_requests_sees_itself() -> None:
    async with site() as here:

        def ask() -> None:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(here.url("/post"), json={"life": 42}, params={"q": "x y"}).json()
                assert (answer["json"], answer["args"]) == ({"life": 42}, {"q": "x y"})
                generated = session.post(here.url("/post"), data=iter([b"ab", b"cd"])).json()
                assert generated["data"] == "abcd"
                agent = session.get(here.url("/user-agent")).json()
                assert agent["user-agent"].startswith("python-requests/")
                assert session.get(here.url("/ip")).json() == {"origin": "127.0.0.1"}

        await asyncio.to_thread(ask)


async def test_what_a_proxy_tells_is_believed() -> None:
    told = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "Via": "1.1 proxy"}
    async with site() as here:
        answer = (await here.get("/get", headers=told)).json()
    assert answer["origin"] == "192.0.2.7"
    assert answer["url"].startswith("https://")
    assert answer["headers"]["Via"] == "1.1 proxy"


async def test_too_much_content_is_refused() -> None:
    async with site(max_body=100) as here, here.http() as client:
        assert (await client.post("/post", content=b"x" * 101)).status_code == 413


def test_json_that_cannot_be_told_again_is_none() -> None:
    assert as_json(b'{"a": 1e5}') == {"a": 1e5}
    for body in (b"[NaN]", b"[1e999]", b"{", b"\xff", b"[" * 100_000, b"[" * 300 + b"]" * 300, b"9" * 5000):
        assert as_json(body) is None
    assert as_json(b"[" * 150 + b"]" * 150) is not None
    assert as_json(b"[" + b"[]," * 1000 + b"[]]") == [[]] * 1001
