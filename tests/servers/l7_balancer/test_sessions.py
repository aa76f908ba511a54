"""Sticky sessions by a cookie of ours and by what clients show: kept, moved or refused when their upstream is out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netlab.balancing.member import Mode
from netlab.policy.sticky import cookie
from tests.servers.l7_balancer.balanced import answered, balanced, members, origins, who


def cookie_of(answer: bytes) -> str:
    """What a browser would send back."""
    found = re.search(rb"\r\nSet-Cookie: ([^;\r\n]+)(; [^\r\n]*)\r\n", answer)
    assert found is not None, answer
    assert found[2] == b"; Path=/; HttpOnly; SameSite=Lax"
    return found[1].decode()


async def test_a_client_stays_where_it_was_first(tmp_path: Path) -> None:
    async with origins("a", "b", "c") as up, balanced(*(o.port for o in up), sticky="cookie", state=tmp_path) as proxy:
        for _ in range(3):
            first = await proxy.get()
            shown = cookie_of(first)
            assert "127.0.0.1" not in shown
            for _ in range(3):
                again = await proxy.get(fields=f"Cookie: other=1; {shown}\r\n")
                assert who(again) == who(first)
                assert b"Set-Cookie" not in again
        assert proxy.notes("upstream.picked")[-1]["rule"] == "the session is its, by cookie netlab_upstream"


async def test_a_session_outlives_a_restart_and_is_the_pools_own(tmp_path: Path) -> None:
    async with origins("a", "b") as (a, b):
        async with balanced(a.port, b.port, sticky="cookie:SRV", state=tmp_path) as proxy:
            first = await proxy.get()
            shown = cookie_of(first)
        async with balanced(b.port, a.port, sticky="cookie:SRV", state=tmp_path) as proxy:
            found = await answered(proxy, 4, fields=f"Cookie: {shown}\r\n")
            assert found == {who(first): 4}


@pytest.mark.parametrize("made_up", ["x", "", "127.0.0.1:1", "A" * 22, '"'])
async def test_a_cookie_made_up_leads_nowhere(made_up: str, tmp_path: Path) -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port, sticky="cookie", state=tmp_path) as proxy:
        answer = await proxy.get(fields=f"Cookie: netlab_upstream={made_up}\r\n")
        assert cookie(cookie_of(answer), "netlab_upstream") != made_up


async def test_draining_keeps_sessions_and_takes_no_new_ones(tmp_path: Path) -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port, sticky="cookie", state=tmp_path) as proxy:
        first = await proxy.get()
        member = members(proxy)[0 if who(first) == "a" else 1]
        member.set_mode(Mode.DRAIN, proxy.clock.now())
        other = "b" if who(first) == "a" else "a"
        assert await answered(proxy, 4) == {other: 4}
        assert await answered(proxy, 4, fields=f"Cookie: {cookie_of(first)}\r\n") == {who(first): 4}
        assert proxy.requests()[-1].details == {
            "upstream": member.name,
            "picked": "the session is its, by cookie netlab_upstream",
        }
        member.set_mode(Mode.MAINTENANCE, proxy.clock.now())
        moved = await proxy.get(fields=f"Cookie: {cookie_of(first)}\r\n")
        assert who(moved) == other
        assert cookie_of(moved) != cookie_of(first)
        why = f"the only one of 2 that takes work, for {member.name}, whose session it is, takes nothing"
        assert (proxy.requests()[-1].details or {})["picked"] == why


async def test_a_faithful_session_is_refused_rather_than_moved(tmp_path: Path) -> None:
    options = {"sticky": "cookie", "sticky_failover": "refuse", "state": tmp_path}
    async with origins("a", "b") as (a, b), balanced(a.port, b.port, **options) as proxy:
        first = await proxy.get()
        members(proxy)[0 if who(first) == "a" else 1].set_mode(Mode.MAINTENANCE, proxy.clock.now())
        assert who(await proxy.get(fields=f"Cookie: {cookie_of(first)}\r\n")) == "503"
        assert len(await answered(proxy, 4)) == 1


@pytest.mark.parametrize("failover", ["another", "refuse"])
async def test_an_upstream_that_dies_in_a_session(failover: str, tmp_path: Path) -> None:
    options = {"sticky": "header:X-Session", "sticky_failover": failover}
    async with origins("a", "b") as (a, b), balanced(a.port, b.port, balance="first", **options) as proxy:
        fields = "X-Session: 1\r\n"
        assert await answered(proxy, 2, fields=fields) == {"a": 2}

        async def reset(called: object) -> None:
            called.reset()  # type: ignore[attr-defined]  # a Called

        a.script = reset
        for called in a.calls:
            called.reset()
        found = await answered(proxy, 2, fields=fields)
        assert found == ({"b": 2} if failover == "another" else {"502": 2})


async def test_a_session_known_by_what_the_client_shows_is_forgotten_in_time() -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port, sticky="source", sticky_lasts=60) as proxy:
        assert len(await answered(proxy, 6)) == 1
        proxy.clock.jump(61)
        assert len(await answered(proxy, 1)) == 1
