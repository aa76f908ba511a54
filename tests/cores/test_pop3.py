"""POP3's core: the same conversation in any split, dots, TLS, and what does not end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.pop3 import Asked, Closed, Drop, Event, Login, Pop3Core, Quit, Retrieve, Settings, StartTls
from netlab.errors import RemoteProtocolError

DROPS = [Drop("one", 10), Drop("two", 20)]
CONTENT = b"Subject: x\r\n\r\n.a\r\nb\r\n"


class Talk:
    def __init__(self, **options: bool) -> None:
        self.core = Pop3Core(Settings(mechanisms=("PLAIN",), **options))
        self.events: list[Event] = []
        self.heard = b""

    def say(self, data: bytes, split: int = 0) -> Talk:
        for at in range(0, len(data), split or max(len(data), 1)):
            self._work(self.core.receive(data[at : at + split] if split else data))
        return self

    def _work(self, events: list[Event]) -> None:
        while events:
            self.events += events
            for event in events:
                self._answer(event)
            events = self.core.resume()
        self.heard += self.core.outgoing()

    def _answer(self, event: Event) -> None:
        match event:
            case Login(user="eve"):
                self.core.refuse("[AUTH] no")
            case Login(user=user):
                self.core.let_in(user, DROPS)
            case Retrieve():
                self.core.content(CONTENT)
            case Quit() | StartTls():
                self.core.accept()
            case Asked() if type(event) is not Asked:
                self.core.refuse("no")


LINES = [
    b"USER ada\r\n",
    b"PASS x\r\n",
    b"USER eve\r\n",
    b"STAT\r\n",
    b"LIST\r\n",
    b"LIST 2\r\n",
    b"UIDL\r\n",
    b"RETR 1\r\n",
    b"TOP 1 1\r\n",
    b"TOP 1\r\n",
    b"DELE 1\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"CAPA\r\n",
    b"AUTH\r\n",
    b"AUTH PLAIN =\r\n",
    b"FOO\r\n",
    b"\r\n",
    b"QUIT\r\n",
]


@settings(max_examples=80)
@given(st.lists(st.sampled_from(LINES), max_size=14), st.integers(1, 9))
def test_any_split_is_the_same_conversation(lines: list[bytes], split: int) -> None:
    said = b"USER ada\r\nPASS x\r\n" * (len(lines) % 2) + b"".join(lines)
    whole, cut = Talk().say(said), Talk().say(said, split)
    assert cut.events == whole.events
    assert cut.heard == whole.heard


def test_a_message_and_its_top_have_their_dots() -> None:
    talk = Talk().say(b"USER ada\r\nPASS x\r\nRETR 1\r\nTOP 1 1\r\nTOP 1 0\r\n")
    assert b"Subject: x\r\n\r\n..a\r\nb\r\n.\r\n" in talk.heard
    assert b"Subject: x\r\n\r\n..a\r\n.\r\n+OK" in talk.heard
    assert talk.heard.endswith(b"Subject: x\r\n\r\n.\r\n")


def test_what_is_marked_goes_at_quit_alone() -> None:
    talk = Talk().say(b"USER ada\r\nPASS x\r\nDELE 1\r\nDELE 1\r\nSTAT\r\nLIST\r\nQUIT\r\n")
    assert b"+OK 1 20\r\n" in talk.heard
    assert b"-ERR there is no message" in talk.heard
    assert isinstance(talk.events[-1], Quit)
    assert talk.events[-1].deleted == ["one"]
    left = Talk().say(b"USER ada\r\nPASS x\r\nDELE 1\r\n")
    assert left.core.receive(b"") == [Closed()]


def test_stls_takes_nothing_from_outside() -> None:
    talk = Talk(stls=True).say(b"STLS\r\nUSER evil\r\n")
    assert talk.core.closed
    talk = Talk(stls=True).say(b"STLS\r\n")
    talk.core.secured()
    assert b"STLS" not in talk.say(b"CAPA\r\n").heard.split(b"capabilities")[1]


def test_lines_are_bounded() -> None:
    for said in (b"x" * 300, b"NOOP " + b"x" * 300 + b"\r\n"):
        talk = Talk().say(said)
        assert isinstance(talk.events[-1], RemoteProtocolError)
        assert talk.core.closed


def test_lines_end_in_cr_lf_whatever_the_message_has() -> None:
    core = Pop3Core(Settings())
    core.receive(b"USER ada\r\n")
    core.receive(b"PASS x\r\n")
    core.let_in("ada", DROPS)
    for command, content, sent in (
        (b"RETR 1\r\n", b"Subject: x\n\na\n.\nb\n", b"Subject: x\r\n\r\na\r\n..\r\nb\r\n.\r\n"),
        (b"TOP 1 1\r\n", b"Subject: x\n\na\nb\n", b"Subject: x\r\n\r\na\r\n.\r\n"),
        (b"TOP 1 1\r\n", b"\r\na\r\n\r\nb\r\n", b"\r\na\r\n.\r\n"),
    ):
        core.outgoing()
        core.receive(command)
        core.content(content)
        assert core.outgoing().partition(b"\r\n")[2] == sent
