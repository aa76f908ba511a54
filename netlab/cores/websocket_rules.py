"""The rules of WebSocket frames (RFC 6455 5, 7.4, 8.1; RFC 7692 6): what headers, lengths, closes and text must be."""

from __future__ import annotations

from codecs import IncrementalDecoder

from netlab.cores.websocket_close import INVALID_DATA, NO_STATUS, PROTOCOL_ERROR, may_be_sent, meaning
from netlab.cores.websocket_events import CONTINUATION, OPCODES, Close

FINAL, RSV, RSV1 = 0x80, 0x70, 0x40
MASKED, LENGTH = 0x80, 0x7F
LONGEST_SHORT = LONGEST_CONTROL = 125
"""Bytes of a payload whose length is in its header's second byte (RFC 6455 5.2), as a control frame's must be (5.5)."""


class Violation(Exception):
    """A rule that was broken, on its way to `receive`, which knows where."""

    def __init__(self, reason: str, rule: str, section: str, status: int = PROTOCOL_ERROR) -> None:
        super().__init__(reason)
        self.reason, self.rule, self.section, self.status = reason, rule, section, status


def check_header(first: int, second: int, *, mask: int, deflates: bool, in_message: bool) -> None:
    """What the first two bytes of a frame may not say. `mask` is the bit as it has to be, `in_message` whether one has
    begun that is not complete.
    """
    opcode = first & 15
    if opcode not in OPCODES:
        raise Violation(f"opcode {opcode:#x} is reserved", "opcode.reserved", "RFC 6455 5.2")
    if first & RSV & ~RSV1 or (first & RSV1 and not deflates):
        raise Violation("a reserved bit is set that no extension has given a meaning", "rsv.set", "RFC 6455 5.2")
    if second & MASKED != mask:
        why = "a client's frame is not masked" if mask else "a server's frame is masked"
        raise Violation(why, "mask", "RFC 6455 5.1")
    if opcode & 8:
        check_control(first, second)
    elif opcode == CONTINUATION:
        if not in_message:
            raise Violation("a continuation of no message", "continuation.alone", "RFC 6455 5.4")
        if first & RSV1:
            raise Violation("RSV1 is set on a continuation", "rsv.continuation", "RFC 7692 6.1")
    elif in_message:
        raise Violation("a message begins inside another", "continuation.missing", "RFC 6455 5.4")


def check_control(first: int, second: int) -> None:
    """The same of a control frame."""
    if not first & FINAL:
        raise Violation("a control frame is fragmented", "control.fragmented", "RFC 6455 5.5")
    if second & LENGTH > LONGEST_CONTROL:
        raise Violation("a control frame is longer than 125 bytes", "control.long", "RFC 6455 5.5")
    if first & RSV1:
        raise Violation("RSV1 is set on a control frame", "rsv.control", "RFC 7692 6.1")


def read_length(field: bytes) -> int:
    """A length of two or eight bytes."""
    length = int.from_bytes(field, "big")
    if length < (126 if len(field) == 2 else 65536):
        raise Violation(f"{length} is not in the shortest form", "length.long", "RFC 6455 5.2")
    if length >> 63:
        raise Violation("the first bit of a length is set", "length.sign", "RFC 6455 5.2")
    return length


def read_close(payload: bytes, start: int = 0, end: int = 0) -> Close:
    """A close frame's payload (RFC 6455 5.5.1)."""
    if not payload:
        return Close(NO_STATUS, "", start, end)
    if len(payload) == 1:
        raise Violation("a close frame's payload has one byte, half a code", "close.short", "RFC 6455 5.5.1")
    try:
        reason = payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation("the reason is not UTF-8", "close.reason", "RFC 6455 5.5.1", INVALID_DATA) from None
    code = int.from_bytes(payload[:2], "big")
    if not may_be_sent(code):
        raise Violation(f"{meaning(code)} may not stand in a close frame", "close.code", "RFC 6455 7.4")
    return Close(code, reason, start, end)


def check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise not_text(error) from None


def check_piece(decoder: IncrementalDecoder, piece: bytes, *, last: bool) -> None:
    """The same of text that comes in pieces: it fails with the first byte behind which no text can go on."""
    try:
        decoder.decode(piece, last)
    except UnicodeDecodeError as error:
        raise not_text(error) from None
    waiting = decoder.getstate()[0]
    if waiting[:1] == b"\xed" and waiting[1:] >= b"\xa0":  # half of a surrogate, which Python's decoder waits out
        raise not_text(UnicodeDecodeError("utf-8", waiting, 0, 2, "a surrogate"))


def not_text(error: UnicodeDecodeError) -> Violation:
    byte = error.object[error.start]
    return Violation(f"text that is not UTF-8: {byte:#04x}, {error.reason}", "text.utf8", "RFC 6455 8.1", INVALID_DATA)
