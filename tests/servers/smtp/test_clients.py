"""Programs that send mail, made by others, against the sink: what they say, what is kept, what the flows tell."""

from __future__ import annotations

import asyncio
import re
import shutil
import smtplib
import subprocess
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from netlab.flow import Level
from netlab.policy.auth.users import User, make_scram, make_scrypt
from netlab.stores.users import write_users
from servers.smtp.config import Login
from tests.servers.smtp.sinking import Sink, sinking, talk


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


TWO_MESSAGES = (
    *("EHLO me.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "NOOP", "DATA", ".first\r\n."),
    *(
        "mail from:<c@x.test>",
        "RSET",
        "MAIL FROM:<d@x.test> SIZE=8",
        "RCPT TO:<e@y.test>",
        "RCPT TO:<f@y.test>",
        "DATA",
    ),
    *("second\r\n.", "QUIT"),
)


@pytest.mark.parametrize("level", [Level.SUMMARY, Level.FULL])
async def test_the_short_way_keeps_the_same(level: Level) -> None:
    """Usual commands, one to a read, are answered without events where nobody follows: nobody can tell."""
    async with sinking(level=level) as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        heard = [await reader.readline()]
        for line in TWO_MESSAGES:
            writer.write(f"{line}\r\n".encode())
            while True:
                heard.append(await reader.readline())
                if heard[-1][3:4] == b" ":
                    break
        assert await reader.read() == b""
        writer.close()
        first, second = sink.messages
        flows = [(flow.label, flow.result, flow.outcome, flow.received) for flow in sink.flows()]
        [carrier] = sink.flows("tcp")
    assert (first.content, second.content) == (b"first\r\n", b"second\r\n")
    assert first.id < second.id
    assert [heard[n].decode().split()[-1] for n, line in enumerate(heard) if b"kept as" in line] == [
        first.id,
        second.id,
    ]
    begin = [("server", ""), ("client", "RFC 5321 4.1.1.1"), ("server", "")]
    sections = [f"RFC 5321 4.1.1.{clause}" for clause in (2, 3, 9, 4)]
    asked = [line for section in sections for line in (("client", section), ("server", ""))]
    told = [("client", "RFC 5321 4.5.2"), ("server", "RFC 5321 4.5.2")]
    assert [(line.side, line.section) for line in first.transcript] == begin + asked + told
    assert [line.text for line in second.transcript if line.side == "client"] == [
        *(
            "EHLO me.test",
            "MAIL FROM:<d@x.test> SIZE=8",
            "RCPT TO:<e@y.test>",
            "RCPT TO:<f@y.test>",
            "DATA",
            "(11 octets)",
        ),
    ]
    assert [line.time for line in second.transcript] == sorted(line.time for line in second.transcript)
    assert flows == [
        ("<a@x.test> → b@y.test", "250", "ok", 7),
        ("<c@x.test>", "RSET before the message was complete", "cancelled", 0),
        ("<d@x.test> → e@y.test, f@y.test", "250", "ok", 8),
    ]
    assert carrier.received == sum(len(line) + 2 for line in TWO_MESSAGES)


async def swaks(sink: Sink, *more: str, port: int = 0) -> str:
    if shutil.which("swaks") is None:
        pytest.skip("swaks is not installed (package swaks)")
    where = ["--server", f"127.0.0.1:{port or sink.port}", "--timeout", "5"]
    command = ["swaks", *where, "--from", "ada@shop.test", "--to", "bob@shop.test", *more]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_a_second_mail_is_refused_and_costs_the_first_nothing() -> None:
    async with sinking() as sink:
        begun = "EHLO me\r\nMAIL FROM:<a@x.test>\r\nMAIL FROM:<b@x.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n"
        assert await talk(sink.port, f"{begun}.\r\nQUIT\r\n") == [220, 250, 250, 503, 250, 354, 250, 221]
        [kept] = sink.messages
        assert "MAIL FROM:<a@x.test>" in [line.text for line in kept.transcript]
        [flow] = sink.flows()
        assert (flow.label, flow.outcome) == ("<a@x.test> → c@y.test", "ok")


async def test_swaks_pipelines() -> None:
    async with sinking() as sink:
        said = await swaks(sink, "--pipeline")
        assert "<-  250 2.0.0 Ok: kept as" in said
        [flow] = sink.flows()
        assert (flow.label, flow.result) == ("<ada@shop.test> → bob@shop.test", "250")


def program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (package {package})")
    return found


async def ran(*command: str, text: str = "", environment: dict[str, str] | None = None) -> str:
    done = await asyncio.to_thread(
        subprocess.run, command, input=text, capture_output=True, text=True, timeout=30, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("store", ["memory", "none"])
@pytest.mark.one_loop
async def test_smtp_source_brings_many(store: str, reused: bool) -> None:
    source = program("smtp-source", "postfix")
    async with sinking(store=store) as sink:
        sink.server.context.flows.set_level(Level.SUMMARY)
        await ran(source, *["-d"] * reused, "-s", "5", "-m", "60", "-l", "2000", f"127.0.0.1:{sink.port}")
        assert [flow.result for flow in sink.flows()] == ["250"] * 60
        assert len(sink.flows("tcp")) == (5 if reused else 60)
        if store == "memory":
            assert len(sink.messages) == 60


@pytest.mark.one_loop
async def test_curl_sends_inside_starttls_with_a_login(tmp_path: Path) -> None:
    curl, path = program("curl", "curl"), tmp_path / "letter.eml"
    path.write_bytes(letter().as_bytes(policy=SMTP))
    async with sinking(tmp_path, starttls=True, user=(Login("ada", "geheim"),)) as sink:
        where = ["--ssl-reqd", "--cacert", str(tmp_path / "ca" / "ca.pem"), f"smtp://localhost:{sink.port}"]
        who = ["--mail-from", "ada@shop.test", "--mail-rcpt", "bob@shop.test", "-u", "ada:geheim"]
        await ran(
            curl, "-sS", *who, "--upload-file", str(path), "--resolve", f"localhost:{sink.port}:127.0.0.1", *where
        )
        [kept] = sink.messages
    assert (kept.envelope.user, kept.envelope.protocol, kept.envelope.tls) == ("ada", "ESMTPSA", "TLSv1.3")


@pytest.mark.one_loop
async def test_a_file_of_users_knows_whom_netlab_passwd_has_added(tmp_path: Path) -> None:
    """scrypt for PLAIN, in its own time; a verifier for SCRAM."""
    ada = User("ada", (), (make_scrypt("geheim", b"0123456789abcdef", (4, 8, 1)), make_scram("geheim", b"salt")))
    write_users(tmp_path / "users.txt", [ada])
    async with sinking(users=tmp_path / "users.txt", mailboxes="user") as sink:
        for mechanism in ("PLAIN", "LOGIN"):
            await swaks(sink, "--auth", mechanism, "--auth-user", "ada", "--auth-password", "geheim")
        assert [kept.mailboxes for kept in sink.messages] == [("ada",), ("ada",)]
        with pytest.raises(AssertionError, match=r"535 5\.7\.8 User or password are wrong"):
            await swaks(sink, "--auth", "PLAIN", "--auth-user", "ada", "--auth-password", "falsch")
        with pytest.raises(AssertionError, match=r"530 5\.7\.0 Authentication is needed"):
            await swaks(sink)


@pytest.mark.one_loop
async def test_a_mail_program_sends_and_reads(tmp_path: Path) -> None:
    """s-nail, over SMTP and POP3."""
    nail = program("s-nail", "s-nail")
    async with sinking() as sink:
        home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        sets = ["-S", "v15-compat=yes", "-S", f"mta=smtp://127.0.0.1:{sink.port}", "-S", "smtp-auth=none"]
        await ran(
            nail,
            "-:/",
            *sets,
            "-r",
            "ada@shop.test",
            "-s",
            "Hello",
            "bob@shop.test",
            text="How are you?\n",
            environment=home,
        )
        box = f"pop3://bob:x@127.0.0.1:{sink.ports['pop3']}"
        sets = ["-S", "v15-compat=yes", "-S", "pop3-auth=plain", "-S", "pop3-no-apop"]
        said = await ran(nail, "-:/", "-R", *sets, "-f", box, text="type 1\nxit\n", environment=home)
        assert "How are you?" in said


@pytest.mark.one_loop
async def test_trace_fields_on_request() -> None:
    async with sinking(received=True) as sink:
        await swaks(sink, "--helo", "me.test")
        [kept] = sink.messages
    message = message_from_bytes(kept.content)
    assert message["Return-Path"] == "<ada@shop.test>"
    by = rf"from me\.test \(\[127\.0\.0\.1\]\)\s+by netlab\.test with ESMTP id {kept.id}\s+for <bob@shop\.test>; .+"
    assert re.fullmatch(by, message["Received"])
