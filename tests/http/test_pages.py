"""Refusals and violations as pages: text for whoever takes anything, HTML for browsers, problems for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import RemoteProtocolError
from netlab.http.exchange import Exchange
from netlab.http.pages import refusal_page, violation_page
from tests.http.serving import connected, serving

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ERROR = RemoteProtocolError(
    "two <hosts>", offset=17, rule="host.repeated", section="RFC 9112 3.2", excerpt=b"Host: a\r\nHost: <b>\r\n", caret=9
)


def refuse(exchange: Exchange) -> None:
    exchange.refuse(404, "no <file> is here", [("X-Own", "1")])


async def take_content(exchange: Exchange) -> None:
    exchange.text(200, str(len(await exchange.body(10))))


@pytest.mark.parametrize(
    ("accept", "kind", "part"),
    [
        ("", "text/plain; charset=utf-8", b"404 Not Found\nno <file> is here\n"),
        ("Accept: */*\r\n", "text/plain; charset=utf-8", b"404 Not Found\nno <file> is here\n"),
        ("Accept: image/png\r\n", "text/plain; charset=utf-8", b"404 Not Found"),
        (f"Accept: {CHROME}\r\n", "text/html; charset=utf-8", b"<p>no &lt;file&gt; is here</p>"),
        ("Accept: application/json\r\n", "application/problem+json", b'"detail": "no <file> is here"'),
        ("Accept: application/problem+json\r\n", "application/problem+json", b'"status": 404'),
    ],
)
async def test_a_refusal_comes_as_it_is_wanted(accept: str, kind: str, part: bytes) -> None:
    async with serving(refuse) as (_, port), connected(port) as client:
        await client.send(f"GET /x HTTP/1.1\r\nHost: a\r\n{accept}\r\n".encode())
        head, content = await client.response()
        assert f"Content-Type: {kind}\r\n".encode() in head
        assert b"Vary: Accept\r\n" in head
        assert b"X-Own: 1\r\n" in head
        assert part in content


async def test_a_violation_in_content_comes_as_it_is_wanted() -> None:
    async with serving(take_content) as (_, port), connected(port) as client:
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
        )
        head, content = await client.response()
        problem = json.loads(content)
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert (problem["status"], problem["title"]) == (400, "Bad Request")
        assert problem["excerpt"][problem["caret"] :].startswith("xyz")
        assert problem["rule"].startswith("chunk")
        assert problem["section"].startswith("RFC 9112 7.1")


async def test_too_much_content_comes_as_it_is_wanted() -> None:
    async with serving(take_content) as (_, port), connected(port) as client:
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nContent-Length: 11\r\n\r\nhello world"
        )
        _, content = await client.response()
        assert json.loads(content)["status"] == 413


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nAccept: text/html\r\nHost a\r\n\r\n", 400),
        (b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000, 431),
    ],
)
async def test_a_head_that_cannot_be_read_is_answered_in_text_with_a_caret(request_bytes: bytes, status: int) -> None:
    """What its Accept says is not known."""
    async with serving(refuse) as (_, port), connected(port) as client:
        await client.send(request_bytes)
        head, content = await client.response()
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"text/plain" in head
        lines = content.decode().splitlines()
        assert lines[2].startswith("rule ")
        assert "RFC " in lines[2]
        assert set(lines[-1]) <= {" ", "^"}
        assert len(lines[-1]) <= len(lines[-2]) + 1


def test_pages_of_a_violation() -> None:
    _, text = violation_page(ERROR)
    assert text.decode().splitlines()[-2:] == ["Host: a\\r\\nHost: <b>\\r\\n", "           ^"]
    fields, page = violation_page(ERROR, CHROME)
    assert fields == [("Content-Type", "text/html; charset=utf-8")]
    assert b"<b>" not in page
    assert b"Host: a\\r\\nHost: &lt;b&gt;\\r\\n\n           ^</pre>" in page
    problem = json.loads(violation_page(ERROR, "application/json")[1])
    assert problem == {
        "title": "Bad Request",
        "status": 400,
        "detail": "two <hosts>",
        "rule": "host.repeated",
        "section": "RFC 9112 3.2",
        "offset": 17,
        "excerpt": "Host: a\\r\\nHost: <b>\\r\\n",
        "caret": 11,
    }


@given(st.binary(max_size=40), st.data(), st.sampled_from([None, CHROME, "application/json"]))
def test_any_bytes_can_be_shown(excerpt: bytes, data: Any, accept: str | None) -> None:
    caret = data.draw(st.integers(0, len(excerpt)))
    error = RemoteProtocolError("why", offset=0, rule="r", section="s", excerpt=excerpt, caret=caret)
    violation_page(error, accept)[1].decode()


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_any_reason_can_be_shown(why: str, accept: str | None) -> None:
    fields, body = refusal_page(400, why, accept)
    body.decode()
    assert dict(fields)["Vary"] == "Accept"
