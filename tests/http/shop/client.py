"""A client of the shop that holds every answer to the OpenAPI document of its version."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from netlab.http.shop.schema import Checker
from netlab.policy.jwt import sign
from netlab.stores.token_key import own_key
from tests.http.served import Served, served


class Shop:
    """A running shop, and what its documents say."""

    def __init__(self, site: Served, client: httpx.AsyncClient, state: Path) -> None:
        self.site, self.client, self.state = site, client, state
        self._documents: dict[str, Any] = {}

    @property
    def clock(self) -> Any:
        return self.site.clock

    def token(self, user: str = "ada", *roles: str, lifetime: float = 3600) -> dict[str, str]:
        claims = {"sub": user, "roles": list(roles), "exp": int(self.clock.now() + lifetime)}
        return {"Authorization": f"Bearer {sign(claims, own_key(self.state))}"}

    @property
    def staff(self) -> dict[str, str]:
        return self.token("ada", "staff")

    @property
    def bob(self) -> dict[str, str]:
        return self.token("bob", "customer")

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """One request; the answer is checked against the document of /api/v1 or /api/v2."""
        answer = await self.client.request(method, path, headers=headers, **options)
        version = re.match(r"/api/(v[12])(/[^?]*)", path)
        if version is not None and method != "OPTIONS" and not path.endswith("openapi.json"):
            await self._check(version[1], method, version[2], answer)
        return answer

    async def _check(self, version: str, method: str, path: str, answer: httpx.Response) -> None:
        if version not in self._documents:
            self._documents[version] = (await self.client.get(f"/api/{version}/openapi.json")).json()
        document = self._documents[version]
        described = operation_at(document, "GET" if method == "HEAD" else method, path)
        if described is None:
            assert answer.status_code in (404, 405), answer.text
            return
        reply = described["responses"].get(str(answer.status_code))
        if answer.status_code == 304:
            return
        assert reply is not None, f"{method} {path} answers {answer.status_code}, which its document does not know"
        for name in reply.get("headers", {}):
            assert name in answer.headers, f"{method} {path}: {answer.status_code} has no {name}"
        if "content" not in reply or method == "HEAD":
            assert not answer.content
            return
        ((media_type, content),) = reply["content"].items()
        assert answer.headers["content-type"] == media_type
        checker = Checker(document["components"]["schemas"])
        assert checker.errors(answer.json(), content["schema"]) == []


def operation_at(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    for template, methods in document["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            described: dict[str, Any] | None = methods.get(method.lower())
            return described
    return None


@asynccontextmanager
async def shop(state: Path, **options: Any) -> AsyncIterator[Shop]:
    async with served(state, **options) as site, site.http() as client:
        yield Shop(site, client, state)
