"""The mailboxes by POP3: poplib and curl, what a session may do when, TLS inside, and mechanisms."""

from __future__ import annotations

import asyncio
import poplib
import re
import shutil
import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

from servers.smtp.config import Login
from tests.servers.smtp.sinking import Sink, sinking

pytestmark = pytest.mark.one_loop

ONE = b"Subject: one\r\n\r\n.first\r\nsecond\r\n"
TWO = b"Subject: two\r\n\r\nno end of line"


async def send(sink: Sink, *contents: bytes, to: str = "bob@shop.test") -> None:
    def work() -> None:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=5) as client:
            for content in contents:
                client.sendmail("ada@shop.test", to, content)

    await asyncio.to_thread(work)


async def say(sink: Sink, *lines: str) -> list[str]:
    """One line at a time; the first line of each reply, the greeting first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.ports["pop3"])
    heard = [(await reader.readline()).decode().rstrip()]
    for line in lines:
        writer.write(line.encode() + b"\r\n")
        heard.append((await reader.readline()).decode().rstrip())
    writer.close()
    return heard


async def test_poplib_reads_and_deletes() -> None:
    def work(port: int) -> list[object]:
        client = poplib.POP3("127.0.0.1", port, timeout=5)
        client.user("bob")
        client.pass_("whatever")
        found: list[object] = [client.stat(), client.list()[1], client.retr(1)[1], client.top(1, 1)[1]]
        uids = [line.split()[1] for line in client.uidl()[1]]
        found.append([len(uid) for uid in uids])
        client.dele(1)
        found.append(client.stat())
        client.quit()
        return found

    async with sinking() as sink:
        await send(sink, ONE, TWO)
        stat, listing, first, top, uids, left = await asyncio.to_thread(work, sink.ports["pop3"])
        size = len(TWO) + 2  # the transfer ends its last line
        assert stat == (2, len(ONE) + size)
        assert listing == [b"1 %d" % len(ONE), b"2 %d" % size]
        assert first == [b"Subject: one", b"", b".first", b"second"]
        assert top == [b"Subject: one", b"", b".first"]
        assert (uids, left) == ([22, 22], (1, size))
        assert [kept.content for kept in sink.messages] == [TWO + b"\r\n"]


async def test_curl_fetches_over_stls(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (package curl)")
    async with sinking(tmp_path, starttls=True) as sink:
        await send(sink, ONE)
        command = ["curl", "-sS", "--ssl-reqd", "-k", "-u", "bob:secret", f"pop3://127.0.0.1:{sink.ports['pop3']}/1"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=20, check=True)
        assert done.stdout == ONE
        labels = [flow.label for flow in sink.flows("tcp")]
        assert "POP3 bob" in labels


async def test_commands_have_their_time() -> None:
    async with sinking(user=(Login("bob", "secret"),)) as sink:
        heard = await say(
            sink,
            "STAT",
            "PASS x",
            "USER bob",
            "PASS wrong",
            "USER bob",
            "PASS secret",
            "USER eve",
            "LIST 1",
            "RETR",
            "TOP 1",
            "DELE 7",
            "RSET",
            "NOOP",
            "NONSENSE",
            "QUIT",
        )
        assert [line.split(" ")[0] for line in heard] == (
            ["+OK", "-ERR", "-ERR", "+OK", "-ERR", "+OK", "+OK"] + ["-ERR"] * 5 + ["+OK", "+OK", "-ERR", "+OK"]
        )
        assert heard[4] == "-ERR [AUTH] user or password are wrong"


async def test_a_mailbox_is_open_once_and_each_has_its_own() -> None:
    async with sinking(mailboxes="recipient") as sink:
        await send(sink, ONE)
        await send(sink, TWO, to="eve@shop.test")
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.ports["pop3"])
        writer.write(b"USER Bob@Shop.test\r\nPASS x\r\nSTAT\r\n")
        await reader.readuntil(f"+OK 1 {len(ONE)}\r\n".encode())
        assert "[IN-USE]" in (await say(sink, "USER bob@shop.test", "PASS x"))[-1]
        assert (await say(sink, "USER eve@shop.test", "PASS x", "STAT"))[-1] == f"+OK 1 {len(TWO) + 2}"
        writer.close()


async def test_capa_lists_what_may_be_used(tmp_path: Path) -> None:
    def work(port: int) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        client = poplib.POP3("127.0.0.1", port, timeout=5)
        before = client.capa()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.stls(context)
        after = client.capa()
        client.quit()
        return before, after

    async with sinking(tmp_path, starttls=True, user=(Login("bob", "secret"),)) as sink:
        before, after = await asyncio.to_thread(work, sink.ports["pop3"])
        assert {"TOP", "UIDL", "USER", "STLS", "SASL", "PIPELINING", "RESP-CODES"} <= before.keys()
        assert "STLS" not in after
        assert before["SASL"] == ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"]
        heard = await say(sink, "AUTH PLAIN AGJvYgBzZWNyZXQ=", "STAT")
        assert heard[-1] == "+OK 0 0"
        heard = await say(sink, "AUTH LOGIN", "Ym9i", "c2VjcmV0")
        assert [re.sub(r"(\+OK|-ERR).*", r"\1", line) for line in heard[1:]] == [
            "+ VXNlcm5hbWU6",
            "+ UGFzc3dvcmQ6",
            "+OK",
        ]
        assert (await say(sink, "AUTH CRAM-MD5", "*"))[-1] == "-ERR authentication was ended"
