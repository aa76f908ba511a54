"""A sink that is killed under load, ten times on one store: what it acknowledged is there, and nothing by halves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from netlab.stores.mail import SqliteStore
from tests.mortal import born, zygote

KILLS = 10
CLIENTS = 8
SECONDS = 30.0
BODY = b"".join(b"line %d of a message that is to come whole\r\n" % number for number in range(40))


def message(name: str) -> bytes:
    return f"From: load@shop.test\r\nTo: ada@x.test\r\nSubject: {name}\r\n\r\n".encode() + BODY + b"the end\r\n"


async def send(port: int, names: list[str], acknowledged: set[str], enough: asyncio.Event, limit: int) -> None:
    """Pipelined sessions, one message behind the other, until the sink is gone; `names` is what was begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.readuntil(b"220 ")
        writer.write(b"HELO load\r\n")
        await reader.readuntil(b"250 ")
        await reader.readline()
        while True:
            name = f"message-{os.urandom(6).hex()}"
            names.append(name)
            writer.write(b"MAIL FROM:<load@shop.test>\r\nRCPT TO:<ada@x.test>\r\nDATA\r\n")
            for _ in range(3):
                await reader.readuntil(b"\r\n")
            writer.write(message(name) + b".\r\n")
            if (await reader.readuntil(b"\r\n")).startswith(b"250"):
                acknowledged.add(name)
            if len(acknowledged) >= limit:
                enough.set()
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.one_loop
async def test_no_acknowledged_message_is_lost(tmp_path: Path) -> None:
    names: list[str] = []
    acknowledged: set[str] = set()
    async with zygote("servers.smtp") as parent:
        for _ in range(KILLS):
            pid, port = await born(parent, tmp_path / "mail.db")
            enough = asyncio.Event()
            limit = len(acknowledged) + 40
            sending = asyncio.gather(*(send(port, names, acknowledged, enough, limit) for _ in range(CLIENTS)))
            async with asyncio.timeout(SECONDS):
                await enough.wait()
                os.kill(pid, signal.SIGKILL)
                await sending
    store = SqliteStore(tmp_path / "mail.db")
    async with asyncio.timeout(SECONDS):
        while store.digesting.behind:
            await store.digesting.caught_up()
    kept = {summary["Subject"]: summary["ID"] for summary in (await store.list(limit=100_000)).summaries}
    assert len(acknowledged) >= KILLS * 40
    assert acknowledged <= kept.keys()
    assert kept.keys() <= set(names)
    for name, identifier in kept.items():
        content = await store.content(identifier)
        assert content is not None
        assert content.endswith(message(name)), name
    await store.close()
