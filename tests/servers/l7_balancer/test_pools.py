"""Pools: who gets requests by which balancer, routes to pools, backups, one address twice, and the decision told."""

from __future__ import annotations

from collections import Counter

import pytest

from netlab.balancing.member import Mode
from netlab.balancing.settings import Picking
from netlab.config import settings as settings_of
from netlab.errors import UsageError
from netlab.flow import Level
from netlab.policy.balance import BALANCERS
from servers.l7_balancer.pool_rule import PoolRule
from tests.http.upstreams import Called, dying, named, scripted
from tests.servers.l7_balancer.balanced import answered, balanced, members, origins, settings, who


def test_every_balancer_can_be_asked_for() -> None:
    setting = next(setting for setting in settings_of(Picking) if setting.name == "balance")
    assert setting.kind.choices == tuple(BALANCERS)


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        ("round_robin", {"a": 5, "b": 5}),
        ("weighted_round_robin", {"a": 8, "b": 2}),
        ("first", {"a": 10}),
        ("source_hash", 1),
        ("least_connections", {"a": 5, "b": 5}),
    ],
)
async def test_balancers(balance: str, expected: dict[str, int] | int) -> None:
    async with origins("a", "b") as (a, b):
        weighted = f"127.0.0.1:{a.port}*4" if balance == "weighted_round_robin" else a.port
        async with balanced(weighted, b.port, balance=balance) as proxy:
            found = await answered(proxy, 10)
            assert found == expected if isinstance(expected, dict) else len(found) == expected


@pytest.mark.parametrize("balance", ["ring_hash", "maglev"])
async def test_hashing_keeps_a_key_at_its_upstream(balance: str) -> None:
    options = {"balance": balance, "hash_on": "header:X-User"}
    async with origins("a", "b", "c") as up, balanced(*(one.port for one in up), **options) as proxy:
        for user in range(8):
            assert len(await answered(proxy, 3, fields=f"X-User: {user}\r\n")) == 1
        found = await answered(proxy, 6)  # no key: by turns
        assert set(found.values()) == {2}
        told = [note for note in proxy.notes("upstream.picked") if note.get("key")]
        assert len(told) == 24
        assert all(min(note["scores"], key=note["scores"].get) == note["upstream"] for note in told)


async def test_requests_under_way_count() -> None:
    """While one upstream is busy, the other has all that comes."""
    async with origins("quick") as (quick,), scripted(named("slow")) as slow:

        async def held(called: Called) -> None:
            await called.head()
            await called.reader.read(-1)

        slow.script = held
        async with balanced(slow.port, quick.port, balance="least_connections") as proxy:
            asking = proxy.server.tasks.start(proxy.get("/held"), "held")
            await proxy.until(
                lambda: any(note["upstream"].endswith(str(slow.port)) for note in proxy.notes("upstream.picked"))
            )
            assert await answered(proxy, 5) == {"quick": 5}
            asking.cancel()


async def test_routes_lead_to_pools() -> None:
    async with origins("web", "api", "beta", "own") as up:
        web, api, beta, own = (one.port for one in up)
        async with balanced(
            web,
            pools=(f"api to=:{api} balance=first", f"beta to=:{beta}"),
            routes=(
                "cookie=beta:1 pool=beta",
                "field=X-Beta pool=beta",
                "path=/v1 pool=api strip=/v1",
                f"path=/own to=:{own}",
            ),
        ) as proxy:
            assert who(await proxy.get("/")) == "web"
            assert who(await proxy.get("/", fields="Cookie: a=2; beta=1\r\n")) == "beta"
            assert who(await proxy.get("/v1/x", fields="X-Beta: yes\r\n")) == "beta"
            answer = await proxy.get("/v1/x")
            assert (who(answer), b"GET /x HTTP/1.1" in answer) == ("api", True)
            assert who(await proxy.get("/own/x")) == "own"


async def test_a_canary_gets_its_share() -> None:
    async with origins("stable", "canary") as (stable, canary):
        routes = ("share=20% pool=canary",)
        async with balanced(stable.port, pools=(f"canary to=:{canary.port}",), routes=routes) as proxy:
            found = await answered(proxy, 60)
            assert 3 <= found["canary"] <= 24
        routes = ("share=50%:header:X-User pool=canary",)
        async with balanced(stable.port, pools=(f"canary to=:{canary.port}",), routes=routes) as proxy:
            sides = [set(await answered(proxy, 2, fields=f"X-User: {user}\r\n")) for user in range(20)]
            assert all(len(side) == 1 for side in sides)  # the same user is always on the same side
            assert len(set.union(*sides)) == 2


async def test_backups_work_when_nobody_else_can() -> None:
    async with origins("main", "spare") as (main, spare), balanced(main.port, backup=(spare.port,)) as proxy:
        assert await answered(proxy, 4) == {"main": 4}
        members(proxy)[0].set_mode(Mode.MAINTENANCE, proxy.clock.now())
        assert await answered(proxy, 4) == {"spare": 4}


async def test_the_same_address_twice_is_two_upstreams() -> None:
    async with origins("a") as (a,), balanced(a.port, a.port) as proxy:
        assert await answered(proxy, 4) == {"a": 4}
        names = [member.name for member in members(proxy)]
        assert names == [f"127.0.0.1:{a.port}", f"127.0.0.1:{a.port} 2"]
        assert Counter(note["upstream"] for note in proxy.notes("upstream.picked")) == dict.fromkeys(names, 2)


async def test_a_decision_says_who_was_compared_who_was_not_and_why() -> None:
    async with origins("a", "b", "c") as up, balanced(*(o.port for o in up), balance="least_connections") as proxy:
        members(proxy)[1].set_weight(0)
        await proxy.get()
        (told,) = proxy.notes("upstream.picked")
        a, b, c = (f"127.0.0.1:{one.port}" for one in up)
        assert told == {
            "upstream": a,
            "balance": "least_connections",
            "rule": "(active + 1) / weight; the least wins, the even have their turns",
            "scores": {a: 1.0, c: 1.0},
            "excluded": {b: "its weight is 0"},
            "among": 2,
            "active": 0,
        }


async def test_every_request_says_in_short_why_its_upstream_was_picked() -> None:
    """At level summary, too: from whom, after whom, and that nobody else was left."""
    async with origins("a") as (a,), scripted(dying) as dead, balanced(dead.port, a.port, level=Level.SUMMARY) as proxy:
        dead_one, one = (f"127.0.0.1:{up.port}" for up in (dead, a))
        assert await answered(proxy, 2) == {"a": 2}
        members(proxy)[0].set_mode(Mode.MAINTENANCE, proxy.clock.now())
        assert await answered(proxy, 1) == {"a": 1}
        assert [flow.details for flow in proxy.requests()] == [
            {"upstream": one, "picked": f"round_robin of 2, after {dead_one}"},
            {"upstream": one, "picked": "round_robin of 2"},
            {"upstream": one, "picked": "the only one of 2 that takes work"},
        ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "needs a name first"),
        ("api", "needs to=URL"),
        ("api to=:1 x", "'x', which is not KEY=VALUE"),
        ("api to=:1 balanse=maglev", "has 'balanse', which no pool has; did you mean balance?"),
        ("api to=:1 balance=best", "has balance= 'best' is not one of round_robin"),
        ("api to=:1*x", "has the weight 'x'"),
        ("api to=:1 check=http:/h,status=9", "has status=9, which is not such as 200"),
        ("api to=:1 check=pop3", "is not tcp, tls, http:/path"),
    ],
)
def test_pools_that_cannot_be(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        PoolRule.parse(text)


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="l7-balancer needs --to URL"):
        settings()
    with pytest.raises(UsageError, match="pool=apy, which there is not; did you mean api"):
        settings(1, pools=("api to=:1",), routes=("path=/ pool=apy",))
    with pytest.raises(UsageError, match="two pools called api"):
        settings(1, pools=("api to=:1", "api to=:2"))
    with pytest.raises(UsageError, match="route path=/x needs --to URL"):
        settings(pools=("api to=:1",), routes=("path=/x",))
