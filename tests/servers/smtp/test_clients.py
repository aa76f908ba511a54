"""Programs that send mail, made by others, against the sink: what they say, what is kept, what the flows tell."""

from __future__ import annotations

import asyncio
import shutil
import smtplib
import subprocess
from email.message import EmailMessage

import pytest

from tests.servers.smtp.sinking import Sink, sinking


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ada@shop.test", "bob@shop.test", "Grüße"
    message.set_content(".a line that begins with a dot\n..two\nend\n")
    return message


async def test_smtplib_leaves_a_message_with_its_envelope() -> None:
    def send(port: int) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            return client.send_message(letter(), to_addrs=["bob@shop.test", "eve@shop.test"])

    async with sinking() as sink:
        assert await asyncio.to_thread(send, sink.port) == {}
        [kept] = sink.messages
    assert [each.address for each in kept.envelope.recipients] == ["bob@shop.test", "eve@shop.test"]
    assert (kept.envelope.sender, kept.envelope.protocol) == ("ada@shop.test", "ESMTP")
    assert b"\r\n\r\n.a line that begins with a dot\r\n..two\r\nend\r\n" in kept.content
    said = [line.text.split()[0] for line in kept.transcript if line.side == "client"]
    assert said == ["ehlo", "mail", "rcpt", "rcpt", "data", f"({len(kept.content) + 2 + 3}"]


async def swaks(sink: Sink, *more: str, port: int = 0) -> str:
    if shutil.which("swaks") is None:
        pytest.skip("swaks is not installed (package swaks)")
    where = ["--server", f"127.0.0.1:{port or sink.port}", "--timeout", "5"]
    command = ["swaks", *where, "--from", "ada@shop.test", "--to", "bob@shop.test", *more]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_swaks_pipelines() -> None:
    async with sinking() as sink:
        said = await swaks(sink, "--pipeline")
        assert "<-  250 2.0.0 Ok: kept as" in said
        [flow] = sink.flows()
        assert (flow.label, flow.result) == ("<ada@shop.test> → bob@shop.test", "250")
