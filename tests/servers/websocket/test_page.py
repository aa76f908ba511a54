"""The page at /: what a browser does with it, a headless Chromium; and what others get there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
import websockets

from netlab.config import Address
from netlab.service import Context, running
from servers.http import Config, Server
from tests.inspect.test_har_chromium import chromium
from tests.servers.websocket.serving import serving

AGREED = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
TALK = """
new Promise(resolve => {
  document.getElementById("path").value = "/upper";
  document.getElementById("connect").click();
  const log = document.getElementById("log");
  new MutationObserver(() => {
    const lines = Array.from(log.children, line => [line.className, line.textContent.trim().split("  ")[1]]);
    const last = lines[lines.length - 1];
    if (last[1].startsWith("open")) document.querySelector("form button").click();
    if (last[0] === "in") document.getElementById("close").click();
    if (last[1].startsWith("closed")) resolve(lines);
  }).observe(log, {childList: true});
})
"""


@pytest.mark.one_loop
async def test_chromium_talks_to_it(tmp_path: Path) -> None:
    async with asyncio.timeout(60), serving(origin=("http://127.0.0.1:1",)) as refusing, serving() as served:
        async with chromium(tmp_path) as browser:
            page = await browser.load(f"http://127.0.0.1:{served.port}/")
            answer = await browser.call(
                "Runtime.evaluate", page, expression=TALK, awaitPromise=True, returnByValue=True
            )
            refused = await browser.call(
                "Runtime.evaluate",
                page,
                expression=f"new Promise(r => new WebSocket('{refusing.url}').onclose = event => r(event.code))",
                awaitPromise=True,
            )
        lines = answer["result"]["value"]
        assert lines[1] == ["note", f"open; extensions: {AGREED}; subprotocol: none"]
        assert lines[2:4] == [["out", "hello"], ["in", "HELLO"]]
        assert lines[4] == ["note", "closed: 1000 bye"]
        flow = await served.ended()
        assert flow.result == "1000"
        assert refused["result"]["value"] == 1006
        assert refusing.flows == []


@pytest.mark.one_loop
async def test_who_asks_for_no_page_is_told_to_upgrade() -> None:
    async with serving() as served, httpx.AsyncClient() as client:
        url = served.url.replace("ws", "http")
        assert (await client.get(url)).status_code == 426
        page = await client.get(url, headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert "/chat/{room}" in page.text


async def test_the_http_server_upgrades_on_its_port() -> None:
    server = Server(Config(listen=Address("127.0.0.1", 0)), Context())
    async with running(server) as endpoints:
        base = f"127.0.0.1:{endpoints[0].port}"
        async with (
            websockets.connect(f"ws://{base}/reverse") as one,
            websockets.connect(f"ws://{base}/chat/tea") as two,
        ):
            await one.send("abc")
            assert await one.recv() == "cba"
            assert "welcome" in str(await two.recv())
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{base}/hello")).text == "Hello, World!"
