"""Products: pages, filters, versions, conditions, and what each mistake is answered with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.http.shop.client import Shop, shop

MUG = {"name": "Big Mug", "category": "ware", "price": {"amount": "12.50", "currency": "EUR"}}


def links(value: str) -> dict[str, str]:
    return {relation: target for target, relation in re.findall(r'<([^>]*)>; rel="([^"]*)"', value)}


async def test_a_list_is_read_page_by_page(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        path, names = "/api/v2/products?limit=7&sort=-price", []
        while path:
            answer = await api.ask("GET", path)
            assert answer.headers["x-total-count"] == "40"
            names += [product["sku"] for product in answer.json()]
            path = links(answer.headers["link"]).get("next", "")
        assert len(names) == len(set(names)) == 40
        assert set(links(answer.headers["link"])) == {"first", "prev", "last"}
        beyond = await api.ask("GET", "/api/v2/products?page=99&limit=7")
        assert beyond.json() == []
        assert links(beyond.headers["link"])["prev"].startswith("/api/v2/products?page=6&")


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("category=tea", lambda product: product["category"] == "tea"),
        ("q=earl", lambda product: product["name"] == "Earl Grey"),
        ("min_price=20&max_price=50.5", lambda product: 20 <= float(product["price"]["amount"]) <= 50.5),
        ("in_stock=false", lambda product: product["stock"] == 0),
        ("in_stock=true", lambda product: product["stock"] > 0),
    ],
)
async def test_filters(tmp_path: Path, query: str, holds: Any) -> None:
    async with shop(tmp_path) as api:
        everything = (await api.ask("GET", "/api/v2/products?limit=100")).json()
        answer = await api.ask("GET", f"/api/v2/products?limit=100&{query}")
        expected = [product["sku"] for product in everything if holds(product)]
        assert [product["sku"] for product in answer.json()] == expected
        assert 0 < len(expected) < 40
        first = await api.client.get(links(answer.headers["link"])["first"])
        assert first.json() == answer.json()


@pytest.mark.parametrize("name", ["sku", "name", "price", "stock", "created"])
async def test_sorting(tmp_path: Path, name: str) -> None:
    async with shop(tmp_path) as api:
        up = (await api.ask("GET", f"/api/v1/products?limit=100&sort={name}")).json()
        down = (await api.ask("GET", f"/api/v1/products?limit=100&sort=-{name}")).json()
        values = [product[name] for product in up]
        assert values == sorted(values, key=lambda value: value.casefold() if isinstance(value, str) else value)
        assert [product[name] for product in down] == values[::-1]


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("limt=5", ["limt"]),
        ("page=0", ["page"]),
        ("page=x&limit=101", ["page", "limit"]),
        ("page=1&page=2", ["page"]),
        ("sort=colour", ["sort"]),
        ("in_stock=maybe", ["in_stock"]),
        ("min_price=-1", ["min_price"]),
        ("min_price=nan", ["min_price"]),
        ("min_price=1e999", ["min_price"]),
        ("category=", ["category"]),
        ("&".join(f"a{number}=" for number in range(60)), [""]),
    ],
)
async def test_parameters_that_are_wrong(tmp_path: Path, query: str, parameters: list[str]) -> None:
    async with shop(tmp_path) as api:
        answer = await api.ask("GET", f"/api/v2/products?{query}")
        assert answer.status_code == 422
        assert [error["parameter"] for error in answer.json()["errors"]] == parameters


async def test_a_representation_has_a_tag(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        for path in ("/api/v2/products/tea-sencha", "/api/v2/products?page=2", "/api", "/api/v2/openapi.json"):
            answer = await api.ask("GET", path)
            again = await api.ask("GET", path, {"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]
            head = await api.ask("HEAD", path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(answer.content))
        old = await api.ask("GET", "/api/v1/products/tea-sencha")
        new = await api.ask("GET", "/api/v2/products/tea-sencha")
        assert old.headers["etag"] != new.headers["etag"]


async def test_no_change_is_lost(tmp_path: Path) -> None:
    """Two read the same; the second to write is told."""
    async with shop(tmp_path) as api:
        path = "/api/v2/products/tea-sencha"
        tag = (await api.ask("GET", path)).headers["etag"]
        first = await api.ask("PATCH", path, {**api.staff, "If-Match": tag}, json={"stock": 5})
        assert first.status_code == 200
        second = await api.ask("PATCH", path, {**api.staff, "If-Match": tag}, json={"stock": 6})
        assert second.status_code == 412
        third = await api.ask("PATCH", path, {**api.staff, "If-Match": first.headers["etag"]}, json={"stock": 6})
        assert third.json()["stock"] == 6
        careless = await api.ask("PATCH", path, api.staff, json={"stock": 7})
        assert careless.status_code == 428
        assert (await api.ask("PATCH", path, {**api.staff, "If-Match": "*"}, json={"stock": 7})).status_code == 200
        old = path.replace("v2", "v1")
        assert (await api.ask("PATCH", old, api.staff, json={"stock": 8})).status_code == 200


async def test_put_makes_and_replaces_and_the_same_again_changes_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        path = "/api/v2/products/ware-big-mug"
        only_new, any_state = {**api.staff, "If-None-Match": "*"}, {**api.staff, "If-Match": "*"}
        made = await api.ask("PUT", path, only_new, json={**MUG, "stock": 3})
        assert (made.status_code, made.headers["location"]) == (201, path)
        assert "etag" not in made.headers  # RFC 9110 9.3.4
        assert (await api.ask("PUT", path, {**only_new, "If-Match": "*"}, json=MUG)).status_code == 412
        api.clock.jump(10)
        again = await api.ask("PUT", path, any_state, json={**MUG, "stock": 3})
        assert (again.status_code, again.json()) == (200, made.json())
        replaced = await api.ask("PUT", path, any_state, json=MUG)
        assert (replaced.json()["stock"], replaced.json()["created"]) == (0, made.json()["created"])
        assert replaced.json()["updated"] > made.json()["updated"]
        removed = await api.ask("DELETE", path, api.staff)
        assert (removed.status_code, removed.content) == (204, b"")
        for method in ("GET", "DELETE"):
            assert (await api.ask(method, path, api.staff)).status_code == 404


async def test_a_new_product(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        made = await api.ask("POST", "/api/v2/products", api.staff, json={"sku": "ware-big-mug", **MUG})
        assert made.status_code == 201
        found = await api.ask("GET", made.headers["location"])
        assert found.json() == made.json()
        assert found.headers["etag"] == made.headers["etag"]
        again = await api.ask("POST", "/api/v2/products", api.staff, json={"sku": "ware-big-mug", **MUG})
        assert (again.status_code, again.json()["type"]) == (409, "/api/problems/exists")


async def test_a_merge_patch(tmp_path: Path) -> None:
    """RFC 7396: what is named is changed, null goes back to the default."""
    async with shop(tmp_path) as api:
        path = "/api/v1/products/tea-sencha"
        fields = {**api.staff, "Content-Type": "application/merge-patch+json"}
        before = (await api.ask("GET", path)).json()
        changed = await api.ask("PATCH", path, fields, content='{"tags": ["new"], "stock": null, "price": 4.999}')
        assert changed.json() | {"updated": ""} == before | {"tags": ["new"], "stock": 0, "price": 5.0, "updated": ""}
        assert (await api.ask("PATCH", path, fields, content='{"tags": null}')).json()["tags"] == []
        refused = await api.ask("PATCH", path, fields, content='{"name": null}')
        assert refused.json()["errors"] == [{"detail": "must be text", "pointer": "#/name"}]


@pytest.mark.parametrize(
    ("content", "pointers"),
    [
        ({}, ["#/sku", "#/name", "#/category", "#/price"]),
        ({"sku": "x", **MUG, "colour": "red", "a/b~": 1}, ["#/colour", "#/a~1b~0"]),
        ({"sku": "X Y", **MUG}, ["#/sku"]),
        ({"sku": "x\n", **MUG}, ["#/sku"]),
        ({"sku": "x", **MUG, "price": 5}, ["#/price"]),
        ({"sku": "x", **MUG, "price": {"amount": "5", "currency": "USD"}}, ["#/price/amount", "#/price/currency"]),
        ({"sku": "x", **MUG, "stock": 1.5}, ["#/stock"]),
        ({"sku": "x", **MUG, "stock": True}, ["#/stock"]),
        ({"sku": "x", **MUG, "stock": -1}, ["#/stock"]),
        ({"sku": "x", **MUG, "name": ""}, ["#/name"]),
        ({"sku": "x", **MUG, "tags": ["a", "a"]}, ["#/tags"]),
        ({"sku": "x", **MUG, "tags": ["a", "B!"]}, ["#/tags/1"]),
        ({"sku": "x", **MUG, "tags": ["a"] * 11}, ["#/tags"]),
        ([], ["#"]),
    ],
)
async def test_content_that_is_wrong_is_pointed_at(tmp_path: Path, content: Any, pointers: list[str]) -> None:
    async with shop(tmp_path) as api:
        answer = await api.ask("POST", "/api/v2/products", api.staff, json=content)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == pointers
        assert (await api.ask("GET", "/api/v2/products")).headers["x-total-count"] == "40"


@pytest.mark.parametrize(
    ("content", "media_type", "status", "kind"),
    [
        (b"{", "application/json", 400, "syntax"),
        (b"", "application/json", 400, "syntax"),
        (b"\xff", "application/json", 400, "syntax"),
        (b'{"sku": "a", "sku": "b"}', "application/json", 400, "syntax"),
        (b'{"stock": NaN}', "application/json", 400, "syntax"),
        (b'{"stock": 1e999}', "application/json", 400, "syntax"),
        (b'{"name": "\\ud800"}', "application/json", 400, "syntax"),
        (b"[" * 60_000, "application/json", 400, "syntax"),
        (b"[" * 40 + b"]" * 40, "application/json", 400, "syntax"),
        (b"9" * 5000, "application/json", 400, "syntax"),
        (b"{}", "text/plain", 415, "media-type"),
        (b"{}", "", 415, "media-type"),
        (b"{}", "application/merge-patch+json", 415, "media-type"),
        (b"{}", "Application/JSON; charset=utf-8", 422, "invalid"),
        (b" " * 70_000, "application/json", 413, "too-large"),
    ],
)
async def test_content_that_cannot_be_read(
    tmp_path: Path, content: bytes, media_type: str, status: int, kind: str
) -> None:
    async with shop(tmp_path) as api:
        fields = {**api.staff, "Content-Type": media_type}
        answer = await api.ask("POST", "/api/v2/products", fields, content=content)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/api/problems/{kind}")


async def test_content_of_no_declared_length(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:

        async def pieces() -> Any:
            for _ in range(70):
                yield b" " * 1024

        fields = {**api.staff, "Content-Type": "application/json"}
        answer = await api.ask("POST", "/api/v2/products", fields, content=pieces())
        assert (answer.status_code, answer.json()["type"]) == (413, "/api/problems/too-large")


async def refused(api: Shop, method: str, path: str, **options: Any) -> tuple[int, str]:
    answer = await api.ask(method, path, **options)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["title"] != "") == (answer.status_code, True)
    page = await api.client.get(problem["type"])
    assert (page.status_code, page.json()["title"]) == (200, problem["title"])
    return answer.status_code, problem["type"].rpartition("/")[2]


async def test_problems_are_explained(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        assert await refused(api, "GET", "/api/v2/products/nothing") == (404, "not-found")
        assert await refused(api, "GET", "/api/v2/products/No Such") == (404, "not-found")
        assert await refused(api, "GET", "/api/v2/nothing") == (404, "not-found")
        assert await refused(api, "GET", "/api/problems/nothing") == (404, "not-found")
        assert await refused(api, "PUT", "/api/v2/products") == (405, "method")
        assert await refused(api, "POST", "/api/v2/openapi.json") == (405, "method")
        assert await refused(api, "DELETE", "/api") == (405, "method")
        assert await refused(api, "GET", "/api/v2/products", headers={"Accept": "text/html"}) == (406, "not-acceptable")
        assert await refused(api, "POST", "/api/v2/products", json={}) == (401, "unauthenticated")
        assert await refused(api, "GET", "/api/v9/products") == (406, "version")


async def test_methods_are_named(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        for method, status in (("TRACE", 405), ("BREW", 405), ("OPTIONS", 204)):
            answer = await api.ask(method, "/api/v2/products/tea-sencha")
            assert (answer.status_code, answer.headers["allow"]) == (status, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")


async def test_pages_of_other_origins_may_read(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PATCH"}
        preflight = await api.ask("OPTIONS", "/api/v2/products/tea-sencha", asked)
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        answer = await api.ask("GET", "/api/v2/products", {"Origin": "http://localhost:3000"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "X-Total-Count" in answer.headers["access-control-expose-headers"]
