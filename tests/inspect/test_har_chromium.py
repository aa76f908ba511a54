"""A HAR file loaded by the code of Chromium's own network panel, over the browser's remote debugging socket."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from netlab.flow import FlowLog, Level, Outcome
from netlab.inspect.har import write_har
from netlab.inspect.record import to_record

PANEL = "devtools://devtools/bundled/devtools_app.html"

LOAD = """
(async () => {
  const {HARFormat, Importer} = await import("devtools://devtools/bundled/models/har/har.js");
  const har = new HARFormat.HARRoot(JSON.parse(HAR));
  return Promise.all(Importer.Importer.requestsFromHARLog(har.log).map(async request => ({
    url: request.url(), method: request.requestMethod, status: request.statusCode, peer: request.remoteAddress(),
    milliseconds: Math.round(request.duration * 1000), type: request.mimeType, connection: request.connectionId,
    form: await request.requestFormData(), text: (await request.requestContentData()).text,
  })));
})()
"""


class Browser:
    """The remote debugging protocol: calls by number, events in between are passed over."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, count(1)

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send(json.dumps(message if session is None else {**message, "sessionId": session}))
        while (answer := json.loads(await self._socket.recv())).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    async def load(self, page: str) -> str:
        """Opens a page and waits until it is loaded; returns its session."""
        target = await self.call("Target.createTarget", url="about:blank")
        session: str = (await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True))[
            "sessionId"
        ]
        await self.call("Page.enable", session)
        await self.call("Page.navigate", session, url=page)
        while json.loads(await self._socket.recv()).get("method") != "Page.loadEventFired":
            pass
        return session


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: install the package chromium")
    flags = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
    )
    process = await asyncio.create_subprocess_exec(program, *flags, stderr=asyncio.subprocess.PIPE)
    try:
        assert process.stderr is not None
        while (found := re.search(rb"listening on (ws://\S+)", line := await process.stderr.readline())) is None:
            assert line, "chromium ended before it listened"
        async with connect(found[1].decode(), max_size=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        await process.communicate()


def har() -> str:
    log = FlowLog(Level.FULL)
    connection = log.open("tcp")
    flow = log.open("http", "http", connection)
    flow.client, flow.server, flow.label = ("127.0.0.1", 51000), ("127.0.0.1", 8080), "POST /form?a=1"
    form = [["Host", "www.shop.test"], ["Content-Type", "application/x-www-form-urlencoded"]]
    flow.note("request.received", "client", method="POST", target="/form?a=1", version="1.1", fields=form)
    flow.note("request.ended", "client", body={"text": "x=1"}, size=3)
    plain = [["Content-Type", "text/plain"], ["Set-Cookie", "sid=1; HttpOnly"]]
    flow.note("response.sent", "server", status=200, reason="OK", version="1.1", fields=plain)
    flow.note("response.ended", "server", body={"text": "Hello, world!"}, size=13)
    flow.end(Outcome.OK, "200")
    out = BytesIO()
    write_har([to_record(flow, whole=True), to_record(connection, whole=True)], out)
    return out.getvalue().decode()


async def test_chromium_s_network_panel_loads_it(tmp_path: Path) -> None:
    async with asyncio.timeout(60), chromium(tmp_path) as browser:
        session = await browser.load(PANEL)
        script = LOAD.replace("HAR)", f"{json.dumps(har())})")
        answer = await browser.call(
            "Runtime.evaluate", session, expression=script, awaitPromise=True, returnByValue=True
        )
    assert answer["result"].get("value") == [
        {
            "url": "http://www.shop.test/form?a=1",
            "method": "POST",
            "status": 200,
            "peer": "127.0.0.1:8080",
            "milliseconds": 0,
            "type": "text/plain",
            "connection": "1",
            "form": "x=1",
            "text": "Hello, world!",
        }
    ], answer
