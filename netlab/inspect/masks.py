"""Masks over secrets in text: credentials, cookies, tokens and passwords in lines, forms, JSON and URLs.

A mask is as long as what it hides, so that offsets, lengths and the cut into packets stay what they were.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

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


class Cover(NamedTuple):
    """What stands in the place of a secret, from this byte on."""

    start: int
    stars: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.stars)


def covered(data: bytes, covers: Iterable[Cover]) -> bytes:
    """The same bytes with secrets covered."""
    found = bytearray(data)
    for cover in covers:
        found[cover.start : cover.end] = cover.stars
    return bytes(found)


def moved(covers: Iterable[Cover], by: int) -> list[Cover]:
    """The same covers, counted from another beginning."""
    return [Cover(cover.start + by, cover.stars) for cover in covers]


def clipped(covers: Iterable[Cover], start: int, end: int) -> list[Cover]:
    """What of them is over these bytes."""
    return [
        Cover(begin, cover.stars[begin - cover.start : until - cover.start])
        for cover in covers
        if (begin := max(cover.start, start)) < (until := min(cover.end, end))
    ]


def whole(start: int, end: int) -> list[Cover]:
    """A cover over all of these bytes."""
    return [Cover(start, b"*" * (end - start))] if end > start else []


def differences(data: bytes, shown: bytes, offset: int = 0) -> list[Cover]:
    """Covers that make the one of the other; bytes far apart have covers of their own."""
    found: list[Cover] = []
    at = 0
    while (at := shown.find(b"*", at)) >= 0:
        end = at
        while end < len(shown) and shown[end] == 42:
            end += 1
        if data[at:end] != shown[at:end]:
            found.append(Cover(offset + at, shown[at:end]))
        at = end
    return found


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


def masked_bytes(data: bytes) -> bytes:
    """Bytes of a stream with the secrets in field lines, forms, JSON and URLs starred out; as long as before."""
    return masked_content(_LINE.sub(_masked_line, data))


def masked_text(text: str) -> str:
    """The same of text: a request's target, a line."""
    return masked_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _masked_line(line: re.Match[bytes]) -> bytes:
    name, colon, value = line.groups()
    return name + colon + masked(name.decode("ascii"), value.decode("latin-1")).encode("latin-1")


def masked_content(data: bytes) -> bytes:
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
        self.open = torn  # whether a secret goes on with the next byte, for all that is known

    def piece(self, data: bytes) -> bytes:
        """The next bytes, with secrets starred out; as long as before."""
        text = self._before + data
        small = text.lower()
        self._before, self.open = text[-LABEL:], False
        if not any(hint in small for hint in _HINTS):
            return data
        shown = _PASS.sub(_masked_value, _LOGIN.sub(_masked_lines, masked_bytes(text)))
        for pattern, rest in _OPEN:
            if opened := pattern.search(text):
                self.open = True
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
