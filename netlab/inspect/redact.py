"""Secrets masked in flows' records: credentials, cookies, tokens, TLS secrets; in fields, content and raw bytes alike.

A mask is as long as what it hides, so that offsets, lengths and the cut into packets stay what they were.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from netlab.inspect.record import Record

MAIL = frozenset({"smtp", "pop3"})
"""Services whose conversations have logins in their lines."""
SECRET_FIELDS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"})

_LINE = re.compile(rb"(?im)^(authorization|proxy-authorization|cookie|set-cookie|x-api-key)([ \t]*:)([^\r\n]*)")
_WORDS = rb"MAIL|RCPT|DATA|RSET|NOOP|QUIT|HELP|EHLO|HELO|STAT|LIST|UIDL|CAPA"  # what may come behind a login
_NAMES = rb"password|access_token|refresh_token|id_token|client_secret"  # what forms and OAuth 2 call them (RFC 6749)
_FIELDS = rb"authorization|proxy-authorization|cookie|set-cookie|x-api-key"
_MEMBER = re.compile(  # in JSON; fields, too, for servers that show a client what it sent
    rb'("(?:' + _NAMES + rb"|(?i:" + _FIELDS + rb'))"\s*:\s*")((?:[^"\\]|\\.)*)', re.DOTALL
)
_PARAMETER = re.compile(rb"((?:^|[?&\s])(?:" + _NAMES + rb")=)([^&\s]*)")  # in a form or a query
_LOGIN = re.compile(rb"(?im)^(AUTH +[A-Z0-9-]+)([^\r\n]*(?:\r\n(?!(?:" + _WORDS + rb")\b)[A-Za-z0-9+/=]*(?=\r\n))*)")
_PASS = re.compile(rb"(?im)^(PASS )([^\r\n]*)")
_USERINFO = re.compile(rb"""(://[^\s/?#@:"'<>]*+:)([^\s/?#@"'<>]++)(?=@)""")  # RFC 3986 3.2.1: behind the colon
_CREDENTIALS = re.compile(r"(\s*\S+\s+)?(.*)", re.DOTALL)  # the scheme is no secret (RFC 9110 11.4)


def redacted(record: Mapping[str, Any]) -> Record:
    """A copy of a flow's record that can be shown to anyone."""
    copy = dict(record)
    if "secrets" in (record.get("details") or {}):
        copy["details"] = {**record["details"], "secrets": "[redacted]"}
    if record.get("label"):
        copy["label"] = _walk(record["label"])  # it has the query of a request
    if record.get("events"):
        copy["events"] = [redacted_event(event) for event in record["events"]]
    for tape in ("wire", "plain"):
        if record.get(tape):
            copy[tape] = _redacted_tape(record[tape], mail=record.get("service") in MAIL)
    return copy


def redacted_event(event: Mapping[str, Any]) -> Record:
    """A copy of one event's record with the values of secret fields masked, however deep they stand."""
    return {**event, "fields": _walk(event.get("fields"))}


def _walk(value: Any) -> Any:
    match value:
        case str():
            return _masked_content(value.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
        case [str(name), str(text)] if name.lower() in SECRET_FIELDS:
            return [name, masked(name, text)]
        case list():
            return [_walk(item) for item in value]
        case dict():
            return {key: _walk([key, item])[1] for key, item in value.items()}
    return value


def masked(name: str, value: str) -> str:
    """A field's value with its secret part starred out: the scheme of credentials and the names of cookies stay."""
    if name.lower().endswith("authorization"):
        found = _CREDENTIALS.fullmatch(value)
        assert found is not None
        return (found[1] or "") + "*" * len(found[2])
    if "cookie" not in name.lower():
        blanks = len(value) - len(value.lstrip())
        return value[:blanks] + "*" * (len(value) - blanks)
    pairs = value.split(";")
    secret = 1 if name.lower() == "set-cookie" else len(pairs)  # behind the first stand attributes (RFC 6265 4.1.1)
    return ";".join([*map(_masked_pair, pairs[:secret]), *pairs[secret:]])


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    return name + equals + "*" * len(value) if equals else "*" * len(pair)


def _redacted_tape(tape: Sequence[Mapping[str, Any]], *, mail: bool) -> list[Record]:
    """Masks each side's stream as a whole: a field line may begin in one chunk and end in the next."""
    chunks = [dict(chunk) for chunk in tape]
    for _, side in groupby(sorted(chunks, key=lambda chunk: str(chunk["side"])), key=lambda chunk: chunk["side"]):
        members = list(side)
        parts = [b64decode(chunk["data"]) for chunk in members]
        stream, at = _masked_content(_LINE.sub(_masked_line, b"".join(parts))), 0
        if mail:
            stream = _PASS.sub(_masked_value, _LOGIN.sub(_masked_lines, stream))
        for chunk, part in zip(members, parts, strict=True):
            chunk["data"] = b64encode(stream[at : at + len(part)]).decode("ascii")
            at += len(part)
    return chunks


def masked_bytes(data: bytes) -> bytes:
    """Bytes of a stream with the secrets in field lines, forms, JSON and URLs starred out; as long as before."""
    return _masked_content(_LINE.sub(_masked_line, data))


def masked_text(text: str) -> str:
    """The same of text: a request's target, a line."""
    return masked_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _masked_line(line: re.Match[bytes]) -> bytes:
    name, colon, value = line.groups()
    return name + colon + masked(name.decode("ascii"), value.decode("latin-1")).encode("latin-1")


def _masked_content(data: bytes) -> bytes:
    """What forms, JSON and URLs hold in the place of a secret, starred out."""
    if not _SUSPECT.search(data):
        return data
    return _USERINFO.sub(_masked_value, _PARAMETER.sub(_masked_value, _MEMBER.sub(_masked_value, data)))


def _masked_value(found: re.Match[bytes]) -> bytes:
    return found[1] + b"*" * len(found[2])


def _masked_lines(found: re.Match[bytes]) -> bytes:
    """What follows the mechanism, line by line, up to the next command (RFC 4954 4, RFC 5034 4)."""
    return found[1] + re.sub(rb"[^\r\n ]", b"*", found[2])


class StreamMask:
    """What `masked_bytes` does, of a stream in pieces: a secret may begin in one and go on in the next.

    Between pieces it keeps what an open secret stands behind, or how the last piece ended: some hundred bytes at most.
    Logins of mail are masked too, since nobody may know yet what is spoken. Where it is not known what was before
    (`torn`), the first line may be the rest of a secret, and is starred out.
    """

    def __init__(self, *, torn: bool = False) -> None:
        self._before = b"Authorization: x " if torn else b""

    def piece(self, data: bytes) -> bytes:
        """The next bytes, with secrets starred out; as long as before."""
        text = self._before + data
        small = text.lower()
        self._before = text[-LABEL:]
        if not any(hint in small for hint in _HINTS):
            return data
        shown = _PASS.sub(_masked_value, _LOGIN.sub(_masked_lines, masked_bytes(text)))
        for pattern, rest in _OPEN:
            if opened := pattern.search(text):
                self._before = opened[1][-LABEL:] + rest(opened[2])
                if pattern is _OPEN_USERINFO:
                    shown = shown[: opened.start(2)] + b"*" * len(opened[2])
                break
        return shown[len(text) - len(data) :]


def _scheme(value: bytes) -> bytes:
    """What keeps the scheme of credentials apart from them; what is too long for one is none."""
    return value if len(value) < 32 and not value.strip().count(b" ") and not value[-1:].isspace() else b" x "


LABEL = 64
"""Bytes kept of how a piece ended: more than the name of a secret has."""
_HINTS = (
    b"authorization",
    b"cookie",
    b"x-api-key",
    b"password",
    b"_token",
    b"client_secret",
    b"://",
    b"auth ",
    b"pass ",
)
_OPEN_USERINFO = re.compile(rb"""(://[^\s/?#@:"'<>]*+:)([^\s/?#@"'<>]*+)\Z""")
_OPEN: tuple[tuple[re.Pattern[bytes], Callable[[bytes], bytes]], ...] = (
    (re.compile(rb"(?im)^((?:proxy-)?authorization[ \t]*+:)([^\r\n]*+)\Z"), _scheme),
    (re.compile(rb"(?im)^((?:set-)?cookie[ \t]*+:)([^\r\n]*+)\Z"), lambda value: b" x="),
    (re.compile(rb"(?im)^(x-api-key[ \t]*+:|PASS )([^\r\n]*+)\Z"), lambda value: b"x"),
    (re.compile(rb"(?im)^(AUTH ++[A-Z0-9-]++ )([^\r\n]*+)\Z"), lambda value: b"x"),
    (
        re.compile(rb'("(?:' + _NAMES + rb"|(?i:" + _FIELDS + rb'))"\s*+:\s*+")((?:[^"\\]|\\.)*+\\?)\Z', re.DOTALL),
        lambda value: b"\\" if (len(value) - len(value.rstrip(b"\\"))) % 2 else b"x",
    ),
    (re.compile(rb"((?:^|[?&\s])(?:" + _NAMES + rb")=)([^&\s]*+)\Z"), lambda value: b"x"),
    (_OPEN_USERINFO, lambda value: b"x"),
)
"""A secret that reaches the end of what is there, behind its label; and what stands for it before what follows."""
_SUSPECT = re.compile(_NAMES + rb"|://")
