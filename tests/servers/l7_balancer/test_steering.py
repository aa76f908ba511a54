"""Steering while it runs: by command, by API, by hand; drains with a deadline; pages, JSON and Prometheus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from netlab.balancing.member import Mode
from netlab.errors import UsageError
from netlab.flow import Level
from netlab.http.connection import HttpConnection
from netlab.http.repeated_call import RepeatedCall
from tests.http.serving import connected
from tests.http.upstreams import OK, Called, saying, scripted
from tests.netlab_process import Place
from tests.servers.l7_balancer.balanced import Balanced, answered, balanced, members, origins, who
from tests.servers.proxies import when


@asynccontextmanager
async def admin(proxy: Balanced) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{proxy.ports[-1]}", trust_env=False) as client:
        yield client


def act(proxy: Balanced, action: str, upstream: str = "", **more: Any) -> list[dict[str, Any]]:
    return proxy.server.steering.act(action, upstream=upstream, **more)


async def test_weight_drain_maintenance_ready_add_and_remove() -> None:
    async with origins("a", "b", "c") as (a, b, c), balanced(a.port, b.port, balance="weighted_round_robin") as proxy:
        act(proxy, "weight", f":{a.port}", value="3")
        assert await answered(proxy, 8) == {"a": 6, "b": 2}
        act(proxy, "drain", f"127.0.0.1:{a.port}")
        assert await answered(proxy, 3) == {"b": 3}
        act(proxy, "ready", f"http://127.0.0.1:{a.port}")
        act(proxy, "maintenance", f":{b.port}")
        assert await answered(proxy, 3) == {"a": 3}
        act(proxy, "add", f"127.0.0.1:{c.port}*3")
        assert await answered(proxy, 6) == {"a": 3, "c": 3}
        (pool,) = act(proxy, "remove", f":{a.port}")
        assert [member["upstream"] for member in pool["upstreams"]] == [f"127.0.0.1:{b.port}", f"127.0.0.1:{c.port}"]
        assert await answered(proxy, 3) == {"c": 3}


async def test_an_address_given_twice_is_steered_as_both() -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port) as proxy:
        act(proxy, "add", f":{b.port}")
        act(proxy, "drain", f":{b.port}")
        assert await answered(proxy, 4) == {"a": 4}
        act(proxy, "ready", f"127.0.0.1:{b.port} 2")
        assert (await answered(proxy, 4))["b"] == 2
        (pool,) = act(proxy, "remove", f":{b.port}")
        assert [member["upstream"] for member in pool["upstreams"]] == [f"127.0.0.1:{a.port}"]


async def test_what_cannot_be_done_is_said_in_a_sentence() -> None:
    async with origins("a") as (a,), balanced(a.port, pools=(f"api to=:{a.port}",)) as proxy:
        for asked, reason in [
            (("weight", f":{a.port}", {"value": "much"}), "'much' is no weight"),
            (("drain", f":{a.port}", {"value": "soon"}), "'soon' is not a duration"),
            (("ready", "127.0.0.1:1", {}), "there is no upstream '127.0.0.1:1'"),
            (("ready", f":{a.port}", {"pool": "apy"}), "there is no pool 'apy'; did you mean api"),
            (("add", ":1", {}), "say which pool with --pool: default, api"),
            (("add", "x y", {"pool": "api"}), "'x y' is no upstream"),
            (("boost", "", {}), "'boost' is not one of list, weight"),
        ]:
            with pytest.raises(UsageError, match=reason):
                act(proxy, asked[0], asked[1], **asked[2])  # type: ignore[arg-type]  # as the table says


async def streaming(called: Called) -> None:
    """An answer that does not end."""
    await called.head()
    await called.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
    await called.reader.read(-1)


async def test_a_drain_lets_what_is_under_way_go_on_until_its_deadline() -> None:
    async with scripted(streaming) as up, balanced(up.port) as proxy:
        async with connected(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.until(b"data: 1\n\n")
            (member,) = members(proxy)
            act(proxy, "drain", member.name, value="30s")
            assert who(await proxy.get()) == "503"
            assert member.active == 1
            proxy.clock.jump(30)
            proxy.server.pools.tidy()
            assert member.mode is Mode.MAINTENANCE
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.until(b"never")  # cut, for a part must not pass for the whole
        await proxy.until(lambda: not member.active)


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_a_drain_ends_a_request_that_was_repeated_too(level: Level) -> None:
    """It is not taken for one on a connection kept too long, and asked again."""
    ended: list[bytes] = []

    async def tiring(called: Called) -> None:
        await saying(OK, OK, OK, OK)(called)
        await called.head()
        ended.append(await called.reader.read(-1))

    async with (
        scripted(tiring) as up,
        balanced(up.port, level=level) as proxy,
        connected(proxy.port) as client,
    ):
        for _ in range(4):
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.until(b"ok")
        (member,), (connection,) = members(proxy), proxy.server.gate.connections
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await when(lambda: member.active == 1)
        assert isinstance(connection, HttpConnection)
        assert connection.exchange is not None
        assert isinstance(connection.exchange.sink, RepeatedCall) is (level is Level.SUMMARY)
        act(proxy, "drain", member.name, value="30s")
        proxy.clock.jump(30)
        proxy.server.pools.tidy()
        await when(lambda: ended == [b""])
        await when(lambda: not member.active)
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 50")
        assert len(up.calls) == 1


async def test_a_removed_upstream_ends_what_it_has() -> None:
    async with scripted(streaming) as up, origins("b") as (b,), balanced(up.port, b.port) as proxy:
        async with connected(proxy.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.until(b"data: 1\n\n")
            (pool,) = act(proxy, "remove", f":{up.port}")
            assert pool["leaving"] == [{"upstream": f"127.0.0.1:{up.port}", "active": 1}]
            await up.calls[0].say(b"data: 2\n\n")
            await client.until(b"data: 2\n\n")
            client.reset()
        await proxy.until(lambda: all(flow.ended for flow in proxy.requests()))
        proxy.server.pools.tidy()
        assert act(proxy, "list")[0]["leaving"] == []


async def test_a_pool_that_has_lost_all_its_upstreams_says_so() -> None:
    async with origins("a") as (a,), balanced(a.port) as proxy:
        act(proxy, "remove", f":{a.port}")
        assert b"no upstream takes requests now: pool default has none" in await proxy.get()
        act(proxy, "add", f"127.0.0.1:{a.port}")
        assert await answered(proxy, 1) == {"a": 1}


async def test_weights_that_nobody_asks_for_are_told_of() -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port) as proxy, admin(proxy) as client:
        assert (await client.get("/api/pools")).json()[0]["notes"] == []
        act(proxy, "weight", f":{b.port}", value="0")
        assert (await client.get("/api/pools")).json()[0]["notes"] == []  # that is heeded
        act(proxy, "weight", f":{b.port}", value="3")
        (note,) = (await client.get("/api/pools")).json()[0]["notes"]
        assert note == "weights are not asked by round_robin; weighted_round_robin goes by them"
        assert note in (await client.get("/")).text


async def test_the_page_and_the_api() -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port, balance="maglev") as proxy, admin(proxy) as client:
        await answered(proxy, 3)
        page = await client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f"127.0.0.1:{a.port}" in page.text
        assert "keys that move if one leaves" in page.text
        (pool,) = (await client.get("/api/pools")).json()
        assert (pool["pool"], pool["balance"], pool["available"]) == ("default", "maglev", 2)
        assert pool["keys_moved"].keys() == {"leaves", "joins"}
        for shares in pool["keys_moved"].values():
            assert shares["maglev"] < shares["hash % n"] + 0.2
        assert sum(member["total"] for member in pool["upstreams"]) == 3
        assert all(member["state"] == "up" for member in pool["upstreams"])
        answer = await client.post("/api/drain", json={"upstream": f"127.0.0.1:{a.port}", "value": "5s"})
        assert answer.json()[0]["upstreams"][0]["state"] == "draining"
        assert await answered(proxy, 3) == {"b": 3}


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status"),
    [
        ("POST", "/api/drain", {"origin": "http://evil.example"}, b"{}", 403),
        ("POST", "/api/drain", {"host": "evil.example"}, b"{}", 421),
        ("POST", "/api/drain", {"content-type": "text/plain"}, b"{}", 415),
        ("POST", "/api/drain", {}, b"[]", 400),
        ("POST", "/api/drain", {}, b'{"upstream": 1}', 400),
        ("POST", "/api/drain", {}, b'{"upstream": "127.0.0.1:1"}', 400),
        ("GET", "/api/drain", {}, b"", 405),
        ("POST", "/", {}, b"", 405),
        ("POST", "/api/pools", {}, b"{}", 405),
        ("POST", "/api/drian", {}, b"{}", 404),
        ("GET", "/api/", {}, b"", 404),
        ("GET", "/other", {}, b"", 404),
    ],
)
async def test_what_the_api_refuses(
    method: str, path: str, headers: dict[str, str], content: bytes, status: int
) -> None:
    async with origins("a") as (a,), balanced(a.port) as proxy, admin(proxy) as client:
        sent = {"content-type": "application/json", **headers}
        answer = await client.request(method, path, headers=sent, content=content)
        assert answer.status_code == status, answer.text
        assert members(proxy)[0].mode is Mode.READY


async def test_prometheus_reads_the_metrics() -> None:
    async with origins("a", "b") as (a, b), balanced(a.port, b.port) as proxy, admin(proxy) as client:
        await answered(proxy, 5)
        act(proxy, "maintenance", f":{b.port}")
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        samples = {
            (sample.name, sample.labels.get("upstream", ""), sample.labels.get("le", "")): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        first, other = f"127.0.0.1:{a.port}", f"127.0.0.1:{b.port}"
        upstream = "netlab_balancer_upstream"
        assert samples[f"{upstream}_requests_total", first, ""] == 3
        assert samples[f"{upstream}_up", first, ""] == 1
        assert samples[f"{upstream}_up", other, ""] == 0
        assert samples[f"{upstream}_response_seconds_bucket", first, "+Inf"] == 3
        assert samples[f"{upstream}_response_seconds_count", other, ""] == 2
        assert samples["netlab_balancer_pool_live", "", ""] == 0
        assert samples["netlab_balancer_pool_queue_timeouts_total", "", ""] == 0


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_command_steers_all_workers(here: Place, workers: str) -> None:
    flags = ("--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--to", "127.0.0.1:2*2", "-q", "--workers", workers)
    with here.start("serve", "l7-balancer", *flags) as process:
        process.wait_until_ready()
        shown = here.call("balancer")
        assert shown.returncode == 0, shown.stderr
        assert "2 of 2 take work" in shown.stdout
        assert here.call("balancer", "drain", "127.0.0.1:1", "5s").returncode == 0
        (pool,) = json.loads(here.call("balancer", "--json").stdout)
        assert [member["state"] for member in pool["upstreams"]] == ["draining", "up"]
        refused = here.call("balancer", "weight", "127.0.0.1:9", "1")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "there is no upstream '127.0.0.1:9'" in refused.stderr
        assert process.end()[0] == 0
    assert here.call("balancer", "drain").returncode == 2
