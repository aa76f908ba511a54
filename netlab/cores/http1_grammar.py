"""The grammar of HTTP/1.1 heads as expressions: one match says whether a head is right, without a look at each byte.

Why one that fails them is wrong is found by http1_refusals, which reads it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from netlab.cores.fields import Fields
from netlab.errors import RemoteProtocolError

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110 5.6.2
FIELD_LINE = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n"  # RFC 9112 5; obs-text allowed (RFC 9110 5.5), obs-fold not

REQUEST_START = re.compile(rb"(" + TOKEN + rb") ([!-\"$-~]+) ")  # RFC 9112 3; a target has no fragment: no "#"
REQUEST_REST = re.compile(rb"HTTP/1\.(\d)\r\n((?:" + FIELD_LINE + rb")*)\r\n")
STATUS_REST = re.compile(  # RFC 9112 4; the space before an absent reason may be absent too
    rb"HTTP/1\.(\d) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n((?:" + FIELD_LINE + rb")*)\r\n"
)
OBS_FOLD = re.compile(rb"\r\n[ \t]+")
FIELD_BLOCK = re.compile(rb"(?:" + FIELD_LINE + rb")*")
QUOTED_STRING = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'  # RFC 9110 5.6.4
# RFC 9112 7.1.1; blanks stand only beside ";" and "=" (BWS), never behind the size alone
CHUNK_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + QUOTED_STRING + rb"))?"
CHUNK_EXTENSIONS = re.compile(rb"(?:" + CHUNK_EXTENSION + rb")*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(" + CHUNK_EXTENSIONS.pattern + rb")\r\n")
FORBIDDEN = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

PORT = r"(?:[0-5]?\d{0,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"  # up to 65535; may be empty (RFC 3986 3.2.3)
REG_NAME = r"[\w.~!$&'()*+,;=-]*(?:%[0-9A-Fa-f]{2}[\w.~!$&'()*+,;=-]*)*"  # RFC 3986 3.2.2
HOST = re.compile(rf"(?:\[([0-9A-Fa-f:.]+)\]|(?!:)(?:{REG_NAME}))(?::{PORT})?", re.ASCII)
"""uri-host [ ":" port ] of RFC 9110 7.2, or nothing; no user information, and no port behind an empty host."""

ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)")

FRAMING_FIELDS = frozenset(("content-length", "transfer-encoding"))
"""What says where content ends: only the core writes them."""
FORBIDDEN_TRAILERS = FRAMING_FIELDS | {"host", "connection", "trailer"}
"""Fields that frame or route a message, or are about this connection: no trailers (RFC 9110 6.5.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds, in bytes unless said otherwise."""

    request_line: int = 16 << 10  # line end included; 414 (a status line is bound by it too)
    head: int = 64 << 10  # start line, fields and the empty line; 431
    fields: int = 128  # lines; 431
    body: int | None = None  # content after the transfer coding; 413
    chunk_line: int = 4 << 10  # size, extensions and line end
    chunk_extensions: int = 16 << 10  # of all chunks of a message together
    trailers: int = 16 << 10
    held: int = 1 << 20  # bytes taken in while the exchange before is not over; who stops reading in time is far below
    memo: int = 4 << 10  # a field block up to this size is remembered until the connection's next request; 0: never


def parse_fields(block: bytes) -> Fields:
    """Fields of a block that FIELD_BLOCK has passed."""
    pairs: list[tuple[str, str]] = []
    index: dict[str, str] = {}
    if block:
        for line in block[:-2].decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            value = value.strip(" \t")
            pairs.append((name, value))
            key = name.lower()
            index[key] = f"{index[key]}, {value}" if key in index else value
    return Fields(pairs, index)


def unfold(block: bytes) -> bytes:
    """Field lines with each obs-fold replaced by a space; a blank before the first line is none (RFC 9112 5.2, 2.2)."""
    return block if block[:1] in (b" ", b"\t") else OBS_FOLD.sub(b" ", block)


def is_host(text: str) -> bool:
    """Whether this is a host, with or without a port; the empty host is one (RFC 9112 3.2)."""
    match = HOST.fullmatch(text)
    if match is None:
        return False
    if match[1] is not None:
        try:
            IPv6Address(match[1])
        except AddressValueError:
            return False
    return True


def violation(
    reason: str, data: bytes | bytearray, at: int, *, base: int, rule: str, section: str, status: int = 400
) -> RemoteProtocolError:
    """A violation at index `at` of `data`, which begins at offset `base` of the connection."""
    begin = max(at - 40, 0)
    return RemoteProtocolError(
        reason,
        offset=base + at,
        rule=rule,
        section=section,
        status=status,
        excerpt=bytes(data[begin : at + 40]),
        caret=at - begin,
    )


def show(data: bytes) -> str:
    """Bytes as a person can read them in a sentence."""
    text = repr(bytes(data[:40]))[1:]
    return text if len(data) <= 40 else text + "…"
