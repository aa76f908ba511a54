"""The balancer steered while it runs: by hand, by command, by other settings; and what it tells of itself."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
from typing import Any

import httpx
import pytest

from netlab.balancing.check_rule import CheckRule
from netlab.balancing.member import Mode
from netlab.config import Address
from netlab.errors import UsageError
from netlab.flow import Outcome
from servers.l4_balancer import Config
from servers.l4_balancer.route import RouteRule
from servers.l4_balancer.target import Target
from tests.http.serving import connected
from tests.netlab_process import Place
from tests.servers.l4_balancer.balanced import (
    LINUX,
    Balanced,
    balancing,
    is_reset,
    named,
    said,
    upstream,
    upstreams,
)
from tests.servers.proxies import when

pytestmark = LINUX


def act(balanced: Balanced, action: str, upstream: str = "", **more: Any) -> list[dict[str, Any]]:
    return balanced.server.steering.act(action, upstream=upstream, **more)


async def answers(balanced: Balanced, count: int) -> list[bytes]:
    return sorted([await said(balanced.port) for _ in range(count)])


async def test_weight_maintenance_ready_add_and_remove() -> None:
    three = upstreams(named("a"), named("b"), named("c"))
    async with three as (a, b, c), balancing(a, b, balance="weighted_round_robin") as balanced:
        act(balanced, "weight", f":{a}", value="3")
        assert await answers(balanced, 4) == [b"a\n", b"a\n", b"a\n", b"b\n"]
        act(balanced, "maintenance", f":{a}")
        assert await answers(balanced, 2) == [b"b\n", b"b\n"]
        act(balanced, "ready", f":{a}")
        act(balanced, "remove", f":{b}")
        act(balanced, "add", f"127.0.0.1:{c}*3")
        assert set(await answers(balanced, 5)) == {b"a\n", b"c\n"}
        with pytest.raises(UsageError, match="'x' has no port"):
            act(balanced, "add", "x")


async def test_a_drain_has_its_time_and_is_then_cut() -> None:
    async with upstreams(named("a"), named("b")) as (a, b), balancing(a, b) as balanced:
        async with connected(balanced.port) as client:
            await client.until(b"\n")
            member = balanced.members[f"127.0.0.1:{a}"]
            act(balanced, "drain", f":{a}", value="30s")
            assert await answers(balanced, 2) == [b"b\n", b"b\n"]
            await client.send(b"still")
            assert await client.exactly(5) == b"STILL"
            balanced.clock.jump(31)
            with pytest.raises(ConnectionResetError):
                await client.all()
        assert balanced.sessions[0].outcome == Outcome.CANCELLED
        assert "had time until now" in balanced.sessions[0].result
        assert (member.mode, member.active, len(member.work)) == (Mode.MAINTENANCE, 0, 0)


async def test_one_that_is_removed_ends_what_it_has() -> None:
    async with upstreams(named("a"), named("b")) as (a, b), balancing(a, b) as balanced:
        async with connected(balanced.port) as client:
            await client.until(b"\n")
            (pool,) = act(balanced, "remove", f":{a}")
            assert pool["leaving"] == [{"upstream": f"127.0.0.1:{a}", "active": 1}]
            await client.send(b"x")
            assert await client.exactly(1) == b"X"
            client.end()
            assert await client.all() == b""
        await when(lambda: act(balanced, "list")[0]["leaving"] == [])


async def test_checks_keep_clients_away_from_what_is_down() -> None:
    check = CheckRule.parse("tcp")
    async with upstream(named("b")) as b:
        options: dict[str, Any] = {"check": check, "check_interval": 0.02, "rise": 1, "fall": 1}
        async with balancing(1, b, **options) as balanced:
            await when(lambda: all(member.checked for member in balanced.members.values()))
            assert await answers(balanced, 3) == [b"b\n"] * 3
            assert not any("after" in flow.label for flow in balanced.sessions)
            (told,) = [flow for flow in balanced.flows if flow.kind == "health"]
            assert told.label.startswith("127.0.0.1:1 is down: nothing listens")


async def test_other_settings_while_connections_are_open() -> None:
    async with upstreams(named("a"), named("b"), named("c")) as (a, b, c), balancing(a, b) as balanced:
        server, config = balanced.server, balanced.server.config
        async with connected(balanced.port) as client:
            await client.until(b"\n")
            first = balanced.members[f"127.0.0.1:{a}"]
            to = tuple(map(Target.parse, (f":{a}", f":{c}*2")))
            new = dataclasses.replace(config, to=to, balance="weighted_round_robin", send_proxy_protocol="v1")
            assert server.reload(new)
            assert not server.reload(new)
            assert balanced.members[f"127.0.0.1:{a}"] is first
            assert [found.splitlines()[0] for found in await answers(balanced, 3)] == [b"a", b"c", b"c"]
            await client.send(b"x")
            assert await client.exactly(1) == b"X"
            act(balanced, "weight", f":{c}", value="0")
            rule = RouteRule.parse(f"sni=a.test to=:{b}")
            assert server.reload(dataclasses.replace(new, to=(Target.parse(f":{a}*5"),), route=(rule,)))
            assert (first.full_weight, first.active) == (5.0, 1)
            assert list(server.pools.pools) == ["default", f"127.0.0.1:{b}"]
        for change in ({"listen": Address("127.0.0.1", 1)}, {"tls": True}, {"protocol": "udp"}):
            with pytest.raises(UsageError, match="cannot change while it runs"):
                server.reload(dataclasses.replace(config, **change))


async def test_what_it_tells_of_itself() -> None:
    async with upstream(named("a")) as port, balancing(port) as balanced:
        await said(balanced.port)
        await balanced.ended()
        url = f"http://127.0.0.1:{balanced.endpoints[-1].port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            (pool,) = (await client.get("/api/pools")).json()
            assert (pool["service"], pool["pool"], pool["upstreams"][0]["total"]) == ("l4-balancer", "default", 1)
            assert f"127.0.0.1:{port}" in (await client.get("/")).text
            assert f'upstream="127.0.0.1:{port}"' in (await client.get("/metrics")).text


def test_settings_meant_for_others_are_refused() -> None:
    with pytest.raises(UsageError):
        Config(to=(Target.parse(":1"),), status_listen=Address("0.0.0.0", 1))


# -- as a process ----------------------------------------------------------------------------------------------------


def test_the_command_and_a_reload(here: Place) -> None:
    """Settings from a file, steered by command, read anew on SIGHUP, and a connection that sees nothing of it."""
    asyncio.run(commanded(here))


async def commanded(here: Place) -> None:
    file = here.folder / "lab.toml"
    async with upstreams(named("a"), named("b")) as (a, b):
        file.write_text(f'[l4-balancer]\nlisten = "127.0.0.1:0"\nto = ["127.0.0.1:{a}"]\n')
        with here.start("serve", "l4-balancer", "-q", "--config", str(file)) as process:
            await asyncio.to_thread(process.wait_until_ready)
            port = process.port
            async with connected(port) as client:
                assert await client.until(b"\n") == b"a\n"
                done = await asyncio.to_thread(here.run, "balancer", "maintenance", f":{a}")
                assert done.returncode == 0, done.stderr
                assert "l4-balancer  default" in done.stdout
                assert await is_reset(port)
                file.write_text(f'[l4-balancer]\nlisten = "127.0.0.1:0"\nto = ["127.0.0.1:{b}"]\n')
                process.popen.send_signal(signal.SIGHUP)
                listed = json.loads((await asyncio.to_thread(here.run, "balancer", "--json")).stdout)
                while listed[0]["upstreams"][0]["upstream"] != f"127.0.0.1:{b}":
                    listed = json.loads((await asyncio.to_thread(here.run, "balancer", "--json")).stdout)
                assert await said(port) == b"b\n"
                await client.send(b"x")
                assert await client.exactly(1) == b"X"
