"""SMTP's client core: what may be said when, replies in any split, and replies that are none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.smtp import ClientCore, ClientState, Replied
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated


def greeted(*extensions: str) -> ClientCore:
    core = ClientCore()
    core.receive(b"220 hi\r\n")
    core.hello("me")
    core.receive("".join(f"250-{each}\r\n" for each in ("hi", *extensions)).encode() + b"250 HELP\r\n")
    core.outgoing()
    return core


def test_a_session() -> None:
    core = greeted("SIZE 100", "PIPELINING", "DSN")
    assert core.extensions == {"SIZE": "100", "PIPELINING": "", "DSN": "", "HELP": ""}
    core.mail("a@b", size=7, utf8=True)
    core.rcpt("c@d", notify="NEVER")
    assert core.said == "RCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d"
    core.data()
    assert core.outgoing() == (
        b"MAIL FROM:<a@b> SIZE=7 SMTPUTF8\r\nRCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d\r\nDATA\r\n"
    )
    events = core.receive(b"250 ok\r\n550 no\r\n354 go\r\n")
    assert [(event.verb, event.reply.code) for event in events if isinstance(event, Replied)] == [
        ("MAIL", 250),
        ("RCPT", 550),
        ("DATA", 354),
    ]
    core.content(b".a\r\nb")
    assert core.outgoing() == b"..a\r\nb\r\n.\r\n"
    core.receive(b"250 ok\r\n")
    core.quit()
    core.receive(b"221 bye\r\n")
    assert core.closed


def test_what_has_to_wait_waits() -> None:
    core = ClientCore()
    with pytest.raises(LocalProtocolError, match="connect"):
        core.hello("me")
    core = greeted()
    core.data()
    for act in (core.quit, core.data, lambda: core.mail("a@b"), lambda: core.content(b""), lambda: core.respond(b"")):
        with pytest.raises(LocalProtocolError):
            act()


def test_nothing_is_smuggled() -> None:
    core = greeted()
    for address in ("a@b>\r\nRCPT TO:<c@d", "a\nb@c", "a\0@b"):
        with pytest.raises(LocalProtocolError):
            core.mail(address)
    core.data()
    core.receive(b"354 go\r\n")
    for content in (b"a\n.\nb\r\n", b"a\rb\r\n"):
        with pytest.raises(LocalProtocolError):
            core.content(content)
    assert core.outgoing() == b"DATA\r\n"


def test_chunks_and_challenges() -> None:
    core = greeted()
    core.chunk(b"\n.\n", last=True)
    assert core.outgoing() == b"BDAT 3 LAST\r\n\n.\n"
    core.receive(b"250 ok\r\n")
    core.auth("PLAIN", b"")
    assert core.outgoing() == b"AUTH PLAIN =\r\n"
    core.receive(b"334 \r\n")
    assert core.state is ClientState.RESPONSE
    core.respond(None)
    assert core.outgoing() == b"*\r\n"


def test_starttls_takes_nothing_from_outside() -> None:
    core = greeted("STARTTLS")
    core.start_tls()
    [event] = core.receive(b"220 go\r\n250 injected\r\n")
    assert isinstance(event, RemoteProtocolError)
    assert event.rule == "starttls.early"
    core = greeted("STARTTLS")
    core.start_tls()
    core.receive(b"220 go\r\n")
    assert core.state is ClientState.TLS
    core.secured()
    assert (core.state, core.extensions) == (ClientState.COMMANDS, {})


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (b"hello\r\n", "reply.syntax"),
        (b"250ok\r\n", "reply.syntax"),
        (b"999 ok\r\n", "reply.syntax"),
        (b"250-a\r\n251 b\r\n", "reply.codes"),
        (b"250 a\r\n250 b\r\n", "reply.unasked"),
        (b"x" * 70_000, "reply.length"),
        (b"250-a\r\n" * 1000, "reply.length"),
    ],
)
def test_replies_that_are_none(said: bytes, rule: str) -> None:
    core = ClientCore()
    event = core.receive(said)[-1]
    assert isinstance(event, RemoteProtocolError)
    assert event.rule == rule
    assert core.closed


def test_an_end_without_a_reply() -> None:
    [event] = ClientCore().receive(b"")
    assert isinstance(event, Truncated)
    assert greeted().receive(b"") == []
    core = greeted()
    [event] = [*core.receive(b"421 down\r\n")]
    assert isinstance(event, Replied)
    assert core.closed


SAID = b"220 hi\r\n250-a\r\n250-b c\r\n250 d\r\n250 ok\r\n550 no\r\n354 go\r\n"


@settings(max_examples=40)
@given(st.integers(1, 12), st.binary(max_size=30))
def test_any_split_gives_the_same_replies(split: int, junk: bytes) -> None:
    def run(size: int) -> list[object]:
        core, events = ClientCore(), []
        core._waiting.extend([("EHLO", ""), ("MAIL", ""), ("RCPT", ""), ("DATA", "")])
        said = SAID + junk
        for at in range(0, len(said), size):
            events += core.receive(said[at : at + size])
        return events

    assert run(split) == run(1000)


def test_what_xtext_cannot_tell_is_not_told() -> None:
    core = greeted("DSN", "SMTPUTF8")
    core.mail("a@b", utf8=True)
    core.rcpt("\N{GRINNING FACE}@d", notify="NEVER")
    assert core.outgoing().endswith("RCPT TO:<\N{GRINNING FACE}@d> NOTIFY=NEVER\r\n".encode())
