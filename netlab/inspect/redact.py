"""Secrets masked in flows' records: credentials, cookies, tokens, TLS secrets; in fields, content and raw bytes alike.

A mask is as long as what it hides, so that offsets, lengths and the cut into packets stay what they were.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
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
    """Bytes of a stream with the secrets in field lines, forms and JSON starred out; as long as before."""
    return _masked_content(_LINE.sub(_masked_line, data))


def masked_text(text: str) -> str:
    """The same of text: a request's target, a line."""
    return masked_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _masked_line(line: re.Match[bytes]) -> bytes:
    name, colon, value = line.groups()
    return name + colon + masked(name.decode("ascii"), value.decode("latin-1")).encode("latin-1")


def _masked_content(data: bytes) -> bytes:
    """What forms and JSON hold under the name of a secret, starred out."""
    if not _SUSPECT.search(data):
        return data
    return _PARAMETER.sub(_masked_value, _MEMBER.sub(_masked_value, data))


def _masked_value(found: re.Match[bytes]) -> bytes:
    return found[1] + b"*" * len(found[2])


def _masked_lines(found: re.Match[bytes]) -> bytes:
    """What follows the mechanism, line by line, up to the next command (RFC 4954 4, RFC 5034 4)."""
    return found[1] + re.sub(rb"[^\r\n ]", b"*", found[2])


_SUSPECT = re.compile(_NAMES)
