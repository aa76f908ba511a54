"""How the steps of an authentication are written as SMTP lines: base64, `=` for an empty one, `*` for no more."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode

from netlab.cores import smtp_replies as replies
from netlab.cores.smtp_replies import Reply

MAX_RESPONSE = 12_288  # octets with CR LF, RFC 4954 4


def decode_initial(word: bytes) -> bytes | Reply:
    """The initial response of AUTH; `=` is one that is empty (RFC 4954 4)."""
    return b"" if word == b"=" else _decode(word)


def decode_response(line: bytes) -> bytes | Reply:
    """A line that answers a challenge; what to reply where it does not."""
    if line[-2:] != b"\r\n":
        return replies.BARE_NEWLINE
    if len(line) > MAX_RESPONSE:
        return replies.AUTH_TOO_LONG
    return replies.AUTH_ENDED if line == b"*\r\n" else _decode(line[:-2])


def _decode(text: bytes) -> bytes | Reply:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        return replies.AUTH_BASE64


def encode_challenge(data: bytes) -> Reply:
    """A 334 with the challenge; an empty one too has its space (RFC 4954 4)."""
    return Reply(334, b64encode(data).decode("ascii"))
