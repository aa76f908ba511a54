"""POP3 (RFC 1939): commands, replies, and the mails that are fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from captures.dissectors import lines
from captures.messages import NotThis, Script, Source, Talk
from captures.tree import Layer, Reader, Short

NAME = "pop"
SECTION = "RFC 1939 3"
LONGEST_LINE = 1 << 16
REQUEST = re.compile(rb"([A-Za-z]{3,8}+)([ \t]*+)([^\r\n]*+)(\r*+\n)")
RESPONSE = re.compile(rb"(\+OK|-ERR|\+)([ \t]*+)([^\r\n]*+)(\r*+\n)")
TOKEN = re.compile(rb"([^\r\n]*+)(\r*+\n)")
ALWAYS_LONG = {"RETR", "TOP", "CAPA"}
LONG_WITHOUT_ARGUMENT = {"LIST", "UIDL"}
SECRET = {"PASS", "APOP", "AUTH"}
VERBS = {
    "USER": "who it is", "PASS": "its password", "APOP": "who it is, with a digest", "STAT": "how many?",
    "LIST": "how large is each?", "RETR": "give me this one", "DELE": "take this one away", "NOOP": "nothing",
    "RSET": "take none away", "QUIT": "the end", "TOP": "its header and first lines",
    "UIDL": "a name of each that stays", "CAPA": "what can you do?", "STLS": "let us encrypt",
    "AUTH": "who it is, with proof",
}  # fmt: skip


def recognize(data: bytes) -> bool:
    """Whether a stream that begins so is POP3."""
    return data[:4] in (b"+OK ", b"+OK\r") or data[:5] == b"-ERR "


def messages(source: Source, talk: Talk) -> Script:
    """Lines, and replies of several; ends behind STLS."""
    while talk.protocol == NAME:
        yield from _reply(source, talk) if source.side == "server" else _command(source, talk)


def _reply(source: Source, talk: Talk) -> Script:
    end = yield from source.find(b"\n", longest=LONGEST_LINE)
    head = source.peek(end)
    if not RESPONSE.fullmatch(head):
        raise NotThis("no reply")
    waiting: list[tuple[str, bool]] = talk.facts.get("commands", [])
    verb, long = waiting.pop(0) if waiting else ("", False)
    if long and head.startswith(b"+OK"):
        yield from source.need(end + 3)
        if source.peek(3, end) == b".\r\n":
            end += 3
        else:
            end = yield from source.find_far(b"\r\n.\r\n", "pop.content", end)
    source.emit(NAME, end, {"reply": True, "to": verb})
    talk.facts["token"] = head.startswith(b"+ ") or head == b"+\r\n"
    if verb == "STLS" and head.startswith(b"+OK"):
        talk.switch("tls")


def _command(source: Source, talk: Talk) -> Script:
    yield from source.need(1)
    if talk.protocol != NAME:
        return
    end = yield from source.find(b"\n", longest=LONGEST_LINE)
    waiting: list[tuple[str, bool]] = talk.facts.setdefault("commands", [])
    if talk.facts.get("token"):
        waiting.append(("AUTH", False))
        source.emit(NAME, end, {"token": True})
        return
    match = REQUEST.fullmatch(source.peek(end))
    if match is None:
        raise NotThis("no command")
    verb = match[1].decode().upper()
    waiting.append((verb, verb in ALWAYS_LONG or (verb in LONG_WITHOUT_ARGUMENT and not match[3].strip())))
    del waiting[:-1000]
    source.emit(NAME, end, {})


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """The first line, without a secret."""
    if context.get("token"):
        return "AUTH, continued"
    first = lines.text(data[: max(data.find(b"\n"), 0)].rstrip(b"\r")[:200])
    if not context.get("reply") and first[:4].upper() in SECRET:
        return first[:4]
    more = len(data) - len(first.encode()) - 2
    return f"{first} (and {more} bytes more)" if more > 2 else first


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The command or reply between `start` and `end`."""
    reader = Reader(data, start, len(data) if end is None else end)
    try:
        if context.get("token"):
            parts = (("pop.request.password", "Token", "credentials, in base64", "RFC 5034 4"), CRLF)
            lines.line(reader, TOKEN, parts, "pop.request", "Authentication", "RFC 5034 4")
        elif data[start : start + 1] in (b"+", b"-"):
            lines.line(reader, RESPONSE, RESPONSE_PARTS, "pop.response", "Reply", SECTION)
            lines.rest(reader, "pop.response.data", "Data", "up to a dot alone", SECTION)
        elif reader.left:
            _request(reader)
    except Short:
        pass
    lines.rest(reader, "pop.rest", "Rest", "behind what is expected", SECTION)
    behind = reader.at // 8
    return Layer(NAME, "Post Office Protocol", start * 8, reader.at, tuple(reader.fields), "", (behind, behind))


CRLF = ("pop.crlf", "Line End", "", SECTION)
RESPONSE_PARTS = (
    ("pop.response.indicator", "Indicator", "+OK for yes, -ERR for no, + for go on", SECTION),
    ("pop.sp", "Space", "", SECTION),
    ("pop.response.description", "Description", "", SECTION),
    CRLF,
)


def _request(reader: Reader) -> None:
    at = reader.at // 8
    words = lines.text(reader.data[at : at + 8]).split(None, 1)
    verb = words[0].upper() if words else ""
    parts = (
        ("pop.request.command", "Command", VERBS.get(verb, ""), "RFC 1939 5"),
        ("pop.sp", "Space", "", SECTION),
        ("pop.request.password" if verb in SECRET else "pop.request.parameter", "Parameter", "", SECTION),
        CRLF,
    )
    lines.line(reader, REQUEST, parts, "pop.request", "Command Line", SECTION)
