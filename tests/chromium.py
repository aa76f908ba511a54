"""A headless Chromium for tests, driven by its own protocol (CDP): open a page, ask it, press keys."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
SECONDS = 40.0


class Tab:
    """One tab; `console` is what was said there, refusals by a page's policy among it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.session = ""
        self.console: list[str] = []
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        session = {"sessionId": self.session} if self.session else {}
        await self.socket.send(json.dumps({"id": number, "method": method, "params": parameters, **session}))
        while (told := await self._hear()).get("id") != number:
            pass
        assert "error" not in told, told
        return told["result"]

    async def _hear(self) -> Any:
        told = json.loads(await self.socket.recv())
        if told.get("method") in ("Runtime.consoleAPICalled", "Log.entryAdded", "Runtime.exceptionThrown"):
            self.console.append(json.dumps(told["params"]))
        return told

    async def open(self, url: str) -> None:
        """Go there, and wait until all that the page names is loaded or refused."""
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(SECONDS):
            while (await self._hear()).get("method") != "Page.loadEventFired":
                pass

    async def ask(self, expression: str) -> Any:
        """What an expression of JavaScript comes to in the page."""
        told = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return told["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Ask at every frame that the browser draws until it is true of the page."""
        async with asyncio.timeout(SECONDS):
            while not (found := await self.ask(expression)):
                await self.ask("new Promise(drawn => requestAnimationFrame(drawn)).then(() => 1)")
        return found

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)


@asynccontextmanager
async def browsing(profile: Path) -> AsyncIterator[Tab]:
    """A browser with an empty profile and one tab."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed: install the package chromium")
    process = await asyncio.create_subprocess_exec(
        *(chromium, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(SECONDS):
            while not (line := (await process.stderr.readline()).decode()).startswith("DevTools listening on "):
                assert line, "Chromium ended before it listened"
        async with connect(line.split()[-1], max_size=64 << 20) as socket:
            tab = Tab(socket)
            targets = (await tab.call("Target.getTargets"))["targetInfos"]
            page = next(target["targetId"] for target in targets if target["type"] == "page")
            tab.session = (await tab.call("Target.attachToTarget", targetId=page, flatten=True))["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                await tab.call(f"{domain}.enable")
            yield tab
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
