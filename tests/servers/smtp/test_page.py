"""The page in a real browser, with a message whose sender wants it to do and load all it can."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.chromium import browsing
from tests.servers.smtp.sinking import sinking

HOSTILE = """<link rel=preconnect href="{c}"><link rel=dns-prefetch href="{c}"><link rel=stylesheet href="{c}/s.css">
<LINK rel=prefetch href="{c}/pre"><meta http-equiv=refresh content="0;url={c}/r"><base href="{c}">
<style>@import "{c}/i.css"; @font-face{{font-family:x;src:url({c}/font)}} body{{font-family:x}}
body{{background:url({c}/b.png)}}
</style>
<h1 id=x>untouched Grüße</h1>
<script>document.getElementById("x").textContent = "RUN"; parent.postMessage("RUN", "*"); fetch("{c}/f")</script>
<script src="{c}/x.js"></script>
<script type=speculationrules>{{"prefetch":[{{"urls":["{c}/s"]}}]}}</script>
<img src="{c}/p.gif" width=1 height=1 onerror="document.title = 'RUN'">
<img srcset="{c}/2x 2x"><iframe src="{c}/frame">
</iframe><iframe srcdoc="<img src={c}/doc>"></iframe><object data="{c}/o"></object><embed src="{c}/e">
<video src="{c}/v" autoplay poster="{c}/poster"></video>
<svg onload="document.title = 'RUN'"><image href="{c}/svg"/></svg>
<form action="{c}/form"><input autofocus onfocus="this.form.submit()"></form><a ping="{c}/ping" href="{c}">bank.test</a>
<a href="javascript:document.title='RUN'" id=j>x</a><img src="cid:own">"""
PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


def hostile(canary: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = '<img src=x onerror="document.title=`RUN`">=?x-evil?q?=3Cscript=3E?='
    message["To"] = '"</a><script>document.title=`RUN`</script>" <bob@x.test>'
    message.set_content("plain")
    message.add_alternative(HOSTILE.format(c=canary), subtype="html", charset="iso-8859-1")
    message.get_payload()[1].add_related(PIXEL, "image", "gif", cid="<own>")  # type: ignore[index, union-attr]
    message.add_attachment("<script>opener.document.title = 'RUN'</script>", subtype="html", filename="../../<b>.html")
    return message.as_bytes(policy=SMTP)


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[tuple[str, list[str]]]:
    """Where the message wants to load from, and who connected there: whoever only connects counts, too."""
    came: list[str] = []

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("a connection")
        came.append((await reader.read(200)).decode("latin-1"))
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came


def send(port: int, content: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail("eve@evil.test", "bob@x.test", content)


@pytest.mark.one_loop
async def test_a_hostile_message_does_and_loads_nothing(tmp_path: Path) -> None:
    async with watched() as (canary, came), sinking() as sink, browsing(tmp_path) as tab:
        page = f"http://127.0.0.1:{sink.ports['http']}"
        await tab.open(page)
        await tab.until("document.getElementById('live').className === 'on'")
        await asyncio.to_thread(send, sink.port, hostile(canary))
        title = await tab.until("document.querySelector('#list .subject')?.textContent")  # it appears by itself
        assert title == '<img src=x onerror="document.title=`RUN`"><script>'
        await tab.press("j")
        assert await tab.until("document.querySelector('#panel pre')?.textContent") == "plain\n"
        await tab.press("2")
        frame = "document.querySelector('iframe[sandbox=\"\"]')"
        await tab.until(f"{frame} && performance.getEntriesByName({frame}.src).length && 1")
        for key, shown in (
            ("3", "Content-Type: multipart/mixed"),
            ("4", "multipart/related"),
            ("5", "MIME-Version"),
            ("6", "too small to be seen"),
            ("7", "RFC 5321 4.1.1.2"),
        ):
            await tab.press(key)
            await tab.until(f"document.getElementById('panel').textContent.includes({shown!r})")
        assert await tab.ask("document.title") == "Mail"
        assert await tab.ask("document.querySelectorAll('main script, main img, main iframe').length") == 0
        assert tab.console == []  # nothing of the page was refused by its own policy
        identifier = sink.messages[0].id
        await tab.open(f"{page}/view/{identifier}.html")  # on its own, without the frame
        assert await tab.until("document.getElementById('x')?.textContent") == "untouched Grüße"
        await tab.until("document.readyState === 'complete'")
        assert await tab.ask("document.querySelectorAll('img')[2].naturalWidth") == 1  # its own image is there
        assert await tab.ask("document.title") == ""
    assert came == []


@pytest.mark.one_loop
async def test_keys_search_and_deleting(tmp_path: Path) -> None:
    async with sinking() as sink, browsing(tmp_path) as tab:
        for subject in ("first", "second", "third"):
            content = f"Subject: {subject}\r\nTo: bob@x.test\r\n\r\nabout {subject}\r\n".encode()
            await asyncio.to_thread(send, sink.port, content)
        await tab.open(f"http://127.0.0.1:{sink.ports['http']}")
        await tab.until("document.querySelectorAll('#list li').length === 3")
        await tab.press("/")
        await tab.call("Input.insertText", text="second")
        await tab.until("document.querySelectorAll('#list li').length === 1")
        await tab.press("Escape")
        await tab.press("j")
        assert await tab.until("document.querySelector('#panel pre')?.textContent") == "about second\n"
        await tab.press("#")
        await tab.until("document.getElementById('count').textContent.startsWith('2 messages, 2 unread')")
        assert [b"Subject: second" in each.content for each in sink.messages] == [False, False]
