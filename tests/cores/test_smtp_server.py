"""SMTP's server core against the clauses of RFC 5321 and its extensions (smtp_clauses.md says which test for which)."""

from __future__ import annotations

import pytest

from netlab.cores.smtp import (
    Auth,
    AuthResponse,
    Chunk,
    Closed,
    Command,
    ExpressCore,
    Hello,
    Mail,
    Message,
    Quit,
    Rcpt,
    Reply,
    ServerCore,
    ServerSettings,
    StartTls,
)
from netlab.cores.smtp_data import stuff
from netlab.cores.smtp_replies import HELP, TOO_MANY_ERRORS
from netlab.errors import LocalProtocolError
from tests.cores.smtp_talk import BEGUN, HELLO, Talk, code, violation


def messages(talk: Talk) -> list[bytes]:
    return [event.content for event in talk.events if isinstance(event, Message)]


# -- a session ---------------------------------------------------------------------------------------------------


def test_the_example_of_appendix_d1() -> None:
    """RFC 5321 D.1, but for the recipient Green: nobody is unknown to a sink."""
    said = (
        b"EHLO bar.com\r\nMAIL FROM:<Smith@bar.com>\r\nRCPT TO:<Jones@foo.com>\r\nRCPT TO:<Green@foo.com>\r\n"
        b"RCPT TO:<Brown@foo.com>\r\nDATA\r\nBlah blah blah...\r\n...etc. etc. etc.\r\n.\r\nQUIT\r\n"
    )
    talk = Talk().say(said)
    assert talk.codes == [250, 250, 250, 250, 250, 354, 250, 221]
    assert messages(talk) == [b"Blah blah blah...\r\n..etc. etc. etc.\r\n"]
    assert isinstance(talk.last, Quit)
    assert talk.core.closed


def test_ehlo_lists_what_is_there() -> None:
    lines = Talk(starttls=True, mechanisms=("PLAIN",), max_message=99).say(HELLO).heard.decode().split("\r\n")
    for extension in (
        "PIPELINING",
        "SIZE 99",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "BINARYMIME",
        "STARTTLS",
        "AUTH PLAIN",
        "VRFY",
        "EXPN",
    ):
        assert f"250-{extension}" in lines
    assert lines[0] == "250-netlab.test"
    secured = Talk(secure=True, starttls=True).say(HELLO).heard
    assert b"STARTTLS" not in secured


def test_helo_knows_no_extensions() -> None:
    talk = Talk().say(b"HELO me\r\nMAIL FROM:<a@b> SIZE=1\r\nMAIL FROM:<a@b>\r\n")
    assert talk.heard.startswith(b"250 netlab.test\r\n")
    assert talk.codes == [250, 555, 250]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"", 501),
        (b" ", 501),
        (b" me", 250),
        (b" [127.0.0.1]", 250),
        (b" [IPv6:::1]", 250),
        (b" [300.1.1.1]", 501),
        (b" app_1", 250),
        (b" a b", 501),
        (b" a..b", 501),
        (b" \xc3\xa9.test", 250),
        (b" \xff", 501),
        (b"x me", 500),
    ],
)
def test_a_client_says_who_it_is(argument: bytes, expected: int) -> None:
    assert code(b"EHLO" + argument + b"\r\n") == code(b"HELO" + argument + b"\r\n") == expected


def test_commands_have_their_order() -> None:
    said = b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n" + HELLO + b"RCPT TO:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\n"
    assert Talk().say(said + b"DATA\r\nMAIL FROM:<a@b>\r\n").codes == [503, 503, 503, 250, 503, 503, 250, 503, 503]


def test_rset_and_a_new_greeting_begin_anew() -> None:
    for word in (b"RSET\r\n", HELLO, b"HELO me\r\n"):
        talk = Talk().say(BEGUN + word + b"RCPT TO:<a@b>\r\n")
        assert talk.codes[-2:] == [250, 503]
        assert talk.core.recipients == []
    assert code(b"RSET\r\n") == 250


def test_small_commands() -> None:
    said = b"NOOP\r\nNOOP any thing\r\nHELP\r\nHELP MAIL\r\nVRFY ada\r\nVRFY\r\nEXPN list\r\nRSET now\r\n"
    talk = Talk().say(said + b"QUIT now\r\nDATA x\r\n")
    assert talk.codes == [250, 250, 214, 214, 252, 501, 550, 501, 501, 501]
    assert HELP.wire in talk.heard


def test_spaces_at_the_end_are_let_pass() -> None:
    said = b"EHLO me \r\nNOOP \r\nRSET  \r\nMAIL FROM:<a@b> \r\nRCPT TO:<a@b> \r\nDATA \r\n.\r\nQUIT  \r\n"
    assert Talk().say(said).codes == [250, 250, 250, 250, 250, 354, 250, 221]
    assert isinstance(Talk(starttls=True).say(HELLO + b"STARTTLS \r\n").last, StartTls)
    core = ServerCore(ServerSettings(mechanisms=("LOGIN",)))
    core.receive(HELLO)
    core.answer()
    [event] = core.receive(b"AUTH LOGIN \r\n")
    assert isinstance(event, Auth)
    assert event.initial is None


def test_what_comes_too_early_is_told_so_whatever_stands_behind_it() -> None:
    early = b"MAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<a@b> NOTIFY=NEVER\r\n"
    assert Talk().say(early + HELLO + b"RCPT TO:<a@b> NOTIFY=NEVER\r\n").codes == [503, 503, 250, 503]
    assert code(HELLO + b"MAIL FROM:<a@b> SIZE=1\r\n", auth_required=True) == 530
    assert code(BEGUN + b"MAIL FROM:<a@b> NONE=1\r\n") == 503


def test_words_are_known_in_any_case() -> None:
    talk = Talk().say(b"eHlO me\r\nmail from:<a@b>\r\nRcPt To:<A@b>\r\ndAtA\r\n.\r\nquit\r\n")
    assert talk.codes == [250, 250, 250, 354, 250, 221]
    assert talk.core.left


@pytest.mark.parametrize(
    "line", [b"FOO\r\n", b"\r\n", b"MAILX\r\n", b"QUITX\r\n", b"GET / HTTP/1.1\r\n", b"\xff\xfe\r\n"]
)
def test_what_is_no_command(line: bytes) -> None:
    talk = Talk().say(HELLO + line)
    assert talk.codes[-1] in (500, 501)
    assert not talk.core.closed


def test_enhanced_codes_are_in_all_replies_but_to_hello() -> None:
    talk = Talk().say(BEGUN + b"DATA\r\n.\r\nFOO\r\nVRFY x\r\nRSET\r\nRCPT TO:<a@b>\r\nQUIT\r\n")
    for reply in talk.replies:
        if not reply.startswith(("250 HELP", "354")):
            kind, _, _ = reply[4:].split(" ")[0].split(".")
            assert kind == reply[0]


def test_too_many_errors_end_it() -> None:
    talk = Talk(max_errors=3).say(b"FOO\r\n" * 10)
    assert talk.codes == [500, 500, 500, 421]
    assert talk.core.closed


def test_wrong_passwords_are_errors() -> None:
    core = ServerCore(ServerSettings(max_errors=2, mechanisms=("PLAIN",)))
    core.receive(HELLO)
    core.answer()
    for _ in range(2):
        core.receive(b"AUTH PLAIN AHUAcA==\r\n")
        core.answer(Reply(535, "wrong"))
    assert core.outgoing().endswith(b"535 wrong\r\n535 wrong\r\n" + TOO_MANY_ERRORS.wire)
    assert core.closed


def test_a_greeting_that_refuses_leaves_quit_only() -> None:
    talk = Talk()
    talk.core.greet(Reply(554, "no"))
    talk.say(BEGUN + b"QUIT\r\n")
    assert talk.codes == [554, 503, 503, 503, 221]


# -- paths -------------------------------------------------------------------------------------------------------

PATHS = [
    (b"<a@b>", "a@b"),
    (b"<a.b+c@d-e.f>", "a.b+c@d-e.f"),
    (b'<"a b"@c>', '"a b"@c'),
    (b'<"a\\"@b"@c>', '"a\\"@b"@c'),
    (b'<""@c>', '""@c'),
    (b"<a@[192.0.2.1]>", "a@[192.0.2.1]"),
    (b"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
    (b"<a@[x-tag:what ever]>", None),
    (b"<a@[x-tag:whatever]>", "a@[x-tag:whatever]"),
    (b"<@x,@y.z:a@b>", "a@b"),
    (b"<@x:a@b>", "a@b"),
    (b"<a@b", None),
    (b"a@b", None),
    (b"<@b>", None),
    (b"<@>", None),
    (b"<a@b@c>", None),
    (b"<a@>", None),
    (b"<a@b.>", None),
    (b"<a@-b>", None),
    (b"<.a@b>", None),
    (b"<a..b@c>", None),
    (b"<a b@c>", None),
    (b"<a@[1.2.3]>", None),
    (b"<a@[IPv6:1.2.3.4]>", None),
    (b"<a@b>x", None),
    (b"<\xc3\xa9@b>", None),
    (b"<" + b"a" * 64 + b"@b>", "a" * 64 + "@b"),
    (b"<" + b"a" * 65 + b"@b>", None),
    (b"<a@" + b"b." * 120 + b"c>", "a@" + "b." * 120 + "c"),
    (b"<a@" + b"b." * 127 + b"cc>", None),
]


@pytest.mark.parametrize(("path", "address"), PATHS)
def test_paths(path: bytes, address: str | None) -> None:
    talk = Talk().say(HELLO + b"MAIL FROM:" + path + b"\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:" + path + b"\r\n")
    found = [event for event in talk.events if isinstance(event, Mail | Rcpt)]
    if address is None:
        assert [talk.codes[1] // 10, talk.codes[-1] // 10] in ([50, 50], [55, 55])
    else:
        assert [talk.codes[1], talk.codes[-1]] == [250, 250]
        assert isinstance(found[0], Mail)
        assert isinstance(found[2], Rcpt)
        assert (found[0].sender, found[2].recipient) == (address, address)


@pytest.mark.parametrize(("path", "address"), [(b"<root>", "root"), (b"<a@app_1>", "a@app_1"), (b"<a@_b.c>", "a@_b.c")])
def test_what_programs_send_against_the_grammar_is_taken_and_remarked_on(path: bytes, address: str) -> None:
    said = HELLO + b"MAIL FROM:" + path + b" SIZE=10\r\nRCPT TO:" + path + b" NOTIFY=NEVER\r\n"
    talk = Talk().say(said)
    mail, rcpt = talk.events[-2:]
    assert isinstance(mail, Mail)
    assert isinstance(rcpt, Rcpt)
    assert (mail.sender, rcpt.recipient, rcpt.parameters.notify) == (address, address, "NEVER")
    assert all("no address by the grammar (RFC 5321 4.1.2)" in reply for reply in talk.replies[1:])
    assert Talk(strict=True).say(said).codes == [250, 501, 503]


def test_the_null_path_is_a_senders_alone() -> None:
    assert code(HELLO + b"MAIL FROM:<>\r\n") == 250
    assert code(HELLO + b"MAIL FROM:<>\r\nRCPT TO:<>\r\n") == 501


def test_postmaster_needs_no_domain() -> None:
    talk = Talk(strict=True).say(HELLO + b"MAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\nRCPT TO:<ada>\r\n")
    assert talk.codes[-2:] == [250, 501]
    assert code(HELLO + b"MAIL FROM:<postmaster>\r\n", strict=True) == 501


def test_a_space_behind_the_colon_is_let_pass() -> None:
    assert Talk().say(HELLO + b"MAIL FROM: <a@b>\r\nRCPT TO: <a@b>\r\n").codes == [250, 250, 250]


# -- parameters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (b" SIZE=1000", 250),
        (b" SIZE=1001", 552),
        (b" SIZE=", 501),
        (b" SIZE=x", 501),
        (b" SIZE", 501),
        (b" BODY=7BIT", 250),
        (b" body=8bitmime", 250),
        (b" BODY=BINARYMIME", 250),
        (b" BODY=9BIT", 501),
        (b" SMTPUTF8", 250),
        (b" SMTPUTF8=1", 501),
        (b" RET=HDRS ENVID=QQ+2B1", 250),
        (b" RET=ALL", 501),
        (b" ENVID=a+b", 501),
        (b" ENVID=" + b"x" * 101, 501),
        (b" AUTH=<>", 250),
        (b" AUTH=ada+40x", 250),
        (b" SIZE=1 SIZE=1", 501),
        (b" X=1", 555),
        (b" NOTIFY=NEVER", 555),
        (b" =1", 501),
    ],
)
def test_what_stands_behind_mail(parameters: bytes, expected: int) -> None:
    assert code(HELLO + b"MAIL FROM:<a@b>" + parameters + b"\r\n", max_message=1000) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (b" NOTIFY=NEVER", 250),
        (b" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bx@y", 250),
        (b" NOTIFY=NEVER,SUCCESS", 501),
        (b" NOTIFY=SUCCESS,SUCCESS", 501),
        (b" ORCPT=x", 501),
        (b" ORCPT=rfc822;b+2bx@y", 501),
        (b" ORCPT=utf-8;b\xc3\xa4r@y", 250),
        (b" SIZE=1", 555),
    ],
)
def test_what_stands_behind_rcpt(parameters: bytes, expected: int) -> None:
    assert code(HELLO + b"MAIL FROM:<a@b>\r\nRCPT TO:<b@y>" + parameters + b"\r\n") == expected


def test_what_dsn_says_is_decoded() -> None:
    talk = Talk().say(
        HELLO + b"MAIL FROM:<a@b> RET=HDRS ENVID=Q+3D1\r\nRCPT TO:<b@y> NOTIFY=NEVER ORCPT=rfc822;b+2Bx@y\r\n"
    )
    mail, rcpt = talk.events[1:]
    assert isinstance(mail, Mail)
    assert isinstance(rcpt, Rcpt)
    assert (mail.parameters.ret, mail.parameters.envelope_id) == ("HDRS", "Q=1")
    assert (rcpt.parameters.notify, rcpt.parameters.original) == ("NEVER", "rfc822;b+x@y")


def test_unicode_addresses_need_smtputf8() -> None:
    address = "é@ü.test".encode()
    assert code(HELLO + b"MAIL FROM:<" + address + b">\r\n") == 553
    assert code(HELLO + b"MAIL FROM:<" + address + b"> SMTPUTF8\r\n") == 250
    begun = HELLO + b"MAIL FROM:<> SMTPUTF8\r\nRCPT TO:"
    assert code(begun + b"<" + address + b">\r\n") == 250
    assert code(begun + b"<\xff@b>\r\n") == 501
    assert code(HELLO + b"MAIL FROM:<>\r\nRCPT TO:<" + address + b">\r\n") == 553


# -- content -----------------------------------------------------------------------------------------------------

CONTENTS = [b"", b".", b"..\r\n", b"a\r\n.\r\nb\r\n", b".a\r\n..b\r\n...\r\n", b"\r\n\r\n", b"no end", b"a.\r\n.b\r\n"]


@pytest.mark.parametrize("content", CONTENTS)
def test_dots_are_stuffed_and_unstuffed_across_any_split(content: bytes) -> None:
    whole = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    said = BEGUN + b"DATA\r\n" + stuff(content) + b"QUIT\r\n"
    for split in range(1, 12):
        talk = Talk().say(said, split)
        assert messages(talk) == [whole]
        assert talk.codes == [250, 250, 250, 354, 250, 221]


FALSE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\rX"]


@pytest.mark.parametrize("shape", FALSE_ENDS)
@pytest.mark.parametrize("split", [0, 1, 2, 3, 5])
def test_what_only_looks_like_the_end_is_refused_and_named(shape: bytes, split: int) -> None:
    talk = Talk().say(BEGUN + b"DATA\r\nfirst" + shape + b"MAIL FROM:<smuggled@x>\r\n.\r\n", split)
    found = violation(talk)
    assert (found.rule, found.section, found.status) == ("data.false_end", "RFC 5321 4.1.1.4", 521)
    assert found.offset == len(BEGUN) + 6 + 5
    assert talk.codes[-1] == 521
    assert not messages(talk)


@pytest.mark.parametrize(
    ("content", "at"), [(b"a\nb\r\n", 1), (b"a\rb\r\n", 1), (b"\nab\r\n", 0), (b"ab\r\nc\n\r\n", 5)]
)
def test_a_cr_or_lf_that_stands_alone_costs_the_message(content: bytes, at: int) -> None:
    for split in (0, 1, 2, 3):
        talk = Talk().say(BEGUN + b"DATA\r\n" + content + b".\r\nNOOP\r\n", split)
        assert talk.replies[-2].startswith(f"550 5.6.0 A CR or LF stands alone at octet {at} ")
        assert talk.codes[-1] == 250
        assert messages(talk) == [b""]


def test_a_command_line_ends_in_cr_lf() -> None:
    talk = Talk().say(b"EHLO me\nNOOP x\ry\r\nNOOP\r\n")
    assert talk.codes == [500, 500, 250]
    assert talk.core.helo == ""


def test_size_is_enforced_early_and_late() -> None:
    begun = BEGUN.replace(b"x.test>", b"x.test> SIZE=5")
    talk = Talk(max_message=10).say(begun + b"DATA\r\n" + b"12345678\r\n" * 3 + b".\r\nNOOP\r\n", 7)
    assert talk.codes == [250, 250, 250, 354, 552, 250]
    assert Talk(max_message=10).say(BEGUN + b"DATA\r\n12345678\r\n.\r\n").codes[-1] == 250


def test_eight_bits_and_long_lines_are_remarked_on_or_refused() -> None:
    for content, body, remark in (
        (b"\xc3\xa9\r\n", b"", "RFC 6152 3"),
        (b"longer\r\n", b" SIZE=7", "RFC 1870 6.1"),
        (b"shorter\r\n", b" SIZE=70", ""),
        (b"\xc3\xa9\r\n", b" BODY=8BITMIME", ""),
        (b"x" * 998 + b"\r\n", b"", ""),
        (b"x" * 999 + b"\r\n", b"", "RFC 5321 4.5.3.1.6"),
    ):
        said = BEGUN.replace(b"x.test>", b"x.test>" + body) + b"DATA\r\n" + content + b".\r\n"
        talk, strict = Talk().say(said), Talk(strict=True).say(said)
        assert isinstance(talk.last, Message)
        assert talk.codes[-1] == 250
        assert bool(talk.last.remarks) == bool(remark)
        assert remark in "".join(talk.last.remarks)
        assert strict.codes[-1] == (554 if remark else 250)


def test_recipients_are_bounded() -> None:
    talk = Talk(max_recipients=100).say(HELLO + b"MAIL FROM:<>\r\n" + b"RCPT TO:<a@b>\r\n" * 101)
    assert talk.codes[2:] == [250] * 100 + [452]


# -- BDAT --------------------------------------------------------------------------------------------------------


def test_chunks_are_counted_and_not_searched() -> None:
    said = (
        BEGUN
        + b"BDAT 6\r\na\r\n.\r\nBDAT 0\r\nBDAT 5 LAST\r\nQUIT\n"
        + BEGUN[len(HELLO) :]
        + b"BDAT 0 LAST\r\nQUIT\r\n"
    )
    for split in (0, 1, 2, 3, 7):
        talk = Talk().say(said, split)
        assert messages(talk) == [b"a\r\n.\r\nQUIT\n"[:11], b""]
        assert talk.codes == [250, 250, 250, 250, 250, 250, 250, 250, 250, 221]
        assert [event.size for event in talk.events if isinstance(event, Chunk)] == [6, 0]


def test_chunks_are_read_past_where_they_are_not_wanted() -> None:
    talk = Talk().say(HELLO + b"BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\nBDAT 3\r\nabcBDAT x\r\nBDAT\r\n")
    assert talk.codes == [250, 503, 250, 503, 501, 501]
    talk = Talk(max_message=10).say(BEGUN + b"BDAT 6\r\nabcdefBDAT 6 LAST\r\nabcdefNOOP\r\n")
    assert talk.codes[-3:] == [250, 552, 250]
    assert not messages(talk)


def test_a_chunk_that_nobody_can_mean_ends_the_session() -> None:
    talk = Talk().say(BEGUN + b"BDAT 99999999999 LAST\r\nabc")
    assert (talk.codes[-1], violation(talk).rule, talk.core.closed) == (552, "bdat.length", True)


def test_data_and_bdat_do_not_mix() -> None:
    assert code(BEGUN + b"BDAT 1\r\nxDATA\r\n") == 503
    assert code(BEGUN + b"BDAT 1\r\nxRCPT TO:<c@d>\r\n") == 503
    assert code(BEGUN.replace(b"x.test>", b"x.test> BODY=BINARYMIME") + b"DATA\r\n") == 503


# -- TLS and authentication --------------------------------------------------------------------------------------


def test_starttls_forgets_what_was_said() -> None:
    talk = Talk(starttls=True).say(HELLO + b"STARTTLS\r\n")
    assert isinstance(talk.last, StartTls)
    assert talk.core.receive(b"\x16\x03\x01") == []
    core = ServerCore(ServerSettings(starttls=True))
    core.receive(HELLO)
    core.answer()
    core.receive(b"STARTTLS\r\n")
    core.hold(b"RSET\r\n")  # said in clear while the answer was late
    core.answer()
    core.secured()
    assert not core.buffered
    assert (core.helo, core.extended, core.secure, core.consumed) == ("", False, True, 0)
    [event] = core.receive(b"MAIL FROM:<a@b>\r\n")
    assert core.answer().code == 503
    [event] = core.receive(HELLO)
    assert isinstance(event, Hello)
    assert "STARTTLS" not in core.answer().text


def test_what_is_pipelined_behind_starttls_is_refused() -> None:
    talk = Talk(starttls=True).say(HELLO + b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n")
    assert violation(talk).rule == "starttls.early"
    assert talk.codes == [250, 554]


def test_starttls_has_its_time() -> None:
    assert code(b"STARTTLS\r\n", starttls=True) == 503
    assert code(HELLO + b"STARTTLS\r\n") == 502
    assert code(HELLO + b"STARTTLS x\r\n", starttls=True) == 501
    assert code(BEGUN + b"STARTTLS\r\n", starttls=True) == 503
    assert Talk(secure=True, starttls=True).say(HELLO + b"STARTTLS\r\n").codes[-1] == 503


def test_auth_is_a_script_of_challenges() -> None:
    core = ServerCore(ServerSettings(mechanisms=("LOGIN", "PLAIN"), auth_required=True))
    core.receive(HELLO)
    core.answer()
    [event] = core.receive(b"AUTH LOGIN\r\n")
    assert isinstance(event, Auth)
    assert (event.mechanism, event.initial) == ("LOGIN", None)
    core.challenge(b"Username:")
    [event] = core.receive(b"YWRh\r\n")
    assert isinstance(event, AuthResponse)
    assert event.data == b"ada"
    assert core.answer(Reply(235, "in"), user="ada").code == 235
    assert core.user == "ada"
    core.receive(b"AUTH PLAIN AAA=\r\n")
    assert core.answer().code == 503
    core.receive(b"MAIL FROM:<a@b>\r\n")
    assert core.answer().code == 250
    assert b"334 VXNlcm5hbWU6\r\n" in core.outgoing()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"AUTH\r\n", 501),
        (b"AUTH FOO\r\n", 504),
        (b"AUTH PLAIN !!!\r\n", 501),
        (b"AUTH PLAIN a b\r\n", 501),
        (b"MAIL FROM:<a@b>\r\n", 530),
        (b"AUTHX\r\n", 500),
    ],
)
def test_auth_is_refused(said: bytes, expected: int) -> None:
    assert code(HELLO + said, mechanisms=("PLAIN",), auth_required=True) == expected
    assert code(said[:4] + b" PLAIN\r\n", mechanisms=("PLAIN",), auth_required=True) in (503, 501)


def test_auth_lines_are_bounded_and_can_be_taken_back() -> None:
    for response, expected in ((b"*\r\n", 501), (b"x" * 13_000 + b"\r\n", 500), (b"!\r\n", 501), (b"YQ==\n", 500)):
        core = ServerCore(ServerSettings(mechanisms=("PLAIN",)))
        core.receive(HELLO)
        core.answer()
        core.receive(b"AUTH PLAIN\r\n")
        core.challenge(b"")
        core.receive(response)
        assert core.answer().code == expected
        core.receive(b"NOOP\r\n")
        assert core.answer().code == 250


def test_passwords_are_not_shown_without_tls_where_that_is_so() -> None:
    talk = Talk(mechanisms=("PLAIN", "CRAM-MD5"), auth_over_plain=False).say(HELLO + b"AUTH PLAIN AGEAYg==\r\n")
    assert b"AUTH CRAM-MD5\r\n" in talk.heard
    assert talk.codes[-1] == 538
    assert isinstance(talk.last, Command)
    assert b"AGEAYg" not in talk.last.line


# -- bounds and misuse -------------------------------------------------------------------------------------------


def test_lines_are_bounded() -> None:
    for size, expected in ((512, 250), (513, 500), (20_000, 500)):
        for split in (0, 1000):
            assert Talk().say(b"NOOP ".ljust(size - 2, b"x") + b"\r\nNOOP\r\n", split).codes == [expected, 250]
    parameters = b" AUTH=".ljust(500, b"x") + b" ENVID=".ljust(90, b"x")
    assert code(HELLO + b"MAIL FROM:<a@b>" + parameters + b"\r\n") == 250


@pytest.mark.parametrize("split", [4096, 65_536, 3 << 20])
def test_a_line_without_end_ends_the_session(split: int) -> None:
    talk = Talk()
    talk.say(b"x" * (2 << 20) + b"\r\n", split)
    found = violation(talk)
    assert (found.rule, found.offset) == ("line.endless", 0)
    assert talk.codes == [500]


def test_the_end_in_the_middle_of_something_is_told() -> None:
    assert Talk().say(BEGUN).end().last == Closed("")
    assert Talk().say(BEGUN + b"DATA\r\nhalf a").end().last == Closed("a message")
    assert Talk().say(BEGUN + b"BDAT 9\r\nhalf").end().last == Closed("a message")
    assert Talk().say(b"EHL").end().last == Closed("a command")


def test_a_server_cannot_say_yes_where_the_core_says_no() -> None:
    core = ServerCore(ServerSettings())
    core.receive(b"RCPT TO:<a@b>\r\n")
    assert core.answer(Reply(250, "Ok")).code == 503
    with pytest.raises(LocalProtocolError):
        core.answer()
    with pytest.raises(LocalProtocolError):
        core.challenge(b"")


def test_a_server_may_say_no_to_anything() -> None:
    core = ServerCore(ServerSettings())
    for line in (HELLO, b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<a@b>\r\n"):
        core.receive(line)
        core.answer(Reply(450, "Later") if line.startswith(b"RCPT") else None)
    core.receive(b"DATA\r\n")
    assert core.answer().code == 503


def test_the_short_way_takes_no_end_of_line_that_is_none() -> None:
    contents = [(b"x\r\n.\r\n", True), (b"x\ry\nz\r\n.\r\n", False), (b"x\ry\n.\r\nz\r\n.\r\n", False)]
    contents += [(b"Hi\r\n", False), (b".\r\nMAIL FROM:<x@y>\r\n.\r\n", False), (b"x\r\n.\r\ny\r\n.\r\n", False)]
    for content, taken in contents:
        core = ExpressCore(ServerSettings())
        for line in (HELLO, b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<a@b>\r\n", b"DATA\r\n"):
            assert core.at_once(line) is not None
        assert (core.at_once(content) is not None) == taken
