"""Versions: by path, by field, by parameter; and the end of an old one, by the lab's clock."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.cores.fields import Fields
from netlab.cores.http1 import encode_fields
from netlab.http.shop.idempotency import Keys
from netlab.http.shop.problems import Problem
from netlab.http.shop.versions import Farewell, meant
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


@given(st.text(max_size=30) | st.from_regex(r"/v[0-9]{0,3}(/.*)?", fullmatch=True), st.none() | st.text(max_size=6))
def test_any_path_means_a_version_or_none(rest: str, asked: str | None) -> None:
    fields = Fields([] if asked is None else [("Accept-Version", asked)])
    try:
        version, path, _ = meant(f"/api{rest}", fields, {"version": "2"})
    except Problem:
        return
    assert version in (1, 2)
    assert path
    for name, value in Farewell(0.0).fields(1, path):
        assert encode_fields([(name, value)])


@given(st.text(max_size=120))
def test_any_key_is_one_or_none(key: str) -> None:
    keys = Keys()
    try:
        entry = keys.begin("ada", key, 0.0)
    except Problem:
        return
    keys.abandon("ada", key, entry)
    assert keys.begin("ada", key, 0.0) is not entry
