"""The short way of a mail sink, on which nobody decides: it ends, waits and records as the long one does."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from netlab.flow import Level
from tests.servers.smtp.sinking import Sink, sinking

pytestmark = pytest.mark.one_loop
LEVELS = pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
BEGUN = (b"EHLO me\r\n", b"MAIL FROM:<a@x.test>\r\n", b"RCPT TO:<b@y.test>\r\n", b"DATA\r\n")


class Client:
    """Says a line, and reads its reply."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, said: bytes) -> bytes:
        self.writer.write(said)
        return await self.reply()

    async def reply(self) -> bytes:
        async with asyncio.timeout(10):
            while (line := await self.reader.readline())[3:4] == b"-":
                pass
        return line


async def say(client: socket.socket, line: bytes) -> None:
    """And give the server some turns of the loop to answer."""
    await asyncio.get_running_loop().sock_sendall(client, line)
    for _ in range(4):
        await asyncio.sleep(0)


async def greeted(sink: Sink) -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", sink.port))
    assert (await client.reply()).startswith(b"220 ")
    return client


@LEVELS
async def test_a_drain_lets_a_message_end_and_then_says_goodbye(level: Level) -> None:
    async with sinking(level=level, store="none") as sink:
        client = await greeted(sink)
        for said in BEGUN[:3]:
            assert (await client.ask(said)).startswith(b"250 ")
        sink.server.gate.drain()
        assert (await client.ask(BEGUN[3])).startswith(b"354 ")
        assert (await client.ask(b"Subject: x\r\n\r\nhello\r\n.\r\n")).startswith(b"250 ")
        assert (await client.reply()).startswith(b"421 4.3.2 ")
        assert await client.reader.read() == b""
        client.writer.close()


@LEVELS
async def test_a_client_that_does_not_read_has_the_time_of_a_writer(level: Level) -> None:
    async with sinking(level=level, store="none") as sink:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a line a read
            client.connect(("127.0.0.1", sink.port))
            client.setblocking(False)
            assert (await loop.sock_recv(client, 100)).startswith(b"220 ")
            (session,) = sink.server.gate.connections
            session.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            async with asyncio.timeout(20):
                while not session.writing_paused:
                    await say(client, b"EHLO me\r\n")
            await say(client, b"RSET\r\n")  # and what it says behind that changes nothing
            assert session.stage == "write"
            assert session.deadline <= loop.time() + session.write_timeout


async def test_a_level_that_is_raised_before_starttls_is_that_of_all_inside(tmp_path: Path) -> None:
    async with sinking(tmp_path, level=Level.SUMMARY, store="none", starttls=True) as sink:
        client, flows = await greeted(sink), sink.server.context.flows
        await client.ask(b"EHLO me\r\n")
        watching = flows.subscribe(level=Level.FULL)
        assert (await client.ask(b"STARTTLS\r\n")).startswith(b"220 ")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await client.writer.start_tls(context)
        talk = (*BEGUN, b"Subject: x\r\n\r\nhello\r\n.\r\n", b"QUIT\r\n")
        for said in talk:
            await client.ask(said)
        client.writer.close()
        (inside,) = [flow for flow in flows if flow.plain is not None]
        assert inside.plain is not None
        assert inside.plain.offsets["client"] == sum(map(len, talk))
        assert b"".join(chunk.data for chunk in inside.plain.chunks if chunk.side == "client") == b"".join(talk)
        assert [event.name for event in inside.events or ()].count("command.received") >= 2
        watching.close()
