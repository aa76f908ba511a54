"""Orders: what may become of one, by whom; keys that make a POST happen once; users and their tokens."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.http.shop.model import STATUSES, TRANSITIONS, Order, Stock, seeded
from netlab.http.shop.problems import Problem
from tests.http.serving import connected
from tests.http.shop.client import Shop, shop

ORDERS = "/api/v2/orders"


async def placed(api: Shop, fields: dict[str, str], *items: tuple[str, int]) -> Any:
    content = {"items": [{"sku": sku, "quantity": quantity} for sku, quantity in items]}
    return await api.ask("POST", ORDERS, fields, json=content)


async def restocked(api: Shop, sku: str, stock: int) -> None:
    await api.ask("PATCH", f"/api/v1/products/{sku}", api.staff, json={"stock": stock})


async def stock_of(api: Shop, sku: str) -> int:
    return int((await api.ask("GET", f"/api/v2/products/{sku}")).json()["stock"])


async def test_an_order(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        await restocked(api, "tea-mint", 5)
        answer = await placed(api, api.bob, ("tea-mint", 2), ("tea-mint", 1))
        order = answer.json()
        assert (answer.status_code, answer.headers["location"]) == (201, f"{ORDERS}/{order['id']}")
        price = (await api.ask("GET", "/api/v2/products/tea-mint")).json()["price"]
        assert order["items"] == [{"sku": "tea-mint", "quantity": 3, "price": price}]
        assert float(order["total"]["amount"]) == pytest.approx(3 * float(price["amount"]))
        assert (order["user"], order["status"], await stock_of(api, "tea-mint")) == ("bob", "pending", 2)
        assert (await api.ask("GET", answer.headers["location"], api.bob)).json() == order
        cancelled = await api.ask("PATCH", answer.headers["location"], api.bob, json={"status": "cancelled"})
        assert (cancelled.json()["status"], await stock_of(api, "tea-mint")) == ("cancelled", 5)


async def test_what_cannot_be_ordered(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        await restocked(api, "tea-mint", 1)
        await restocked(api, "tea-assam", 5)
        short = await placed(api, api.bob, ("tea-assam", 1), ("tea-mint", 2))
        assert (short.status_code, short.json()["type"]) == (409, "/api/problems/out-of-stock")
        assert await stock_of(api, "tea-assam") == 5  # all or nothing
        unknown = await placed(api, api.bob, ("tea-mint", 1), ("nothing", 1))
        assert unknown.status_code == 422
        assert unknown.json()["errors"] == [{"detail": "there is no product nothing", "pointer": "#/items/1/sku"}]


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATUSES, STATUSES)))
@pytest.mark.parametrize("staff", [True, False])
def test_where_an_order_can_go(before: str, after: str, staff: bool) -> None:
    stock, order = Stock(), Order(1, "bob", (), before, 0.0, 0.0)
    allowed = TRANSITIONS[before].get(after)
    if allowed is None or (allowed == "staff" and not staff):
        with pytest.raises(Problem) as problem:
            stock.move(order, after, staff=staff, now=1.0)
        assert problem.value.status == (409 if allowed is None else 403)
        assert order.status == before
    else:
        stock.move(order, after, staff=staff, now=1.0)
        assert (order.status, order.updated) == (after, 1.0)


async def test_an_order_on_its_way(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        await restocked(api, "tea-mint", 5)
        path = (await placed(api, api.bob, ("tea-mint", 1))).headers["location"]

        async def move(who: dict[str, str], status: str) -> int:
            return int((await api.ask("PATCH", path, who, json={"status": status})).status_code)

        assert await move(api.bob, "shipped") == 409
        assert await move(api.bob, "paid") == 200
        assert await move(api.bob, "shipped") == 403
        assert await move(api.staff, "shipped") == 200
        refused = await api.ask("PATCH", path, api.bob, json={"status": "cancelled"})
        assert (refused.status_code, refused.json()["allowed"]) == (409, ["delivered"])
        assert await move(api.staff, "delivered") == 200
        assert await move(api.token("carol", "customer"), "cancelled") == 404
        stale = await api.ask("PATCH", path, {**api.staff, "If-Match": '"x"'}, json={"status": "paid"})
        assert stale.status_code == 412


async def test_everyone_sees_their_own(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        every = (await api.ask("GET", f"{ORDERS}?limit=100", api.staff)).json()
        bobs = (await api.ask("GET", f"{ORDERS}?limit=100", api.bob)).json()
        assert [order["id"] for order in bobs] == [order["id"] for order in every if order["user"] == "bob"]
        assert {order["status"] for order in every} == set(STATUSES)
        carols = next(order["id"] for order in every if order["user"] == "carol")
        assert (await api.ask("GET", f"{ORDERS}/{carols}", api.bob)).status_code == 404
        assert (await api.ask("GET", f"{ORDERS}/{carols}", api.staff)).status_code == 200
        paid = (await api.ask("GET", f"{ORDERS}?status=paid", api.staff)).json()
        assert {order["status"] for order in paid} == {"paid"}


COUNTS = st.lists(st.tuples(st.sampled_from(["order", "cancelled", "paid", "shipped"]), st.integers(0, 5)), max_size=30)


@given(COUNTS)
def test_nothing_is_sold_twice_and_nothing_is_lost(steps: list[tuple[str, int]]) -> None:
    stock = seeded(1, 0.0)
    sku = next(name for name, product in stock.products.items() if product.stock == 12)
    orders: list[Order] = []
    for what, number in steps:
        try:
            if what == "order":
                orders.append(stock.order("bob", {sku: number + 1}, 0.0))
            elif orders:
                stock.move(orders[number % len(orders)], what, staff=True, now=0.0)
        except Problem:
            continue
    held = sum(order.items[0].quantity for order in orders if order.status != "cancelled")
    assert stock.products[sku].stock >= 0
    assert stock.products[sku].stock + held == 12


# -- Idempotency-Key ---------------------------------------------------------------------------------------------


async def test_a_post_that_is_sent_again_happens_once(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        await restocked(api, "tea-mint", 5)
        fields = {**api.bob, "Idempotency-Key": '"8e03978e"'}
        first, again = await placed(api, fields, ("tea-mint", 1)), await placed(api, fields, ("tea-mint", 1))
        assert (again.status_code, again.json(), again.headers["location"]) == (
            201,
            first.json(),
            first.headers["location"],
        )
        assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
        assert await stock_of(api, "tea-mint") == 4
        other = await placed(api, fields, ("tea-mint", 2))
        assert (other.status_code, other.json()["type"]) == (422, "/api/problems/key-reused")
        carol = {**api.token("carol", "customer"), "Idempotency-Key": '"8e03978e"'}
        assert (await placed(api, carol, ("tea-mint", 1))).json()["user"] == "carol"
        api.clock.jump(86_400)
        later = {**api.bob, "Idempotency-Key": '"8e03978e"'}
        assert (await placed(api, later, ("tea-mint", 1))).json()["id"] != first.json()["id"]


async def test_what_did_not_happen_can_be_tried_again(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        await restocked(api, "tea-mint", 0)
        fields = {**api.bob, "Idempotency-Key": "bare-keys-are-common"}
        assert (await placed(api, fields, ("tea-mint", 1))).status_code == 409
        await restocked(api, "tea-mint", 1)
        assert (await placed(api, fields, ("tea-mint", 1))).status_code == 201


@pytest.mark.parametrize("key", ['"', '""', '"a', "a b", '"\t"', '"' + "x" * 101 + '"', "é"])
async def test_keys_that_are_none(tmp_path: Path, key: str) -> None:
    async with shop(tmp_path) as api:
        answer = await placed(api, {**api.bob, "Idempotency-Key": key.encode("latin-1")}, ("tea-mint", 1))  # type: ignore[dict-item]
        assert (answer.status_code, answer.json()["type"]) == (400, "/api/problems/field")


async def test_a_key_at_work(tmp_path: Path) -> None:
    """While the first request's content still comes; and if its client goes away, the key is free again."""
    async with shop(tmp_path) as api:
        await restocked(api, "tea-mint", 5)
        fields = {**api.bob, "Idempotency-Key": '"k"'}
        content = json.dumps({"items": [{"sku": "tea-mint", "quantity": 1}]}).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in {**fields, "Content-Type": "application/json"}.items())
        begun = f"POST {ORDERS} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {len(content)}\r\n\r\n".encode()
        async with connected(api.site.port) as client:
            before = len(api.site.flows())
            await client.send(begun + content[:10])
            await until(lambda: len(api.site.flows()) > before)
            busy = await placed(api, fields, ("tea-mint", 1))
            assert (busy.status_code, busy.json()["type"]) == (409, "/api/problems/in-progress")
            assert busy.headers["retry-after"] == "1"
            first = api.site.flows()[before]
            client.reset()
            await until(lambda: bool(first.ended))
        assert (await placed(api, fields, ("tea-mint", 1))).status_code == 201
        assert await stock_of(api, "tea-mint") == 4


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0)


# -- users and tokens --------------------------------------------------------------------------------------------


async def test_login(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        answer = await api.ask("POST", "/api/v2/login", json={"user": "bob", "password": "secret"})
        token = answer.json()
        assert (token["token_type"], token["roles"], answer.headers["cache-control"]) == (
            "Bearer",
            ["customer"],
            "no-store",
        )
        fields = {"Authorization": f"Bearer {token['access_token']}"}
        assert (await api.ask("GET", "/api/v2/me", fields)).json()["user"] == "bob"
        api.clock.jump(token["expires_in"] + 60)
        expired = await api.ask("GET", "/api/v2/me", fields)
        assert expired.status_code == 401
        assert 'error="invalid_token"' in expired.headers["www-authenticate"]
        for user, password in (("bob", "wrong!"), ("nobody", "secret"), ("", "")):
            wrong = await api.ask("POST", "/api/v2/login", json={"user": user, "password": password})
            assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'Bearer realm="shop"')


@pytest.mark.one_loop
async def test_a_token_of_the_command_line(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        api.clock.run()
        made = subprocess.run(
            [sys.executable, "-m", "netlab", "token", "zoe", "--roles", "staff"],
            env={"NETLAB_STATE": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        answer = await api.ask("GET", "/api/v2/me", {"Authorization": f"Bearer {made.stdout.strip()}"})
        assert (answer.json()["user"], answer.json()["roles"]) == ("zoe", ["staff"])


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer x", "Bearer a b", "@", "Bearer a=b, a=c"])
async def test_credentials_that_are_none(tmp_path: Path, value: str) -> None:
    """RFC 6750 3.1: what is malformed is an invalid token."""
    async with shop(tmp_path) as api:
        answer = await api.ask("GET", "/api/v2/me", {"Authorization": value})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer realm="shop"')


async def test_users(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        path, zoe = "/api/v2/users", {"name": "zoe", "email": "zoe@shop.test", "password": "geheim"}
        refused = await api.ask("GET", path, api.bob)
        assert (refused.status_code, 'error="insufficient_scope"' in refused.headers["www-authenticate"]) == (403, True)
        made = await api.ask("POST", path, api.staff, json=zoe)
        assert (made.status_code, made.json()["role"], made.headers["location"]) == (201, "customer", f"{path}/zoe")
        assert "password" not in made.json()
        assert (await api.ask("POST", path, api.staff, json=zoe)).status_code == 409
        login = {"user": "zoe", "password": "geheim"}
        assert (await api.ask("POST", "/api/v2/login", json=login)).status_code == 200
        mine, own = api.token("zoe", "customer"), f"{path}/zoe"
        content = {"email": "z@shop.test", "password": "anders"}
        changed = await api.ask("PUT", own, mine, json=content)
        assert (changed.status_code, changed.json()["email"]) == (200, "z@shop.test")
        assert (await api.ask("PUT", own, mine, json=content)).json() == changed.json()
        assert (await api.ask("POST", "/api/v2/login", json=login)).status_code == 401
        assert (await api.ask("PUT", own, mine, json={**content, "role": "staff"})).status_code == 403
        assert (await api.ask("PUT", own, api.bob, json=content)).status_code == 403
        assert (await api.ask("PUT", own, api.staff, json={**content, "role": "staff"})).json()["role"] == "staff"
        assert (await api.ask("GET", own, api.bob)).status_code == 403
        assert (await api.ask("PUT", f"{path}/yan", api.staff, json=content)).status_code == 201
        names = [user["name"] for user in (await api.ask("GET", f"{path}?limit=100", api.staff)).json()]
        assert names == ["ada", "bob", "carol", "yan", "zoe"]
        assert (await api.ask("DELETE", own, mine)).status_code == 403
        assert (await api.ask("DELETE", own, api.staff)).status_code == 204
        for method in ("GET", "DELETE"):
            assert (await api.ask(method, own, api.staff)).status_code == 404
        assert (await api.ask("PUT", own, mine, json=content)).status_code == 404


async def test_the_same_seed_gives_the_same_shop(tmp_path: Path) -> None:
    shops = []
    for name in ("one", "two"):
        async with shop(tmp_path / name) as api:
            api.clock.freeze(1_700_000_000.0)
            shops.append((await api.ask("GET", "/api/v1/products?limit=100")).json())
    assert shops[0] == shops[1]


def test_the_shop_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from netlab.http.shop import model

    monkeypatch.setitem(model.MOST, "orders", 2)
    stock = seeded(1, 0.0)
    sku = next(name for name, product in stock.products.items() if product.stock == 120)
    for _ in range(2):
        stock.order("bob", {sku: 1}, 0.0)
    with pytest.raises(Problem) as problem:
        stock.order("bob", {sku: 1}, 0.0)
    assert problem.value.status == 507
