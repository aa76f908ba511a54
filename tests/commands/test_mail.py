"""`netlab mail` against a running sink: listed, awaited, shown, deleted, moved in and out of others' files."""

from __future__ import annotations

import asyncio
import json
import mailbox
import smtplib
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from netlab.cli import run as netlab
from netlab.commands.mail import ACTIONS
from netlab.errors import UsageError
from netlab.stores.mail_archive import read_archive
from tests.servers.smtp.sinking import Sink, sinking

pytestmark = pytest.mark.one_loop
Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `netlab mail …` against a sink; its code and what it printed."""

    async def run(sink: Sink, *arguments: str) -> tuple[int, str]:
        api = f"http://127.0.0.1:{sink.ports['http']}"
        code = await asyncio.to_thread(netlab, ["mail", arguments[0], "--api", api, *arguments[1:]])
        return code, capsys.readouterr().out

    return run


def send(port: int, *subjects: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for subject in subjects:
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "Shop <shop@shop.test>", "ada@x.test", subject
            message["Received"] = "from a.test by b.test with ESMTP id 1; Mon, 23 Nov 2026 12:00:05 +0000"
            message.set_content(f"From now on: {subject}\n>From here, too\nhttps://shop.test/{subject}\n")
            client.send_message(message)


async def test_list_wait_show_delete(command: Command) -> None:
    async with sinking() as sink:
        assert await command(sink, "list") == (0, "no messages\n")
        waiting = asyncio.get_running_loop().create_task(command(sink, "wait", "--json", "subject:two"))
        await asyncio.to_thread(send, sink.port, "one", "two")
        code, out = await waiting
        assert (code, json.loads(out)["Subject"]) == (0, "two")
        code, out = await command(sink, "list")
        assert [line.rpartition("  ")[2] for line in out.splitlines()] == ["two", "one"]
        assert "* " in out
        assert "Shop <shop@shop.test> → ada@x.test" in out
        code, out = await command(sink, "list", "--json", "from:shop", "subject:one")
        [one] = json.loads(out)
        assert (await command(sink, "list", "nothing"))[0] == 1
        assert await command(sink, "wait", "--timeout", "50ms", "nothing") == (1, "no message matched within 0.05 s\n")
        assert (await command(sink, "wait", "--new", "--timeout", "50ms"))[0] == 1
        assert (await command(sink, "wait", "--after", one["ID"]))[1].endswith("  two\n")
        code, out = await command(sink, "show", one["ID"])
        assert "Subject:  one\n" in out
        assert out.endswith("From now on: one\n>From here, too\nhttps://shop.test/one\n")
        code, out = await command(sink, "show", "--as", "explained")
        for told in ("a.test → b.test", "link   https://shop.test/two", "RFC 5321 4.1.1.2", "0  text/plain"):
            assert told in out
        assert json.loads((await command(sink, "show", "--json"))[1])["Subject"] == "two"
        await command(sink, "delete", one["ID"])
        assert len(sink.messages) == 1
        await command(sink, "delete", "--all")
        assert sink.messages == []


@pytest.mark.parametrize("form", ["mbox", "maildir", "eml"])
async def test_what_is_exported_other_programs_read_and_importing_it_is_the_same(
    form: str, command: Command, tmp_path: Path
) -> None:
    async with sinking() as sink:
        await asyncio.to_thread(send, sink.port, "one", "two")
        await command(sink, "show")  # and so it is read
        before = [each.content for each in sink.messages]
        place = tmp_path / form
        assert (await command(sink, "export", "--form", form, str(place)))[1] == f"2 messages written to {place}\n"
        if form != "eml":
            theirs = mailbox.mbox(place) if form == "mbox" else mailbox.Maildir(place)
            assert sorted(str(each["subject"]) for each in theirs) == ["one", "two"]
            theirs.close()
        await command(sink, "delete", "--all")
        await command(sink, "import", str(place))
        assert sorted(each.content for each in sink.messages) == sorted(before)
        listed = json.loads((await command(sink, "list", "--json"))[1])
        assert sorted(each["Read"] for each in listed) == ([False, True] if form == "maildir" else [False, False])
        with pytest.raises(UsageError, match="exists already"):
            await command(sink, "export", "--form", "mbox", str(place))


def test_an_mbox_that_python_wrote(tmp_path: Path) -> None:
    theirs = mailbox.mbox(tmp_path / "in.mbox")
    for subject in ("one", "two"):
        message = mailbox.mboxMessage(f"Subject: {subject}\n\nFrom the start\n\n\nend\n")
        message.set_from("ada@x.test", (2026, 11, 23, 12, 0, 0, 0, 1, 0))
        theirs.add(message)
    theirs.close()
    found = list(read_archive(tmp_path / "in.mbox"))
    assert [each.content for each in found] == [
        f"Subject: {subject}\r\n\r\nFrom the start\r\n\r\n\r\nend\r\n".encode() for subject in ("one", "two")
    ]
    assert (found[0].sender, found[0].received) == ("ada@x.test", 1795435200.0)
    with pytest.raises(UsageError, match="no Maildir"):
        list(read_archive(tmp_path))


def test_help_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ACTIONS:
        assert netlab(["mail", action, "--help"]) == 0
        assert f"netlab mail {action}" in capsys.readouterr().out
    assert netlab(["mail"]) == 0
    assert "  wait    Wait until" in capsys.readouterr().out
    for wrong in (["lst"], ["delete"], ["import"], ["export"], ["list", "--no-such-flag"]):
        with pytest.raises(UsageError):
            netlab(["mail", *wrong])
