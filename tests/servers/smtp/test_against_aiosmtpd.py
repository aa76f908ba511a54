"""Our engine and aiosmtpd, on the same server, with the same things said: the same replies but where we mean it."""

from __future__ import annotations

import asyncio
import smtplib

import pytest

from netlab.errors import UsageError
from servers.smtp.config import Config, Login
from tests.servers.smtp.sinking import sinking, talk

pytestmark = pytest.mark.one_loop

BEGUN = "EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
QUIT = "QUIT\r\n"

SAME = [
    BEGUN + "DATA\r\nhi\r\n.\r\n",
    BEGUN + "DATA\r\n..\r\n...\r\n.a\r\n.\r\n",
    BEGUN + "DATA\r\n.\r\n" + BEGUN[9:] + "DATA\r\ntwo\r\n.\r\n",
    "HELO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nhi\r\n.\r\n",
    "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n",
    "EHLO\r\nHELO\r\nNOOP\r\nRSET\r\nHELP\r\nVRFY x@y.test\r\n",
    "EHLO me\r\nRCPT TO:<b@y.test>\r\nDATA\r\nMAIL FROM:<a@x.test>\r\nMAIL FROM:<a@x.test>\r\nDATA\r\n",
    "EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<b@y.test>\r\nRSET\r\nRCPT TO:<b@y.test>\r\n",
    "EHLO me\r\nMAIL FROM:\r\nMAIL\r\nMAIL FROM:<a@x.test> SIZE=x\r\nMAIL FROM:<a@x.test> FOO=1\r\n",
    "EHLO me\r\nMAIL FROM:<a@x.test> SIZE=99999999999\r\n",
    "EHLO me\r\nMAIL FROM:<a@x.test> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<\u00e9@y.test>\r\n",
    'EHLO me\r\nMAIL FROM:<"a b"@x.test>\r\nRCPT TO:<b@[127.0.0.1]>\r\n',
    "ehlo me\r\nmail from:<a@x.test>\r\nrcpt to:<b@y.test>\r\nrset\r\n",
    "EHLO me\r\nRSET x\r\nAUTH FOO\r\nDATA x\r\n",
    "FOO\r\n",
]
MEANT = {
    "EHLO me\r\nBDAT 0 LAST\r\n": ([503], [500]),  # CHUNKING; aiosmtpd has none
    "EHLO me\r\nMAIL FROM:a@x.test\r\n": ([501], [250]),  # the grammar has angle brackets (RFC 5321 4.1.2)
    "EHLO a..b\r\n": ([501], [250]),  # nor is that a domain
    "EHLO me\r\nEXPN list\r\n": ([550], [502]),
    "EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<>\r\n": ([501], [250]),  # the null path is a sender's alone
    "EHLO me\r\nVRFY\r\n": ([501], [501]),
}


@pytest.mark.parametrize("said", SAME)
async def test_both_say_the_same(said: str) -> None:
    found = {}
    for engine in ("netlab", "aiosmtpd"):
        async with sinking(engine=engine, auth=False) as sink:
            codes = await talk(sink.port, said + QUIT)
            found[engine] = codes, [(kept.envelope.sender, kept.content) for kept in sink.messages]
    ours, theirs = found["netlab"], found["aiosmtpd"]
    assert [code // 100 for code in ours[0]] == [code // 100 for code in theirs[0]]
    assert ours[1] == theirs[1]


@pytest.mark.parametrize("said", MEANT)
async def test_what_differs_is_meant(said: str) -> None:
    ours, theirs = MEANT[said]
    for engine, expected in (("netlab", ours), ("aiosmtpd", theirs)):
        async with sinking(engine=engine, auth=False) as sink:
            codes = await talk(sink.port, said + QUIT)
            assert codes[-1 - len(expected) : -1] == expected


async def test_the_other_engine_has_the_same_store_and_flows() -> None:
    async with sinking(engine="aiosmtpd", user=(Login("ada", "geheim"),)) as sink:

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", sink.port, timeout=5) as client:
                client.login("ada", "geheim")
                client.sendmail("ada@x.test", ["bob@y.test"], "Subject: x\n\n.dot\n")

        await asyncio.to_thread(send)
        [kept] = sink.messages
        assert kept.content == b"Subject: x\r\n\r\n.dot\r\n"
        assert (kept.envelope.sender, kept.envelope.user) == ("ada@x.test", "ada")
        assert any(line.section == "RFC 5321 4.1.1.2" for line in kept.transcript)
        [flow] = sink.flows()
        assert (flow.label, flow.result) == ("<ada@x.test> → bob@y.test", "250")


def test_what_it_cannot_is_said() -> None:
    with pytest.raises(UsageError, match="--engine aiosmtpd goes without --starttls"):
        Config(engine="aiosmtpd", starttls=True)
