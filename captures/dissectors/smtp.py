"""SMTP (RFC 5321): commands, replies, and the mails between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from captures.dissectors import lines
from captures.messages import NotThis, Script, Source, Talk
from captures.tree import Field, Layer, Reader, Short

NAME = "smtp"
COMMAND, REPLY, DATA, BDAT = "RFC 5321 4.1.1", "RFC 5321 4.2", "RFC 5321 4.1.1.4", "RFC 3030 2"
LONGEST_LINE = 1 << 16  # more than any line may have (RFC 5321 4.5.3.1), and AUTH's tokens
GREETING = re.compile(rb"220[ -][^\r\n]*(?:SMTP|[Mm]ail)")
REQUEST = re.compile(rb"([A-Za-z]{4,8}+|\*)([ \t]*+)([^\r\n]*+)(\r*+\n)")
LOGIN = re.compile(rb"([Aa][Uu][Tt][Hh])([ \t]++)([^ \t\r\n]++)([ \t]*+)([^\r\n]*+)(\r*+\n)")
RESPONSE = re.compile(rb"([2-5][0-9]{2})([ -]?)([^\r\n]*+)(\r*+\n)")
TOKEN = re.compile(rb"([^\r\n]*+)(\r*+\n)")
CLASSES = {"2": "done", "3": "go on", "4": "not now: try again later", "5": "no, and trying again will not help"}
VERBS = {
    "EHLO": "says who it is, and asks what the server can do", "HELO": "says who it is, as in the beginning",
    "MAIL": "begins a mail: who gets it back if it cannot be delivered", "RCPT": "one more recipient",
    "DATA": "the mail follows", "BDAT": "so many bytes of the mail follow", "RSET": "forget what was begun",
    "NOOP": "nothing", "QUIT": "the end", "VRFY": "is this somebody?", "STARTTLS": "let us encrypt",
    "AUTH": "says who it is, with proof", "HELP": "which commands are there?", "EXPN": "who is on this list?",
}  # fmt: skip


def recognize(data: bytes) -> bool:
    """Whether a stream that begins so is SMTP."""
    return GREETING.match(data) is not None or data[:5].upper() in (b"EHLO ", b"HELO ")


def messages(source: Source, talk: Talk) -> Script:
    """Lines, replies of several, mails; ends behind STARTTLS."""
    while talk.protocol == NAME:
        if source.side == "server":
            yield from _reply(source, talk)
        elif talk.facts.get("data"):
            yield from _mail(source, talk)
        else:
            yield from _command(source, talk)


def _reply(source: Source, talk: Talk) -> Script:
    end = 0
    while True:
        begin, end = end, (yield from source.find(b"\n", end, longest=end + LONGEST_LINE))
        line = source.peek(end - begin, begin)
        if not RESPONSE.fullmatch(line):
            raise NotThis("no reply")
        if line[3:4] != b"-":
            break
    code = line[:3]
    waiting: list[str] = talk.facts.get("commands", [])
    verb = waiting.pop(0) if waiting else ""
    source.emit(NAME, end, {"reply": True, "to": verb})
    if code == b"334":
        talk.facts["token"] = True
    if verb == "DATA" and code == b"354":
        talk.facts["data"] = True
    elif verb == "STARTTLS" and code == b"220":
        talk.switch("tls")


def _command(source: Source, talk: Talk) -> Script:
    yield from source.need(1)
    if talk.protocol != NAME or talk.facts.get("data"):
        return
    end = yield from source.find(b"\n", longest=LONGEST_LINE)
    line = source.peek(end)
    waiting: list[str] = talk.facts.setdefault("commands", [])
    if talk.facts.pop("token", None):
        waiting.append("AUTH")
        source.emit(NAME, end, {"token": True})
        return
    match = REQUEST.fullmatch(line)
    if match is None:
        raise NotThis("no command")
    verb = match[1].decode().upper()
    waiting.append(verb)
    del waiting[:-1000]
    source.emit(NAME, end, {})
    chunk = re.match(rb"(?i)BDAT +([0-9]{1,12})", line)
    if chunk:
        yield from source.emit_pieces("smtp.chunk", int(chunk[1]), {})


def _mail(source: Source, talk: Talk) -> Script:
    """What stands between 354 and the line with a dot; what is long, in pieces."""
    yield from source.need(3)
    if source.peek(3) == b".\r\n":
        size = 3
    else:
        size = yield from source.find_far(b"\r\n.\r\n", "smtp.content")
    source.emit("smtp", size, {"mail": True})
    talk.facts["data"] = False


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """The line, without a secret; of a mail its subject."""
    if context.get("mail"):
        subject = re.search(rb"(?im)^subject:[ \t]*([^\r\n]*)", data[:8192])
        return f"mail of {len(data)} bytes" + (f": {lines.text(subject[1][:100])}" if subject else "")
    if context.get("token"):
        return "AUTH, continued"
    first = lines.text(data[: max(data.find(b"\n"), 0)].rstrip(b"\r")[:200])
    if first[:5].upper() == "AUTH ":
        return " ".join(first.split()[:2])
    more = data.count(b"\n") - 1
    return f"{first} (and {more} lines more)" if more > 0 else first


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The command, reply or mail between `start` and `end`."""
    reader = Reader(data, start, len(data) if end is None else end)
    try:
        if context.get("mail"):
            _dissect_mail(reader)
        elif context.get("token"):
            parts = (("smtp.auth.password", "Token", "credentials, in base64", "RFC 4954 4"), CRLF)
            lines.line(reader, TOKEN, parts, "smtp.auth.line", "Authentication", "RFC 4954 4")
        elif context.get("reply") or data[start : start + 3].isdigit():
            while reader.left:
                _response(reader)
        else:
            _request(reader)
    except Short:
        pass
    lines.rest(reader, "smtp.rest", "Rest", "behind what is expected", COMMAND)
    behind = reader.at // 8
    kinds = {"smtp.response": "smtp.rsp", "smtp.command_line": "smtp.req"}
    kind = kinds.get(reader.fields[0].name if reader.fields else "", "")
    derived = (Field(kind, "Kind", 1, 0, 0, "what this message is"),) if kind else ()
    fields = tuple(reader.fields)
    return Layer(NAME, "Simple Mail Transfer Protocol", start * 8, reader.at, fields, "", (behind, behind), derived)


CRLF = ("smtp.crlf", "Line End", "", "RFC 5321 2.3.8")
SPACE = ("smtp.sp", "Space", "", COMMAND)
MECHANISM = ("smtp.auth.mechanism", "Mechanism", "how the proof is made", "RFC 4954 4")
TOKEN_PART = ("smtp.auth.username_password", "Token", "credentials, in base64", "RFC 4954 4")


def _request(reader: Reader) -> None:
    at = reader.at // 8
    words = lines.text(reader.data[at : at + 8]).split(None, 1)
    verb = words[0].upper() if words else ""
    command = ("smtp.req.command", "Command", VERBS.get(verb, ""), COMMAND)
    if verb == "AUTH" and LOGIN.match(reader.data, at, reader.end // 8):
        login = (command, SPACE, MECHANISM, SPACE, TOKEN_PART, CRLF)
        lines.line(reader, LOGIN, login, "smtp.command_line", "Command Line", "RFC 4954 4")
        return
    parts = (command, SPACE, ("smtp.req.parameter", "Parameter", "", COMMAND), CRLF)
    lines.line(reader, REQUEST, parts, "smtp.command_line", "Command Line", COMMAND)


def _response(reader: Reader) -> None:
    at = reader.at // 8
    meaning = CLASSES.get(lines.text(reader.data[at : at + 1]), "")
    parts = (
        ("smtp.response.code", "Code", meaning, REPLY),
        ("smtp.response.more", "More", "a hyphen: more lines follow", REPLY),
        ("smtp.rsp.parameter", "Text", "", REPLY),
        CRLF,
    )
    lines.line(reader, RESPONSE, parts, "smtp.response", "Reply", REPLY)
    reader_field = reader.fields[-1]
    if reader_field.parts and isinstance(reader_field.parts[0].value, str):
        code = reader_field.parts[0]._replace(value=int(reader_field.parts[0].value))
        reader.fields[-1] = reader_field._replace(parts=(code, *reader_field.parts[1:]))


def _dissect_mail(reader: Reader) -> None:
    """Header, body and the dot."""
    at, end = reader.at // 8, reader.end // 8
    index = reader.data.find(b"\r\n\r\n", at, end)
    if index >= 0:
        head = lines.text(reader.data[at : index + 4])
        reader.take(
            index + 4 - at, "imf.header", "Header", "who, to whom, when, about what", "RFC 5322 2.2", value=head
        )
    dot = 3 if reader.data[end - 3 : end] == b".\r\n" else 0
    size = reader.left - dot
    if size > 0:
        body = lines.text(reader.data[reader.at // 8 : reader.at // 8 + size])
        reader.take(size, "imf.message_text", "Body", "a dot at a line's beginning is doubled", DATA, value=body)
    lines.rest(reader, "smtp.eom", "End of the Mail", "a dot alone", DATA)
