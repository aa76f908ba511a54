"""Command lines of SMTP as events: their grammar, and whether their time has come (RFC 5321 4.1.1, 4.1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable

from netlab.cores import smtp_replies as replies
from netlab.cores.smtp_events import Auth, Command, Data, Hello, Mail, Quit, Rcpt
from netlab.cores.smtp_grammar import MAX_LOCAL_PART, PLAIN_PATH, parse_domain, parse_loose_path, parse_path
from netlab.cores.smtp_parameters import MailParameters, RecipientParameters, mail_parameters, recipient_parameters
from netlab.cores.smtp_replies import Refused, Reply
from netlab.cores.smtp_sasl_lines import decode_initial
from netlab.cores.smtp_session import Session

PLAIN_MAIL = re.compile(rb"MAIL FROM:" + PLAIN_PATH + rb"\r\n", re.IGNORECASE)
PLAIN_RCPT = re.compile(rb"RCPT TO:" + PLAIN_PATH + rb"\r\n", re.IGNORECASE)

HELLO_NONE = Reply(
    501, "EHLO and HELO say who you are: a domain or an address literal (RFC 5321 4.1.1.1)", enhanced="5.5.4"
)
HELLO_NAME = Reply(501, "That is neither a domain nor an address literal (RFC 5321 4.1.1.1)", enhanced="5.5.4")
MAIL_SYNTAX = Reply(501, "It is MAIL FROM:<address> (RFC 5321 4.1.1.2)", enhanced="5.5.4")
RCPT_SYNTAX = Reply(501, "It is RCPT TO:<address> (RFC 5321 4.1.1.3)", enhanced="5.5.4")
BEHIND_PATH = Reply(501, "A space and parameters may stand behind the path (RFC 5321 4.1.2)", enhanced="5.5.4")
NO_PARAMETERS = Reply(555, "Parameters need EHLO (RFC 5321 4.1.1.11)", enhanced="5.5.4")
WHOM = Reply(501, "About whom? (RFC 5321 4.1.1.6, 4.1.1.7)", enhanced="5.5.4")
AUTH_SYNTAX = Reply(501, "It is AUTH and a mechanism, perhaps an initial response (RFC 4954 4)", enhanced="5.5.4")
LOOSE_SENDER = Reply(250, "Ok, though that is no address by the grammar (RFC 5321 4.1.2)", enhanced="2.1.0")
LOOSE_RECIPIENT = Reply(250, "Ok, though that is no address by the grammar (RFC 5321 4.1.2)", enhanced="2.1.5")
AUTH_LINE = b"AUTH ..."
"""What is shown of a line that may hold a password."""

SIMPLE: dict[str, tuple[bool | None, Reply]] = {  # whether it takes an argument; None: it may
    "RSET": (False, replies.OK),
    "QUIT": (False, replies.BYE),
    "NOOP": (None, replies.OK),
    "HELP": (None, replies.HELP),
    "VRFY": (True, replies.CANNOT_VERIFY),
    "EXPN": (True, replies.NO_LISTS),
}


def read_hello(session: Session, line: bytes, start: int) -> Command:
    word, _, argument = line[:-2].partition(b" ")
    verb = word.decode("ascii", "replace").upper()
    if len(word) != 4:
        return session.other("", line, replies.UNKNOWN)
    name = parse_domain(argument.rstrip(b" "))
    if name is None:
        return session.other(verb, line, HELLO_NAME if argument.strip(b" ") else HELLO_NONE)
    settings = session.settings
    reply = settings.hello(session.secure, bool(session.user)) if verb == "EHLO" else settings.plain_hello
    return Hello(verb, line[:-2], reply, start, session.consumed, name)


def read_mail(session: Session, line: bytes, start: int) -> Command:
    settings, reply = session.settings, replies.SENDER_OK
    if not session.helo:
        reply = replies.NO_HELLO
    elif settings.auth_required and not session.user:
        reply = replies.AUTH_NEEDED
    elif session.mail is not None:
        reply = replies.MAIL_TWICE
    plain = PLAIN_MAIL.fullmatch(line)
    if plain is not None and plain.end(1) - plain.start(1) <= MAX_LOCAL_PART and len(line) <= 260:
        address = line[11:-3].decode("ascii")
        return Mail("MAIL", line[:-2], reply, start, session.consumed, address, MailParameters())
    return _read_long_mail(session, line, start, reply)


def _read_long_mail(session: Session, line: bytes, start: int, reply: Reply) -> Command:
    """With parameters, or a path that is not of the usual kind."""
    rest = _behind(line, b"MAIL FROM:")
    if rest is None:
        return session.other("MAIL", line, MAIL_SYNTAX)
    if not reply.positive:
        return session.other("MAIL", line, reply)
    path = _path(session, rest, b"SMTPUTF8" in rest.upper(), null=True)
    if isinstance(path, Refused):
        return session.other("MAIL", line, path.reply)
    address, end, by_grammar = path
    if rest[end:] and (rest[end : end + 1] != b" " or not session.extended):
        return session.other("MAIL", line, BEHIND_PATH if session.extended else NO_PARAMETERS)
    parameters = mail_parameters(rest[end:], most=session.settings.max_message)
    if isinstance(parameters, Refused):
        return session.other("MAIL", line, parameters.reply)
    reply = reply if by_grammar else LOOSE_SENDER
    return Mail("MAIL", line[:-2], reply, start, session.consumed, address, parameters)


def read_rcpt(session: Session, line: bytes, start: int) -> Command:
    reply = replies.RECIPIENT_OK
    if session.mail is None:
        reply = replies.NO_MAIL if session.helo else replies.NO_HELLO
    elif session.chunking:
        reply = replies.IN_TRANSACTION
    elif len(session.recipients) >= session.settings.max_recipients:
        reply = replies.TOO_MANY_RECIPIENTS
    plain = PLAIN_RCPT.fullmatch(line)
    if plain is not None and plain.end(1) - plain.start(1) <= MAX_LOCAL_PART and len(line) <= 260:
        address = line[9:-3].decode("ascii")
        return Rcpt("RCPT", line[:-2], reply, start, session.consumed, address, RecipientParameters())
    return _read_long_rcpt(session, line, start, reply)


def _read_long_rcpt(session: Session, line: bytes, start: int, reply: Reply) -> Command:
    rest = _behind(line, b"RCPT TO:")
    if rest is None:
        return session.other("RCPT", line, RCPT_SYNTAX)
    if not reply.positive:
        return session.other("RCPT", line, reply)
    utf8 = session.mail is not None and session.mail.parameters.smtputf8
    path = _path(session, rest, utf8)
    if isinstance(path, Refused):
        return session.other("RCPT", line, path.reply)
    address, end, by_grammar = path
    if rest[end:] and (rest[end : end + 1] != b" " or not session.extended):
        return session.other("RCPT", line, BEHIND_PATH if session.extended else NO_PARAMETERS)
    parameters = recipient_parameters(rest[end:])
    if isinstance(parameters, Refused):
        return session.other("RCPT", line, parameters.reply)
    reply = reply if by_grammar else LOOSE_RECIPIENT
    return Rcpt("RCPT", line[:-2], reply, start, session.consumed, address, parameters)


def _path(session: Session, rest: bytes, utf8: bool, *, null: bool = False) -> tuple[str, int, bool] | Refused:
    """The address, where its path ends, and whether the grammar has it; where it has not, a strict server refuses."""
    path = parse_path(rest, utf8=utf8, null=null)
    if isinstance(path, Refused):
        loose = None if session.settings.strict else parse_loose_path(rest, utf8=utf8)
        return path if loose is None else loose if isinstance(loose, Refused) else (*loose, False)
    return (*path, True)


def read_data(session: Session, line: bytes, start: int) -> Command:
    if len(line) != 6 and line[4:-2].strip(b" "):
        return session.other("DATA", line, replies.NO_ARGUMENT if line[4:5] == b" " else replies.UNKNOWN)
    if session.recipients:
        reply = replies.GO_AHEAD
        if session.chunking:
            reply = replies.DATA_AFTER_BDAT
        elif session.mail is not None and session.mail.parameters.body == "BINARYMIME":
            reply = replies.BINARY_NEEDS_BDAT
    else:
        reply = session.too_early()
    return Data("DATA", line[:4], reply, start, session.consumed)


def read_simple(session: Session, line: bytes, start: int) -> Command:
    """RSET, QUIT, NOOP, HELP, VRFY, EXPN."""
    word, _, argument = line[:-2].partition(b" ")
    verb = word.decode("ascii", "replace").upper()
    found = SIMPLE.get(verb)
    if found is None:
        return session.other("", line, replies.UNKNOWN)
    needs, reply = found
    if needs is False and argument.strip(b" "):  # spaces at the end are let pass (RFC 5321 4.1.1)
        return session.other(verb, line, replies.NO_ARGUMENT)
    if needs is True and not argument.strip(b" "):
        return session.other(verb, line, WHOM)
    kind: type[Command] = Quit if verb == "QUIT" else Command
    return kind(verb, line[:-2], reply, start, session.consumed)


def read_auth(session: Session, line: bytes, start: int) -> Command:
    words = line[:-2].rstrip(b" ").split(b" ")
    if words[0].upper() != b"AUTH":
        return session.other("", line, replies.UNKNOWN)
    settings, mechanism = session.settings, words[1].decode("ascii", "replace").upper() if len(words) > 1 else ""
    if not settings.mechanisms:
        return session.other("AUTH", AUTH_LINE, replies.NOT_IMPLEMENTED)
    if not mechanism or len(words) > 3:
        return session.other("AUTH", AUTH_LINE, AUTH_SYNTAX)
    if not session.helo or session.mail is not None or session.user:
        reply = replies.IN_TRANSACTION if session.helo else replies.NO_HELLO
        return session.other("AUTH", AUTH_LINE, replies.AUTH_ALREADY if session.user else reply)
    if mechanism not in settings.offered(session.secure):
        reply = replies.ENCRYPTION_NEEDED if mechanism in settings.mechanisms else replies.AUTH_MECHANISM
        return session.other("AUTH", AUTH_LINE, reply)
    initial = decode_initial(words[2]) if len(words) > 2 else None
    if isinstance(initial, Reply):
        return session.other("AUTH", AUTH_LINE, initial)
    shown = b"AUTH " + mechanism.encode() + b" ..." * (len(words) > 2)
    return Auth("AUTH", shown, replies.AUTH_ENDED, start, session.consumed, mechanism, initial)


def _behind(line: bytes, words: bytes) -> bytes | None:
    """What is behind `MAIL FROM:`; a space behind the colon is against the grammar, and common."""
    if line[: len(words)].upper() != words:
        return None
    return line[len(words) : -2].lstrip(b" ").rstrip(b" ")


COMMANDS: dict[bytes, Callable[[Session, bytes, int], Command]] = {
    b"EHLO": read_hello,
    b"HELO": read_hello,
    b"MAIL": read_mail,
    b"RCPT": read_rcpt,
    b"DATA": read_data,
    b"AUTH": read_auth,
    **dict.fromkeys((b"RSET", b"QUIT", b"NOOP", b"HELP", b"VRFY", b"EXPN"), read_simple),
}
