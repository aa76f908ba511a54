"""Heads as bytes: status lines prebuilt, fields encoded once and checked, so that nothing can be smuggled into them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from netlab.cores.http1_grammar import FIELD_BLOCK, FORBIDDEN_TRAILERS, FRAMING_FIELDS, TOKEN
from netlab.errors import LocalProtocolError

BY_THE_CORE = FRAMING_FIELDS | {"connection"}
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
STATUS_LINES |= {413: b"HTTP/1.1 413 Content Too Large\r\n", 414: b"HTTP/1.1 414 URI Too Long\r\n"}
STATUS_LINES |= {416: b"HTTP/1.1 416 Range Not Satisfiable\r\n", 422: b"HTTP/1.1 422 Unprocessable Content\r\n"}
PHRASES = {status: line[13:-2].decode() for status, line in STATUS_LINES.items()}
"""The registered reason phrases."""
REASON = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
METHOD = re.compile(TOKEN.decode())
TARGET = re.compile(r"[!-\"$-~]+")
UPGRADE_FIELD = re.compile(rb"(?:\A|\n)upgrade:[ \t]*[^ \t\r]", re.IGNORECASE)
CONNECTION_FIELD = re.compile(rb"(?:\A|\n)connection:", re.IGNORECASE)


def status_line(status: int, reason: str | None = None) -> bytes:
    """`HTTP/1.1 404 Not Found` and CR LF; an unregistered status has an empty reason (RFC 9112 4)."""
    if not 100 <= status <= 999:
        raise LocalProtocolError(f"{status} is not an HTTP status code")
    if reason is None or reason == PHRASES.get(status):
        return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    if not REASON.fullmatch(reason):
        raise LocalProtocolError(f"the reason {reason[:60]!r} holds what no status line can")
    return b"HTTP/1.1 %d %b\r\n" % (status, reason.encode("latin-1"))


def request_line(method: str, target: str, version: str) -> bytes:
    """`GET /path HTTP/1.1` and CR LF."""
    if not METHOD.fullmatch(method):
        raise LocalProtocolError(f"{method[:60]!r} is not a method")
    if not TARGET.fullmatch(target):
        raise LocalProtocolError(f"{target[:60]!r} is not a request target; percent-encode it")
    if version not in ("1.0", "1.1"):
        raise LocalProtocolError(f"HTTP/{version} is not spoken here; 1.1 and 1.0 are")
    return f"{method} {target} HTTP/{version}\r\n".encode("ascii")


def phrase(status: int) -> str:
    """The registered reason phrase, or nothing."""
    return PHRASES.get(status, "")


def encode_fields(pairs: Iterable[tuple[str, str]], *, framing: bool = False) -> bytes:
    """A field block, each line ended; raises LocalProtocolError for anything that is not one field a pair.

    The core writes the fields that frame a message itself; `framing` lets a caller give Connection (a 101's).
    """
    pairs = list(pairs)
    return _encode(pairs, FRAMING_FIELDS if framing else BY_THE_CORE)


def encode_trailers(pairs: Iterable[tuple[str, str]]) -> bytes:
    """A trailer section without its final empty line; fields that frame or route are refused (RFC 9110 6.5.1)."""
    return _encode(list(pairs), FORBIDDEN_TRAILERS)


def _encode(pairs: list[tuple[str, str]], reserved: frozenset[str]) -> bytes:
    try:
        block = "".join([f"{name}: {value}\r\n" for name, value in pairs]).encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"a field holds {error.object[error.start]!r}, which is not latin-1") from None
    # the names alone are looked at too: "a:b" would pass as the name of a field a
    if not FIELD_BLOCK.fullmatch(block) or block.count(b"\n") != len(pairs) or any(":" in name for name, _ in pairs):
        bad = next(pair for pair in pairs if not _is_field(pair))
        raise LocalProtocolError(f"{bad[0][:60]!r}: {bad[1][:60]!r} is not a field")
    for name, _ in pairs:
        if name.lower() in reserved:
            raise LocalProtocolError(f"{name} is not for the caller to send: the core writes what frames a message")
    return block


def _is_field(pair: tuple[str, str]) -> bool:
    line = f"{pair[0]}: {pair[1]}\r\n".encode("latin-1")
    return ":" not in pair[0] and FIELD_BLOCK.fullmatch(line) is not None and line.count(b"\n") == 1


def switching_fields(block: bytes) -> bytes:
    """The fields of a 101: Upgrade has to be among them, Connection is added if it is not (RFC 9110 7.8)."""
    if not UPGRADE_FIELD.search(block):
        raise LocalProtocolError("a 101 response names the protocol in an Upgrade field")
    return block if CONNECTION_FIELD.search(block) else block + b"Connection: upgrade\r\n"
