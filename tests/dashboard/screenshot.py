"""The picture of README, from a real run: `netlab up`, some requests, and its page in a headless Chromium.

Run it where the usual ports are free:
    unshare -rn sh -c "ip link set lo up; python -m tests.dashboard.screenshot docs/dashboard.png"
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chromium import browsing
from tests.netlab_process import place

PROXY = ("curl", "-s", "-o", "/dev/null", "-x", "http://127.0.0.1:3128")
ASKED = (
    (*PROXY, "http://www.shop.test/"),
    ("dig", "@127.0.0.1", "-p", "5300", "www.shop.test", "+short"),
    (*PROXY, "http://api.shop.test/v2/products?limit=1"),
    ("curl", "-s", "-o", "/dev/null", "http://127.0.0.1:8080/status/404"),
    (*PROXY, "http://www.shop.test/shop/tea-mint"),
)


async def picture(address: str, file: Path) -> None:
    with tempfile.TemporaryDirectory() as profile:
        async with browsing(Path(profile)) as tab:
            await tab.call(
                "Emulation.setDeviceMetricsOverride", width=1280, height=720, deviceScaleFactor=1, mobile=False
            )
            await tab.open(address)
            await tab.until("document.querySelectorAll('.flow').length > 9")
            await tab.press("j")
            await tab.press("Enter")
            await tab.until("document.querySelectorAll('.detail details').length > 1")
            shot = await tab.call("Page.captureScreenshot", format="png")
            file.write_bytes(base64.b64decode(shot["data"]))


def main(file: Path) -> None:
    with place() as here, here.start("up", "-q", "--json") as process:
        endpoints = json.loads(process.line())["endpoints"]
        address = next(endpoint["url"] for endpoint in endpoints if endpoint["name"] == "dashboard")
        for command in ASKED:
            subprocess.run(command, env=dict(here.environment), check=True, stdout=subprocess.DEVNULL, timeout=20)
        asyncio.run(picture(address, file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
