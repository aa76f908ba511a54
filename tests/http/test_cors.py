"""CORS, TRACE, CONNECT and OPTIONS for the whole server, on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.errors import UsageError
from netlab.http.admission import AdmissionSettings, admitting
from netlab.http.rules import Guard, LimitRule
from netlab.service import Context
from tests.http.served import served, user, users_file
from tests.http.serving import connected

PAGE = {"Origin": "http://app.test"}


async def test_answers_are_shared_whoever_answers(tmp_path: Path) -> None:
    async with served(tmp_path, cors=("http://app.test",), root=Path(__file__).parent) as site, site.http() as client:
        for path in ("/hello", "/get", "/served.py", "/nothing", "/status/500"):
            answer = await client.get(path, headers=PAGE)
            assert answer.headers.get_list("access-control-allow-origin") == ["http://app.test"]
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in ", ".join(answer.headers.get_list("vary"))
            other = await client.get(path, headers={"Origin": "http://evil.test"})
            assert "access-control-allow-origin" not in other.headers


async def test_a_preflight_comes_before_authentication_and_limits(tmp_path: Path) -> None:
    users = users_file(tmp_path, user("ada", "a"))
    guards, limits = (Guard.parse("/=basic"),), (LimitRule.parse("1/m"),)
    asked = {**PAGE, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    async with served(tmp_path, cors=("*",), auth=guards, users=users, limit=limits) as site, site.http() as client:
        for _ in range(3):
            answer = await client.options("/get", headers=asked)
            assert answer.status_code == 204
            assert "PUT" in answer.headers["access-control-allow-methods"]
            assert answer.headers["access-control-allow-headers"] == "authorization"
        refused = await client.get("/get", headers=PAGE)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
        limited = await client.get("/get", headers=PAGE)
        assert (limited.status_code, limited.headers["access-control-allow-origin"]) == (429, "*")
        assert "Retry-After" in limited.headers["access-control-expose-headers"]


async def test_options_without_a_preflight_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path, cors=("*",)) as site, site.http() as client:
        answer = await client.options("/hello", headers=PAGE)
        assert "GET" in answer.headers["allow"]
        assert "access-control-allow-methods" not in answer.headers


def test_credentials_do_not_go_with_everyone(tmp_path: Path) -> None:
    settings = AdmissionSettings(cors=("*",), cors_credentials=True)
    with pytest.raises(UsageError, match="cannot go with"):
        admitting(lambda _: None, settings, Context(state=tmp_path))


@pytest.mark.parametrize("path", ["/hello", "/anything", "/get", "/served.py"])
async def test_trace_is_off(tmp_path: Path, path: str) -> None:
    async with served(tmp_path, root=Path(__file__).parent) as site, site.http() as client:
        answer = await client.request("TRACE", path)
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]
        assert "TRACE" not in answer.headers["allow"]


async def test_trace_shows_the_request_without_secrets(tmp_path: Path) -> None:
    async with served(tmp_path, trace=True) as site, connected(site.port) as client:
        await client.send(
            b"TRACE /x?y HTTP/1.1\r\nHost: a\r\nX-Mine:  1\r\nauthorization: Basic c2VjcmV0\r\nCookie: a=secret\r\n"
            b"Proxy-Authorization: Basic c2VjcmV0\r\nX-Mine: 2\r\n\r\n"
        )
        head, content = await client.response()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: message/http\r\n" in head
        assert content == b"TRACE /x?y HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nX-Mine: 2\r\n\r\n"
        await client.send(b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert (await client.until(b"\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_the_server_as_a_whole(tmp_path: Path) -> None:
    async with served(tmp_path) as site, connected(site.port) as client:
        await client.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 204 ")
        assert b"\r\nAllow: GET, HEAD, POST" in head
        await client.send(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
        head, content = await client.response()
        assert head.startswith(b"HTTP/1.1 405 ")
        assert b"this is an origin server" in content
