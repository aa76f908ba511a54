"""`netlab mail send` against netlab's sink and aiosmtpd, and against servers that say no."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from clients.mail.send import Config, run
from netlab.config import Address
from netlab.errors import ConnectionLost, NetlabError, RemoteProtocolError, UsageError
from netlab.net.mail import NotTaken
from netlab.policy.mail_chaos import parse_chaos
from servers.smtp.config import Login
from tests.servers.smtp.sinking import Sink, sinking

pytestmark = pytest.mark.one_loop


def config(port: int, *to: str, **settings: Any) -> Config:
    return Config(to=to or ("bob@shop.test",), server=Address("127.0.0.1", port), timeout=5.0, **settings)


async def sent(sink: Sink, *to: str, **settings: Any) -> bytes:
    assert await run(config(sink.port, *to, **settings)) == 0
    return sink.messages[-1].content


async def test_a_message_and_its_conversation(capsys: pytest.CaptureFixture[str]) -> None:
    async with sinking() as sink:
        content = await sent(sink, subject="Grüße", text=".dot\nend\n")
    assert b"Subject: =?utf-8?" in content
    assert content.endswith(b"\r\n\r\n.dot\r\nend\r\n")
    said = capsys.readouterr().out
    assert re.search(r"> MAIL FROM:<netlab@localhost> SIZE=\d+   \(RFC 5321 4\.1\.1\.2\)", said)
    assert "< 354 End the message" in said


@pytest.mark.parametrize("rule", ["quit drop", "quit 421", "quit refuse=500"])
async def test_a_farewell_that_is_lost_unmakes_nothing(rule: str) -> None:
    async with sinking(chaos=(parse_chaos(rule),)) as sink:
        await sent(sink, quiet=True)


@pytest.mark.parametrize("mechanism", ["", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
async def test_it_logs_in_by_each_mechanism(mechanism: str) -> None:
    async with sinking(user=(Login("ada", "geheim"),)) as sink:
        await sent(sink, user="ada", password="geheim", mechanism=mechanism, quiet=True)
        assert sink.messages[0].envelope.user == "ada"
        with pytest.raises((NotTaken, NetlabError), match="refused"):
            await run(config(sink.port, user="ada", password="falsch", mechanism=mechanism, quiet=True))


async def test_inside_tls(tmp_path: Path) -> None:
    async with sinking(tmp_path, starttls=True, tls=True) as sink:
        ca = tmp_path / "ca" / "ca.pem"
        await sent(sink, starttls=True, cacert=ca, quiet=True)
        assert await run(config(sink.ports["smtps"], tls=True, cacert=ca, quiet=True)) == 0
        assert [kept.envelope.protocol for kept in sink.messages] == ["ESMTPS", "ESMTPS"]
        with pytest.raises(NetlabError, match="certificate"):
            await run(config(sink.port, starttls=True, quiet=True))


async def test_by_chunks_and_from_a_file(tmp_path: Path) -> None:
    letter = tmp_path / "letter.eml"
    letter.write_bytes(b"Subject: x\n\n" + b"line\n" * 100)
    async with sinking() as sink:
        content = await sent(sink, file=str(letter), chunks=100, quiet=True, notify="SUCCESS")
        assert content == b"Subject: x\r\n\r\n" + b"line\r\n" * 100
        assert sink.messages[0].envelope.recipients[0].original == "rfc822;bob@shop.test"
        content = await sent(sink, "é@shop.test", attach=(letter,), quiet=True)
        assert sink.messages[1].envelope.smtputf8
        assert b'filename="letter.eml"' in content


async def test_who_is_refused_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    async with sinking(chaos=(parse_chaos("rcpt refuse=550 to=eve@*"),)) as sink:
        assert await run(config(sink.port, "bob@shop.test", "eve@shop.test", json=True)) == 1
        found = json.loads(capsys.readouterr().out)
        assert list(found["refused"]) == ["eve@shop.test"]
        with pytest.raises(NotTaken, match=r"eve@shop\.test"):
            await run(config(sink.port, "eve@shop.test", quiet=True))
        while not (flow := sink.flows()[-1]).ended:
            await asyncio.sleep(0)
        assert (flow.outcome, flow.result[:3]) == ("refused", "550")


async def test_aiosmtpd_takes_it() -> None:
    class Handler:
        content = b""

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            self.content = envelope.content
            return "250 Ok"

    handler, loop = Handler(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="other.test", loop=loop), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await run(config(port, text=".a\n..b\n", quiet=True)) == 0
    assert handler.content.endswith(b"\r\n\r\n.a\r\n..b\r\n")


@asynccontextmanager
async def saying(*words: bytes) -> AsyncIterator[int]:
    """A server that says this, a piece for each read, whatever is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for each in words:
            writer.write(each)
            await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ([b"554 no\r\n"], NotTaken, "the connection was refused: 554 no"),
        ([b"hello\r\n"], RemoteProtocolError, "that is no reply"),
        ([b"220 hi\r\n", b"250-a\r\n550 b\r\n"], RemoteProtocolError, "different codes"),
        ([b"220 hi\r\n", b"250 a\r\n250 b\r\n"], RemoteProtocolError, "a reply to nothing"),
        ([b"220 hi\r\n"], (RemoteProtocolError, ConnectionLost), "without a reply to EHLO|ended the connection"),
        ([b"220 hi\r\n", b"421 busy\r\n"], NotTaken, "421 busy"),
    ],
)
async def test_servers_that_say_other_things(words: list[bytes], error: Any, match: str) -> None:
    async with saying(*words) as port:
        with pytest.raises(error, match=match):
            await run(config(port, quiet=True))


def test_what_is_no_address_is_no_address() -> None:
    with pytest.raises(UsageError, match="no address"):
        Config(to=("a b@c",))
    with pytest.raises(UsageError, match="to whom"):
        Config(to=())
