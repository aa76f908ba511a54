"""SMTP's server core under any split and any bytes: the same events, bounded buffers, and nothing raised."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.smtp import Command, ExpressCore, ServerSettings, StartTls
from netlab.cores.smtp_data import stuff
from tests.cores.smtp_talk import Talk

LINES = [
    b"EHLO me\r\n",
    b"HELO me.test\r\n",
    b"ehlo [127.0.0.1]\r\n",
    b"MAIL FROM:<a@b.test>\r\n",
    b"MAIL FROM:<> SIZE=9\r\n",
    b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
    b"RCPT TO:<c@d.test>\r\n",
    b'rcpt to:<"x y"@d> NOTIFY=NEVER\r\n',
    b"RCPT TO:<" + b"x" * 70 + b"@y>\r\n",
    b"DATA\r\n",
    b"data\r\n",
    b"a line\r\n",
    b"..\r\n",
    b".\r\n",
    b"x" * 30 + b"\n",
    b"BDAT 4\r\nab\r\n",
    b"BDAT 3 LAST\r\nxyz",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"FOO\r\n",
    b"\r\n",
    b"STARTTLS\r\n",
    b"QUIT\r\n",
    b"AUTH PLAIN\r\n",
    b"VRFY x\r\n",
    b"\n.\n",
    b"\r.\r\n",
    b"y\rz\r\n",
]
WHOLE = [
    b"EHLO me\r\n",
    b"HELO me.test\r\n",
    b"MAIL FROM:<a@b.test>\r\n",
    b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
    b"RCPT TO:<c@d.test>\r\n",
    b"RCPT TO:<" + b"x" * 70 + b"@y>\r\n",
    b"DATA\r\n",
    stuff(b"hi\r\n.dot\r\n"),
    stuff(b""),
    stuff(b"x" * 40),
    b"a\nb\r\n.\r\n",
    b"half a",
    b"Hi\r\n",
    b".\r\n",
    b".\r\nMAIL FROM:<a@b>\r\n.\r\n",
    b"BDAT 3\r\nxyz",
    b"RSET\r\n",
    b"QUIT\r\n",
]
BOUNDS = {"max_message": 60, "max_recipients": 2, "max_errors": 8}


@settings(max_examples=150)
@given(st.lists(st.sampled_from(LINES), max_size=14), st.integers(1, 9))
def test_any_split_is_the_same_conversation(lines: list[bytes], split: int) -> None:
    said = b"".join(lines)
    whole, cut = Talk(**BOUNDS).say(said).end(), Talk(**BOUNDS).say(said, split).end()
    assert cut.events == whole.events
    assert cut.heard == whole.heard


@settings(max_examples=100)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(LINES)), max_size=12), st.booleans())
def test_no_bytes_raise_anything(pieces: list[bytes], ended: bool) -> None:
    talk = Talk(starttls=True, mechanisms=("PLAIN",), **BOUNDS)
    for piece in pieces:
        talk.say(piece)
        assert len(talk.core._buffer) <= 13_000
    if ended:
        talk.end()
        assert talk.core.closed or isinstance(talk.last, StartTls)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(WHOLE), max_size=16))
def test_what_is_answered_at_once_is_answered_the_same(reads: list[bytes]) -> None:
    usual, express = Talk(**BOUNDS), ExpressCore(ServerSettings(**BOUNDS))
    for read in reads:
        before = len(usual.heard)
        usual.say(read)
        if (reply := express.at_once(read)) is None:
            events = express.receive(read)
            while events:
                if isinstance(events[0], Command):
                    express.answer()
                events = express.resume()
            reply = express.outgoing()
        assert reply == usual.heard[before:]
        core = usual.core
        assert (express.state, express.helo, express.consumed) == (core.state, core.helo, core.consumed)
        assert [each.recipient for each in express.recipients] == [each.recipient for each in core.recipients]
