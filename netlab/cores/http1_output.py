"""Heads as bytes: status lines prebuilt, fields encoded once and checked, so that nothing can be smuggled into them."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from netlab.cores.http1_grammar import FIELD_BLOCK
from netlab.errors import LocalProtocolError

FRAMING_FIELDS = frozenset(("content-length", "transfer-encoding", "connection"))
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
STATUS_LINES |= {413: b"HTTP/1.1 413 Content Too Large\r\n", 414: b"HTTP/1.1 414 URI Too Long\r\n"}
STATUS_LINES |= {416: b"HTTP/1.1 416 Range Not Satisfiable\r\n", 422: b"HTTP/1.1 422 Unprocessable Content\r\n"}


def status_line(status: int, reason: str | None = None) -> bytes:
    """`HTTP/1.1 404 Not Found` and CR LF; an unregistered status has an empty reason (RFC 9112 4)."""
    if not 100 <= status <= 999:
        raise LocalProtocolError(f"{status} is not an HTTP status code")
    if reason is None:
        return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    if not all(byte in b"\t" or 0x20 <= byte != 0x7F for byte in reason.encode("latin-1")):
        raise LocalProtocolError(f"the reason {reason!r} holds a control character")
    return b"HTTP/1.1 %d %b\r\n" % (status, reason.encode("latin-1"))


def phrase(status: int) -> str:
    """The registered reason phrase, or nothing."""
    return STATUS_LINES[status][13:-2].decode() if status in STATUS_LINES else ""


def encode_fields(pairs: Iterable[tuple[str, str]], *, framing: bool = False) -> bytes:
    """A field block, each line ended; raises LocalProtocolError for anything that is not one field a pair.

    The core writes the fields that frame a message itself; `framing` lets a caller give them (a 101's Connection).
    """
    pairs = list(pairs)
    try:
        block = "".join([f"{name}: {value}\r\n" for name, value in pairs]).encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"a field holds {error.object[error.start]!r}, which is not latin-1") from None
    if not FIELD_BLOCK.fullmatch(block) or block.count(b"\n") != len(pairs):
        bad = next(pair for pair in pairs if not _is_field(pair))
        raise LocalProtocolError(f"{bad[0][:60]!r}: {bad[1][:60]!r} is not a header field")
    if not framing:
        for name, _ in pairs:
            if name.lower() in FRAMING_FIELDS:
                raise LocalProtocolError(f"{name} is written by the core")
    return block


def _is_field(pair: tuple[str, str]) -> bool:
    line = f"{pair[0]}: {pair[1]}\r\n".encode("latin-1")
    return FIELD_BLOCK.fullmatch(line) is not None and line.count(b"\n") == 1
