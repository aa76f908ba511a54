"""Rate limits of a server: whom they count, what they tell, and that they let go of what is over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.http.limits import client_key
from netlab.http.rules import LimitRule
from tests.http.served import served, user, users_file
from tests.http.serving import connected


def rule(text: str) -> LimitRule:
    return LimitRule.parse(text)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("100/s", LimitRule(100, 1.0)),
        ("60/m:user", LimitRule(60, 60.0, "user")),
        ("/api=5/10s:api-key:fixed-window", LimitRule(5, 10.0, "api-key", "fixed-window", 0, "/api")),
        ("10/s:burst=50", LimitRule(10, 1.0, burst=50)),
        ("10/s:burst=50:all:token-bucket", LimitRule(10, 1.0, "all", burst=50)),
        ("20:client:concurrency", LimitRule(20, 0.0, "client", "concurrency")),
        ("/slow=1:all:concurrency", LimitRule(1, 0.0, "all", "concurrency", 0, "/slow")),
    ],
)
def test_rules(text: str, parsed: LimitRule) -> None:
    assert rule(text) == parsed
    assert rule(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5/",
        "0/s",
        "-1/s",
        "5/s:nobody",
        "5/s:concurrency",
        "0:concurrency",
        "5/s:fixed-window:burst=9",
        "5/s:burst=0",
        "/api",
        "/api=",
        "api=5/s",
        "5/s:",
    ],
)
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its words are the setting's
        rule(text)


@given(st.text(max_size=30) | st.text("/=:0123456789smhburst-", max_size=30))
def test_any_text_is_a_rule_or_none(text: str) -> None:
    try:
        parsed = rule(text)
    except ValueError:
        return
    assert rule(str(parsed)) == parsed


async def test_too_many_requests(tmp_path: Path) -> None:
    async with served(tmp_path, limit=(rule("3/10s:fixed-window"),)) as site, site.http() as client:
        site.clock.freeze(1_000_000.0)
        left = []
        for _ in range(3):
            answer = await client.get("/hello")
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"client";q=3;w=10'
            left.append(answer.headers["ratelimit"])
        assert left == ['"client";r=2;t=10', '"client";r=1;t=10', '"client";r=0;t=10']
        site.clock.jump(4)
        refused = await client.get("/hello", headers={"Accept": "application/problem+json"})
        assert refused.status_code == 429
        assert (refused.headers["retry-after"], refused.headers["ratelimit"]) == ("6", '"client";r=0;t=6')
        assert refused.json()["detail"] == "3 requests in 10 s for each client are allowed here"
        assert len(site.notes("limit.refused")) == 1
        site.clock.jump(6)
        assert (await client.get("/hello")).status_code == 200


@pytest.mark.parametrize("algorithm", ["token-bucket", "fixed-window", "sliding-window"])
async def test_whoever_waits_as_told_is_admitted(tmp_path: Path, algorithm: str) -> None:
    async with served(tmp_path, limit=(rule(f"5/3s:{algorithm}"),)) as site, site.http() as client:
        for _ in range(12):
            answer = await client.get("/hello")
            if answer.status_code == 429:
                site.clock.jump(int(answer.headers["retry-after"]))
                answer = await client.get("/hello")
            assert answer.status_code == 200


async def test_a_part_of_the_paths(tmp_path: Path) -> None:
    limits = (rule("/status=1/m"), rule("/status/204=9/m:all"))
    async with served(tmp_path, limit=limits) as site, site.http() as client:
        first = await client.get("/status/204")
        assert first.headers.get_list("ratelimit") == ['"all /status/204";r=8;t=7', '"client /status";r=0;t=60']
        assert (await client.get("/%73tatus/204")).status_code == 429
        assert (await client.get("/hello")).headers.get("ratelimit") is None


async def test_each_user_and_each_key(tmp_path: Path) -> None:
    from netlab.http.rules import Guard

    users = users_file(tmp_path, user("ada", "a"), user("bob", "b"))
    options: dict[str, Any] = {
        "users": users,
        "auth": (Guard.parse("/get=basic"),),
        "limit": (rule("/get=1/m:user"), rule("/hello=1/m:api-key")),
    }
    async with served(tmp_path, **options) as site, site.http() as client:
        statuses = [
            (await client.get("/get", auth=auth)).status_code for auth in [("ada", "a"), ("bob", "b"), ("ada", "a")]
        ]
        assert statuses == [200, 200, 429]
        assert (await client.get("/get", auth=("ada", "x"))).status_code == 401  # not known: not counted
        keys = [{"X-API-Key": key} for key in "aba"] + [{}, {}]
        statuses = [(await client.get("/hello", headers=fields)).status_code for fields in keys]
        assert statuses == [200, 200, 429, 200, 429]


async def test_so_many_at_the_same_time(tmp_path: Path) -> None:
    """What is over is let go, whether it was answered or the client went away."""
    async with served(tmp_path, limit=(rule("/delay=2:concurrency"),)) as site, site.http() as client:
        async with connected(site.port) as first, connected(site.port) as second:
            for waiting in (first, second):
                await waiting.send(b"GET /delay/10 HTTP/1.1\r\nHost: a\r\n\r\n")
            while len(site.notes("request.received")) < 2:
                await asyncio.sleep(0)
            refused = await client.get("/delay/0")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.headers["ratelimit-policy"] == '"client /delay";q=2;qu="concurrent-requests"'
            first.reset()
            while sum(bool(flow.ended) for flow in site.flows()) < 2:
                await asyncio.sleep(0)
            assert (await client.get("/delay/0")).status_code == 200
            assert (await client.get("/delay/0")).status_code == 200
            second.reset()
        while sum(bool(flow.ended) for flow in site.flows()) < 5:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    ],
)
def test_clients(one: str, other: str, same: bool) -> None:
    def key(address: str) -> Any:
        exchange: Any = SimpleNamespace(flow=SimpleNamespace(client=(address, 1)))
        return client_key(exchange)

    assert (key(one) == key(other)) is same


def test_a_unix_socket_has_no_address() -> None:
    exchange: Any = SimpleNamespace(flow=SimpleNamespace(client=""))
    assert client_key(exchange) == ""
