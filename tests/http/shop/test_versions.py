"""Versions: by path, by field, by parameter; and the end of an old one, by the lab's clock."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.http.shop.client import shop

DAY = 86_400


@pytest.mark.parametrize(
    ("path", "field", "version"),
    [
        ("/api/v1/products/tea-mint", None, 1),
        ("/api/v2/products/tea-mint", None, 2),
        ("/api/v1/products/tea-mint", "2", 1),  # the path counts
        ("/api/products/tea-mint", None, 2),
        ("/api/products/tea-mint", "1", 1),
        ("/api/products/tea-mint", "v1", 1),
        ("/api/products/tea-mint?version=1", None, 1),
        ("/api/products/tea-mint?version=1", "2", 2),
    ],
)
async def test_which_is_meant(tmp_path: Path, path: str, field: str | None, version: int) -> None:
    async with shop(tmp_path) as api:
        answer = await api.ask("GET", path, {} if field is None else {"Accept-Version": field})
        if "?version" in path and field is not None:
            assert answer.status_code == 422  # then the parameter means nothing
            return
        assert isinstance(answer.json()["price"], float) is (version == 1)
        assert ("deprecation" in answer.headers) is (version == 1)
        assert ("Accept-Version" in answer.headers.get("vary", "")) is ("/v" not in path)


@pytest.mark.parametrize("asked", ["3", "v0", "1.0", "latest", "", "99999"])
async def test_versions_there_are_none_of(tmp_path: Path, asked: str) -> None:
    async with shop(tmp_path) as api:
        for path, fields in ((f"/api/products?version={asked}", {}), ("/api/products", {"Accept-Version": asked})):
            answer = await api.ask("GET", path, fields)
            assert (answer.status_code, answer.json()["type"]) == (406, "/api/problems/version")


async def test_an_old_version_takes_its_leave(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        answer = await api.ask("GET", "/api/v1/products/tea-mint")
        assert answer.headers["deprecation"] == f"@{int(api.clock.now() - 30 * DAY)}"  # RFC 9745: a date
        sunset = parsedate_to_datetime(answer.headers["sunset"]).timestamp()
        assert sunset == int(api.clock.now() + 180 * DAY)
        assert '</api/v2/products/tea-mint>; rel="successor-version"' in answer.headers["link"]
        api.clock.freeze(sunset - 1)
        assert (await api.ask("GET", "/api/v1/products")).status_code == 200
        api.clock.freeze(sunset)
        over = await api.ask("GET", "/api/v1/products")
        assert (over.status_code, over.json()["type"]) == (410, "/api/problems/sunset")
        assert "deprecation" in over.headers
        assert (await api.ask("GET", "/api/v2/products")).status_code == 200


async def test_the_index_leads_to_the_documents(tmp_path: Path) -> None:
    async with shop(tmp_path) as api:
        for entry in (await api.client.get("/api/")).json()["versions"]:
            document = (await api.client.get(entry["openapi"])).json()
            assert document["openapi"] == "3.1.0"
            assert document["servers"] == [{"url": entry["url"]}]
            deprecated = document["paths"]["/products"]["get"].get("deprecated", False)
            assert deprecated is entry["deprecated"]
