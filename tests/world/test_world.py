"""The lab's small Internet as a whole: names, certificates, proxies and origins, seen by programs nobody here wrote."""

from __future__ import annotations

import json
import re
import sys

import pytest

from netlab.lab.world import LabWorld
from tests.world.conftest import World

NETLAB = (sys.executable, "-m", "netlab")
PROXY = ("-x", "http://127.0.0.1:3128")
NAMES = [(host.name, host.address) for host in LabWorld.load().hosts]


def curl(world: World, *arguments: str, code: int = 0) -> str:
    return world.run("curl", "-sS", "--max-time", "10", "--cacert", world.authority, *arguments, code=code)


@pytest.mark.parametrize(("name", "address"), NAMES)
def test_every_name_is_found_from_the_root(world: World, name: str, address: str) -> None:
    found = world.run("dig", "@127.0.0.1", "-p", "5300", name, "A", "+short").split()
    assert address in found


def test_a_page_through_proxy_cache_and_balancer(world: World) -> None:
    heads = [curl(world, *PROXY, "-D-", "-o/dev/null", "http://www.shop.test/") for _ in range(2)]
    assert all(head.startswith("HTTP/1.1 200 OK") for head in heads)
    assert re.search(r"Cache-Status: netlab-\w+; hit", heads[1])
    assert "<h1>Shop</h1>" in curl(world, *PROXY, "http://www.shop.test/")


@pytest.mark.parametrize("name", [name for name, _ in NAMES if name.endswith("shop.test") and "mail" not in name])
def test_certificates_verify(world: World, name: str) -> None:
    path = "/v2/products" if name.startswith("api.") else "/hello"
    form = "%{ssl_verify_result} %{http_code}"
    assert curl(world, *PROXY, "-o/dev/null", "-w", form, f"https://{name}{path}") == "0 200"


def test_names_over_socks(world: World) -> None:
    assert curl(world, "-x", "socks5h://127.0.0.1:3128", "http://www.shop.test/hello") == "Hello, World!"


def test_the_api_logs_in_and_takes_an_order(world: World) -> None:
    base = "https://api.shop.test"
    login = json.dumps({"user": "bob", "password": "secret"})
    token = json.loads(curl(world, *PROXY, f"{base}/login", "--json", login))["access_token"]
    products = json.loads(curl(world, *PROXY, f"{base}/v2/products?in_stock=true&limit=1"))
    order = json.dumps({"items": [{"sku": products[0]["sku"], "quantity": 1}]})
    made = curl(
        world,
        *PROXY,
        "-i",
        "--suppress-connect-headers",
        f"{base}/v2/orders",
        "-H",
        f"Authorization: Bearer {token}",
        "--json",
        order,
    )
    assert made.startswith("HTTP/1.1 201")
    assert "RateLimit-Policy" in made
    location = re.search(r"Location: (\S+)", made)
    assert location is not None
    again = curl(
        world,
        *PROXY,
        f"{base}{location[1]}" if location[1][0] == "/" else location[1],
        "-H",
        f"Authorization: Bearer {token}",
    )
    assert json.loads(again)["status"] == "pending"
    assert curl(world, *PROXY, "-o/dev/null", "-w", "%{http_code}", f"{base}/v2/orders") == "401"


def test_all_origins_are_used(world: World) -> None:
    for number in range(6):
        curl(world, *PROXY, "-o/dev/null", f"http://www.shop.test/anything?{number}")
    flows = [json.loads(line) for line in world.netlab("export", "--jsonl").splitlines()]
    assert {flow["service"] for flow in flows if flow["service"].startswith("origin-")} == {
        "origin-1",
        "origin-2",
        "origin-3",
    }


def test_clients_in_other_processes_know_the_names(world: World) -> None:
    assert world.netlab("get", "http://www.shop.test/hello") == "Hello, World!"
    assert world.netlab("get", "https://api.shop.test/v2/products?limit=1").startswith("[")


def test_a_taken_port_costs_its_listener_and_the_exit_code_or_is_moved_or_forbids(world: World) -> None:
    """Beside the lab that has them all, there is nothing left for another."""
    stopped = ("timeout", "--signal=INT", "--preserve-status", "3")
    strict = world.run(*stopped, *NETLAB, "up", "http", "--strict", code=1)
    assert strict == ""
    usual = world.run(*stopped, *NETLAB, "up", "http", "echo", "-q", "--json", code=1)
    assert usual == ""  # nothing of it runs
    auto = json.loads(world.run(*stopped, *NETLAB, "up", "http", "reverse-proxy", "-q", "--json", "--ports", "auto"))
    assert {taken["service"] for taken in auto["taken"]} == {"http", "reverse-proxy"}
    assert all(taken["instead"] for taken in auto["taken"])


def test_sensors_publish_at_the_broker(world: World) -> None:
    told = world.run("timeout", "5", *NETLAB, "mqtt", "sub", "home/#", "plant/#", "--count", "3")
    assert "home/hall/temperature" in told
    assert "°C" in told


def test_the_labs_clock_makes_things_old(world: World) -> None:
    """What the proxy's cache keeps for a minute is stale an hour later."""
    url = "http://www.shop.test/shop/tea-mint"
    for expected in ("fwd=uri-miss", "hit"):
        assert expected in curl(world, *PROXY, "-D-", "-o/dev/null", url)
    try:
        assert "ahead of the system's" in world.netlab("clock", "jump", "1h")
        assert "fwd=stale" in curl(world, *PROXY, "-D-", "-o/dev/null", url)
        assert "frozen" in world.netlab("clock", "freeze")
    finally:
        world.netlab("clock", "run")
        world.netlab("clock", "back", "1h")
    world.netlab("clock", "jump", "soon", code=2)


def test_an_upstream_of_two_balancers_is_steered_at_both(world: World) -> None:
    try:
        told = json.loads(world.netlab("balancer", "drain", "127.0.0.1:9103", "--json"))
    finally:
        world.netlab("balancer", "ready", "127.0.0.1:9103")
    drained = {pool["service"] for pool in told for one in pool["upstreams"] if one["mode"] == "drain"}
    assert drained == {"l4-balancer", "l7-balancer"}
