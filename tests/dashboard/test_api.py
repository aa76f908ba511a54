"""The dashboard's API: what it tells, to whom, and what a change wants."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from netlab.clock import LabClock
from netlab.config import Address
from netlab.dashboard import Dashboard
from netlab.dashboard.server import PIECE
from netlab.lab.options import Options
from netlab.lab.process import Lab
from servers import http, mqtt
from tests.http.serving import Client, connected

pytestmark = pytest.mark.one_loop


class Shown:
    """A lab with one server, and its dashboard."""

    def __init__(self, lab: Lab, page: Dashboard) -> None:
        self.lab, self.page = lab, page
        self.ports = {endpoint.name: endpoint.port for endpoint in lab.endpoints}

    async def ask(
        self, method: str, path: str, body: bytes = b"", host: str = "127.0.0.1", **fields: str
    ) -> tuple[int, Any]:
        """Status and JSON of the dashboard's answer."""
        async with connected(self.ports["dashboard"]) as client:
            lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
            head = f"{method} {path} HTTP/1.1\r\nHost: {host}:{self.ports['dashboard']}\r\n{lines}"
            await client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer, content = await client.response()
        status = int(answer.split()[1])
        return status, json.loads(content) if b"application/json" in answer else content.decode()

    async def fetch(self, target: str, fields: str = "") -> None:
        async with connected(self.ports["http"]) as client:
            await client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
            await client.response()


@asynccontextmanager
async def shown() -> AsyncIterator[Shown]:
    lab = Lab("page", Options(record="full", grace=0.2), clock=LabClock())
    page = Dashboard(lab, Address("127.0.0.1", 0))
    try:
        await lab.start("http", http.Server(http.Config(listen=Address("127.0.0.1", 0)), lab.context))
        await lab.start("dashboard", page)
        yield Shown(lab, page)
    finally:
        await lab.close()


async def test_flows_and_one_of_them_whole() -> None:
    async with shown() as here:
        await here.fetch(
            "/anything?password=hunter2", "Authorization: Bearer s3cr3tt0ken\r\nCache-Control: no-cache\r\n"
        )
        status, flows = await here.ask("GET", "/api/flows?filter=kind%20==%20http")
        assert status == 200
        (flow,) = flows
        assert "hunter2" not in json.dumps(flow)
        status, found = await here.ask("GET", f"/api/flow/{flow['id']}")
        assert (status, found["parent"]["kind"]) == (200, "tcp")
        assert found["meanings"]["Cache-Control"]["section"] == "RFC 9111 5.2"
        told = json.dumps(found)
        assert "s3cr3tt0ken" not in told
        assert "hunter2" not in told


async def test_many_flows_come_in_pieces() -> None:
    """The list is one JSON array, whether it fills its pieces, not quite or not at all."""
    async with shown() as here, httpx.AsyncClient(trust_env=False) as client:
        for number in range(3 * PIECE):
            here.lab.flows.open("http", "http", None, None, f"GET /{number}").end("ok", "200")
        address = f"http://127.0.0.1:{here.ports['dashboard']}/api/flows?filter=kind==http&last="
        for count in (1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE):
            answer = await client.get(f"{address}{count}")
            labels = [f"GET /{number}" for number in range(3 * PIECE)][-count:]
            assert (answer.status_code, [flow["label"] for flow in answer.json()]) == (200, labels)
        assert (await client.get(f"{address}9&filter=status==201")).json() == []


async def test_bytes_have_names() -> None:
    async with shown() as here:
        await here.fetch("/hello")
        await here.fetch("/status/404")
        _, flows = await here.ask("GET", "/api/flows?filter=kind%20==%20http")
        for flow in flows:
            _, found = await here.ask("GET", f"/api/bytes/{flow['id']}")
            request, response = found["messages"]
            assert (request["side"], response["side"]) == ("client", "server")
            assert flow["label"].split()[1] in request["summary"]
            spans = [(field["start"], field["end"]) for field in request["fields"]]
            assert (spans[0][0], spans[-1][1]) == (0, len(request["hex"]) // 2)


async def test_what_there_is_of_topics() -> None:
    async with shown() as here:
        status, found = await here.ask("GET", "/api/mqtt?action=retained")
        assert (status, found["error"][:21]) == (400, "no MQTT broker runs i")
        await here.lab.start("mqtt", mqtt.Server(mqtt.Config(listen=Address("127.0.0.1", 0)), here.lab.context))
        for action in ("retained", "clients"):
            assert await here.ask("GET", f"/api/mqtt?action={action}") == (200, {action: []})


async def test_what_is_wrong_is_said() -> None:
    async with shown() as here:
        status, found = await here.ask("GET", "/api/flows?filter=status%20%3D%3D")
        assert (status, "error" in found) == (400, True)
        status, found = await here.ask("GET", "/api/flows?last=many")
        assert (status, found["error"]) == (400, "last='many' is no number of flows")
        assert (await here.ask("GET", f"/api/flows?last={'9' * 5000}"))[0] == 400
        assert (await here.ask("GET", "/api/flow/9999"))[0] == 404
        assert (await here.ask("GET", "/api/stop"))[0] == 400
        assert (await here.ask("GET", "/nothing"))[0] == 404


async def test_only_its_own_page_may_look() -> None:
    """Not another site's script, and not one whose name leads here (DNS rebinding)."""
    async with shown() as here:
        assert (await here.ask("GET", "/api/status", Origin="https://evil.example"))[0] == 403
        assert (await here.ask("GET", "/api/status", host="evil.example"))[0] == 421
        assert (await here.ask("GET", "/api/status"))[0] == 200


async def test_changes_want_the_token() -> None:
    async with shown() as here:
        change = b'{"add": ["status=503"]}'
        assert (await here.ask("POST", "/api/faults", change))[0] == 403
        assert (await here.ask("POST", "/api/faults", change, X_Netlab_Token="guessed"))[0] == 403
        status, found = await here.ask("POST", "/api/faults", change, X_Netlab_Token=here.page.token)
        assert (status, len(found["faults"])) == (200, 1)
        assert (await here.ask("POST", "/api/faults", b"[]", X_Netlab_Token=here.page.token))[0] == 400
        assert (await here.ask("POST", "/api/faults", b'{"wrong": 1}', X_Netlab_Token=here.page.token))[0] == 400
        assert (await here.ask("POST", "/api/stop", b"{}", X_Netlab_Token=here.page.token))[0] == 404


async def test_flows_as_they_end() -> None:
    async with shown() as here, connected(here.ports["dashboard"]) as client:
        await client.send(f"GET /api/watch HTTP/1.1\r\nHost: 127.0.0.1:{here.ports['dashboard']}\r\n\r\n".encode())
        await client.until(b"retry: 1000\n\n")
        await here.fetch("/hello")
        told = await event(client)
        assert [flow["label"] for flow in told] == ["GET /hello"]


async def event(client: Client) -> Any:
    await client.until(b"event: flows\ndata: ")
    return json.loads(await client.until(b"\n\n"))


async def test_its_page_is_under_a_policy_and_its_requests_are_no_flows() -> None:
    async with shown() as here:
        async with connected(here.ports["dashboard"]) as client:
            await client.send(f"GET / HTTP/1.1\r\nHost: localhost:{here.ports['dashboard']}\r\n\r\n".encode())
            head, page = await client.response()
        assert b"Content-Security-Policy: default-src 'none'; script-src 'self'" in head
        assert b"<script type=" in page
        assert not [flow for flow in here.lab.flows if flow.service == "dashboard"]
