"""The dashboard in a browser: live, by keyboard, with hostile content that does nothing, and with very many flows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chromium import browsing
from tests.dashboard.test_api import shown

pytestmark = pytest.mark.one_loop
HOSTILE = "/anything/%3Cimg%20src=x%20onerror=document.title=1%3E"
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


async def test_live_flows_details_and_hostile_content(tmp_path: Path) -> None:
    async with shown() as here, browsing(tmp_path) as tab:
        await tab.open(f"http://127.0.0.1:{here.ports['dashboard']}/#{here.page.token}")
        await tab.until("document.querySelector('#live').className === 'on'")
        await here.fetch("/hello")
        await tab.until("document.querySelectorAll('.flow').length === 1")
        await here.fetch(HOSTILE, f"X-Evil: {SCRIPT}\r\nUser-Agent: {SCRIPT}\r\nCookie: a={SCRIPT}\r\n")
        await tab.until("document.querySelectorAll('.flow').length === 2")
        await tab.press("j")
        await tab.press("Enter")
        await tab.until("document.querySelector('.detail').textContent.includes('X-Evil')")
        await tab.until("document.querySelectorAll('.detail details').length === 2")
        assert await tab.ask("document.querySelectorAll('.detail img, .detail script').length") == 0
        assert await tab.ask("document.querySelector('.detail').textContent.includes(\"onerror\")")
        await tab.ask("document.querySelector('.detail details').open = true")
        await tab.until("document.querySelectorAll('.hex span').length > 50")
        assert await tab.ask("document.title") == "netlab"
        assert await tab.ask("location.hash") == ""
        for number, words in enumerate(("filter", "balancer", "mail", "mqtt", "resolver", "Services"), 1):
            await tab.press(str(number))
            if number > 1:
                await tab.until(
                    f"document.querySelector('#view').textContent.toLowerCase().includes('{words.lower()}')"
                )
        assert not [line for line in tab.console if "Content Security Policy" in line or "exception" in line.lower()]


async def test_twenty_thousand_flows_are_a_few_rows(tmp_path: Path) -> None:
    async with shown() as here, browsing(tmp_path) as tab:
        for number in range(20_000):
            flow = here.lab.flows.open("http", "http")
            flow.client, flow.server, flow.label = ("127.0.0.1", 5), ("127.0.0.1", 6), f"GET /{number}"
            flow.end("ok", "200")
        await tab.open(f"http://127.0.0.1:{here.ports['dashboard']}/")
        await tab.until("document.querySelector('.bar .soft').textContent.startsWith('20000 flows')")
        assert await tab.ask("document.querySelectorAll('.flow').length") < 100
        await tab.ask("document.querySelector('.list').scrollTop = 1e9")
        await tab.until("[...document.querySelectorAll('.flow')].some(row => row.textContent.includes('GET /0'))")
        assert await tab.ask("document.querySelectorAll('.flow').length") < 100
