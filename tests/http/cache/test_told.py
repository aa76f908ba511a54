"""What is told of a cache's decisions: Cache-Status to whoever reads the answer, events and details on the flow."""

from __future__ import annotations

import ipaddress
import re

import pytest

from netlab.flow import Level
from tests.http.cache.playing import Play, Turn, play, staged

LASTING = "Cache-Control: max-age=60"
STALE = 'Cache-Control: max-age=2\nETag: "a"'
NETWORKS = (ipaddress.ip_network("127.0.0.0/8"),)
ELSEWHERE = (ipaddress.ip_network("10.0.0.0/8"),)
STATUSES: dict[str, tuple[Play, tuple[str, ...]]] = {
    "stored-and-hit": (
        play("stored-and-hit", Turn(answer=LASTING, wait=5), Turn(expect="hit")),
        ("fwd=uri-miss; ttl=60; stored", "hit; ttl=55"),
    ),
    "not-stored": (play("not-stored", Turn(answer="Cache-Control: private")), ("fwd=uri-miss",)),
    "vary": (
        play("vary", Turn(ask="Foo: 1", answer=f"{LASTING}\nVary: Foo"), Turn(ask="Foo: 2", answer=LASTING)),
        ("fwd=uri-miss; ttl=60; stored", "fwd=vary-miss; ttl=60; stored"),
    ),
    "validated": (
        play("validated", Turn(answer=STALE, wait=3), Turn(expect="validated")),
        ("fwd=uri-miss; ttl=2; stored", "fwd=stale; fwd-status=304; ttl=2; stored"),
    ),
    "asked-to": (
        play("asked-to", Turn(answer=f'{LASTING}\nETag: "a"'), Turn(ask="Cache-Control: no-cache", expect="validated")),
        ("fwd=uri-miss; ttl=60; stored", "fwd=request; fwd-status=304; ttl=60; stored"),
    ),
    "method": (play("method", Turn(method="PUT")), ("fwd=method",)),
    "bypass": (play("bypass", Turn(ask='If-Match: "a"')), ("fwd=bypass",)),
    "only-if-cached": (
        play("only-if-cached", Turn(ask="Cache-Control: only-if-cached", expect="hit", gives=504)),
        ("detail=only-if-cached",),
    ),
    "stood-in": (
        play(
            "stood-in", Turn(answer="Cache-Control: max-age=2, stale-if-error=9", wait=3), Turn(status=503, gives=200)
        ),
        ("fwd=uri-miss; ttl=2; stored", "fwd=stale; fwd-status=503; ttl=-1"),
    ),
    "partial": (
        play(
            "partial",
            Turn(
                ask="Range: bytes=0-1",
                answer=f'{LASTING}\nETag: "a"\nContent-Range: bytes 0-1/4',
                status=206,
                body="ab",
            ),
            Turn(answer=f'{LASTING}\nETag: "a"\nContent-Range: bytes 2-3/4', status=206, body="cd", gives=200),
        ),
        ("fwd=uri-miss; ttl=60; stored", "fwd=partial; fwd-status=206; stored"),
    ),
}


@pytest.mark.parametrize("name", STATUSES)
async def test_cache_status(name: str) -> None:
    one, wanted = STATUSES[name]
    async with staged((one,)) as stage:
        told = []
        for number, turn in enumerate(one.turns):
            assert await stage.turn(one, number, turn) == []
            told.append(str(stage.answers[one.name, number].get("cache-status")).partition("; ")[2])
            stage.proxy.clock.jump(turn.wait)
        assert tuple(told) == wanted


async def test_caches_before_us_stand_before_us() -> None:
    one = play("chain", Turn(answer=f"{LASTING}\nCache-Status: near-origin; fwd=uri-miss"), Turn(expect="hit"))
    async with staged((one,)) as stage:
        assert await stage.perform(one) == []
        for number in (0, 1):
            status = str(stage.answers["chain", number].get("cache-status"))
            assert re.fullmatch(r"near-origin; fwd=uri-miss, netlab-[0-9a-f]+; .*", status)


async def test_every_verdict_is_on_the_flow() -> None:
    one = play(
        "story",
        Turn(answer=STALE, wait=1),
        Turn(expect="hit", wait=2),
        Turn(expect="validated"),
        Turn(method="POST"),
        Turn(answer="Cache-Control: no-store"),
    )
    async with staged((one,)) as stage:
        assert await stage.perform(one) == []
        names = [event.name for flow in stage.proxy.requests() for event in flow.events or ()]
        assert [name for name in names if name.startswith(("cache.", "response.stored", "response.passed"))] == [
            "cache.consulted",
            "response.stored",
            "cache.consulted",
            "cache.consulted",
            "cache.consulted",
            "cache.invalidated",
            "response.passed",
            "cache.consulted",
            "response.passed",
        ]
        stored, hit, stale = stage.proxy.notes("response.stored")[0], *stage.proxy.notes("cache.consulted")[1:3]
        assert stored == {
            "rule": "fresh",
            "uri": "http://shop.test/story",
            "reason": "fresh for 2 s by max-age=2",
            "section": "RFC 9111 5.2.2.1",
            "directive": "max-age=2",
        }
        assert (hit["verdict"], hit["section"]) == ("hit", "RFC 9111 4.2")
        assert hit["reason"] == "age 1 s = 0 on arrival + 1 here; lifetime 2 s by max-age=2"
        assert stale["reason"] == "stale for 1 s: age 3 s = 0 on arrival + 3 here; lifetime 2 s by max-age=2"
        assert stage.proxy.notes("response.validated")[0]["section"] == "RFC 9111 4.3.4"
        assert stage.proxy.notes("cache.invalidated")[0]["uris"] == ["http://shop.test/story"]
        assert stage.proxy.notes("response.passed")[-1]["section"] == "RFC 9111 5.2.2.5"


async def test_at_summary_the_word_is_kept() -> None:
    one = play("brief", Turn(answer=LASTING), Turn(expect="hit"))
    async with staged((one,), level=Level.SUMMARY) as stage:
        assert await stage.perform(one) == []
        told = [flow.details or {} for flow in stage.proxy.requests()]
        assert [details["cache"] for details in told] == ["uri-miss", "hit"]
        assert ["picked" in details for details in told] == [True, False]  # a hit was nobody's


async def test_purge_by_method() -> None:
    one = play("purged", Turn(answer=LASTING, at="/a"), Turn(answer=LASTING, at="/b"))
    async with staged((one,), cache_purge=NETWORKS) as stage:
        assert await stage.perform(one) == []
        host = "Host: shop.test\r\n\r\n"
        assert b" 200 OK" in await stage.proxy.ask(f"PURGE /purged/a HTTP/1.1\r\n{host}".encode())
        assert b" 404 Not Found" in await stage.proxy.ask(f"PURGE /purged/a HTTP/1.1\r\n{host}".encode())
        assert b"1 stored response thrown out" in await stage.proxy.ask(f"PURGE /purged* HTTP/1.1\r\n{host}".encode())


async def test_purge_is_not_for_everyone() -> None:
    one = play("kept", Turn(answer=LASTING), Turn(expect="hit"))
    async with staged((one,), cache_purge=ELSEWHERE) as stage:
        assert await stage.turn(one, 0, one.turns[0]) == []
        assert b" 403 Forbidden" in await stage.proxy.ask(b"PURGE /kept HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        assert await stage.turn(one, 1, one.turns[1]) == []


async def test_a_route_without_cache() -> None:
    one = play("left-out", Turn(answer=LASTING, at="/a"), Turn(answer=LASTING, at="/a"))
    async with staged((one,), routes=("path=/left-out no-cache",)) as stage:
        assert await stage.perform(one) == []
        assert [stage.answers["left-out", number].get("cache-status") for number in (0, 1)] == [None, None]
