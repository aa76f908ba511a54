"""What clients do wrong, or to do harm: a reply with the reason, a bounded cost, never half a message."""

from __future__ import annotations

import asyncio

import pytest

from netlab.config import Address
from netlab.flow import Outcome
from servers.smtp.pop3 import Pop3Session
from servers.smtp.session import SmtpSession
from tests.servers.smtp.sinking import sinking, talk

pytestmark = pytest.mark.one_loop

BEGUN = b"EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"


async def test_replies_of_one_read_leave_in_one_write() -> None:
    async with sinking() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        await reader.readline()
        writer.write(BEGUN + b"DATA\r\nhi\r\n.\r\nNOOP\r\nQUIT\r\n")
        await reader.read()
        writer.close()
        [connection] = sink.flows("tcp")
        assert connection.wire is not None
        sizes = [len(chunk.data) for chunk in connection.wire.chunks if chunk.side == "server"]
        assert len(sizes) == 3  # the greeting; all up to the message, which is waited for; the rest


async def test_junk_behind_a_message_is_answered_and_the_message_kept() -> None:
    async with sinking() as sink:
        assert await talk(sink.port, BEGUN + b"DATA\r\nhi\r\n.\r\n\x00\xff junk\r\n\r\nQUIT\r\n") == [
            220, 250, 250, 250, 354, 250, 500, 500, 221,
        ]  # fmt: skip
        assert [kept.content for kept in sink.messages] == [b"hi\r\n"]


@pytest.mark.parametrize(
    "said",
    [
        b"DATA\r\nhalf a message",
        b"DATA\r\nhalf a message\r\n.\r",
        b"BDAT 1000 LAST\r\nfar less than that",
        b"BDAT 5\r\nhello",
        b"DATA\r\nfirst\n.\r\nMAIL FROM:<smuggled@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nsecond\r\n.\r\n",
    ],
)
async def test_half_a_message_is_no_message(said: bytes) -> None:
    async with sinking() as sink:
        await talk(sink.port, BEGUN + said, end=True)
        assert sink.messages == []
        [flow] = sink.flows()
        assert flow.outcome in (Outcome.CUT, Outcome.VIOLATION)


async def test_a_bdat_that_is_longer_than_it_says_leaves_junk() -> None:
    async with sinking() as sink:
        codes = await talk(sink.port, BEGUN + b"BDAT 2 LAST\r\nhithere\r\nQUIT\r\n")
        assert codes == [220, 250, 250, 250, 250, 500, 221]
        assert [kept.content for kept in sink.messages] == [b"hi"]


async def test_a_message_that_is_too_large_costs_its_reading_only() -> None:
    async with sinking(max_message=10_000) as sink:
        said = BEGUN + b"DATA\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 998 + b"\r\n") * 3000 + b".\r\nQUIT\r\n"
        assert await talk(sink.port, said) == [220, 250, 250, 250, 354, 552, 221]
        said = (
            BEGUN.replace(b"x.test>", b"x.test> SIZE=10001") + b"BDAT 3000000 LAST\r\n" + b"z" * 3_000_000 + b"QUIT\r\n"
        )
        assert await talk(sink.port, said) == [220, 250, 552, 503, 503, 221]
        assert sink.messages == []


async def test_endless_lines_end() -> None:
    async with sinking() as sink:
        assert await talk(sink.port, b"x" * (2 << 20)) == [220, 500]
        [flow] = sink.flows("tcp")
        assert flow.outcome == Outcome.VIOLATION


async def test_a_drip_ends_with_421() -> None:
    """Bytes do not move the deadline of a command, nor that of a message."""
    async with sinking(command_timeout=0.05, message_timeout=0.05) as sink:
        assert await talk(sink.port, b"EHL") == [220, 421]
        assert await talk(sink.port, BEGUN + b"DATA\r\nhalf") == [220, 250, 250, 250, 354, 421]
        assert sink.messages == []


async def test_a_sink_that_ends_says_421() -> None:
    async with sinking() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        await reader.readline()
    assert (await reader.read()).startswith(b"421 4.3.2 ")
    writer.close()


async def test_a_full_sink_says_421() -> None:
    async with sinking(max_connections=1) as sink:
        _, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        assert await talk(sink.port, b"") == [421]
        writer.close()


@pytest.mark.parametrize("scheme", ["smtp", "pop3"])
async def test_who_asks_and_does_not_read_is_not_read_from(scheme: str) -> None:
    """Replies are many times as long as what asks for them: they must not pile up."""
    async with sinking(pop3_listen=Address("127.0.0.1", 0)) as sink:
        asked, line = (b"EHLO me\r\n", b"HELP\r\n") if scheme == "smtp" else (b"USER x\r\n", b"CAPA\r\n")
        _, writer = await asyncio.open_connection("127.0.0.1", sink.ports[scheme], limit=1000)
        writer.write(asked + line * 60_000)
        [session] = sink.server.gate.connections
        assert isinstance(session, SmtpSession | Pop3Session)
        while not session.writing_paused:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert session.transport.get_write_buffer_size() < 1 << 20
        assert not session.transport.is_reading()
        writer.transport.abort()


async def test_everything_is_answered_to_who_reads_late() -> None:
    async with sinking() as sink:
        codes = await talk(sink.port, b"EHLO me\r\n" + b"HELP\r\n" * 5000 + b"QUIT\r\n")
        assert codes == [220, 250, *[214] * 5000, 221]
