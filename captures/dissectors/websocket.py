"""WebSocket (RFC 6455) and its compression (RFC 7692): frames, and messages with mask and deflate taken off."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from captures.messages import LONGEST, Decoded, NotThis, Script, Source, Talk
from captures.tree import Layer, Reader, Row, Short

NAME = "websocket"
FRAME, CLOSE = "RFC 6455 5.2", "RFC 6455 5.5.1"
OPCODES = {0: "Continuation", 1: "Text", 2: "Binary", 8: "Close", 9: "Ping", 10: "Pong"}
CODES = {
    1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "not this kind of data", 1007: "not text",
    1008: "against the policy", 1009: "too big", 1010: "an extension is missing", 1011: "internal error",
    1012: "restarting", 1013: "try again later", 1014: "bad gateway",
}  # fmt: skip
HEAD = (
    Row("websocket.fin", "Final", 1, lambda n: "the message ends here" if n else "it goes on", FRAME),
    Row("websocket.rsv1", "Reserved 1", 1, lambda n: "compressed" if n else "", "RFC 7692 6"),
    Row("websocket.rsv23", "Reserved 2 and 3", 2, "must be zero", FRAME),
    Row("websocket.opcode", "Opcode", 4, lambda n: OPCODES.get(n, f"opcode {n}, which is not defined"), FRAME),
    Row("websocket.mask", "Mask", 1, lambda n: "masked, as a client must" if n else "plain", "RFC 6455 5.3"),
)
RATIO = 64
"""Bytes that one byte of deflate may give in the long run; text gives 3 to 10."""
UNTIL_MESSAGE = b"\x00\x00\xff\xff"


class Inflation:
    """One side's messages: frames joined, and deflate taken off with the window that goes on behind each."""

    def __init__(self, extensions: str, side: str) -> None:
        self.compressed = "permessage-deflate" in extensions
        self._fresh = f"{side}_no_context_takeover" in extensions
        self._inflater: Any = None
        self._parts: list[bytes] = []
        self._size = 0
        self._deflated = False
        self._opcode = 0
        self._room = LONGEST  # bytes that may still be inflated; each that comes gives room for some

    def frame(self, opcode: int, deflated: bool, final: bool, payload: bytes) -> tuple[Decoded, ...]:
        """What a frame of data adds; the message's buffer with its last frame."""
        if opcode:
            self._parts, self._size, self._deflated, self._opcode = [], 0, deflated and self.compressed, opcode
        if self._size <= LONGEST:
            self._parts.append(payload)
        self._size += len(payload)
        if not final:
            return ()
        data = b"".join(self._parts)[:LONGEST]
        self._parts = []
        label = f"{OPCODES.get(self._opcode, 'Data')} message"
        if self._deflated:
            data, label = self._inflate(data), f"{label}, inflated"
        return (Decoded(label, data),) if data else ()

    def _inflate(self, data: bytes) -> bytes:
        if self._inflater is None or self._fresh:
            self._inflater = zlib.decompressobj(-15)
        self._room += RATIO * len(data)
        try:
            plain = bytes(self._inflater.decompress(data + UNTIL_MESSAGE, max(min(self._room, LONGEST), 1)))
        except zlib.error:
            self._inflater = None
            return b""
        self._room -= len(plain)
        if self._inflater.unconsumed_tail:  # the window of what follows is lost with the rest
            self._inflater = None
        return plain


def messages(source: Source, talk: Talk) -> Script:
    """Frames; those of data bring their message's buffer with the last."""
    inflation = Inflation(talk.facts.get("extensions", ""), source.side)
    source.begin(NAME, codings=(talk.facts.get("extensions", ""),))
    while True:
        yield from source.need(2)
        first, second = source.peek(2)
        extra = {126: 2, 127: 8}.get(second & 127, 0)
        head = 2 + extra + (4 if second & 128 else 0)
        yield from source.need(head)
        length = int.from_bytes(source.peek(extra, 2), "big") if extra else second & 127
        if first & 15 not in OPCODES or first & 0x30:
            raise NotThis("no frame")
        if length > LONGEST - head:
            source.emit(NAME, head, {"part": True})
            yield from source.emit_pieces("websocket.payload", length, {})
            inflation = Inflation("", source.side)  # the window of what follows is lost with it
            continue
        yield from source.need(head + length)
        payload = unmask(source.peek(length, head), source.peek(4, head - 4) if second & 128 else b"")
        decoded: tuple[Decoded, ...] = ()
        if first & 15 < 8:
            decoded = inflation.frame(first & 15, bool(first & 0x40), bool(first & 0x80), payload)
        if decoded and not second & 128 and not inflation.compressed and first & 0x8F > 0x80:
            decoded = ()  # it says the same as the frame
        source.emit(NAME, head + length, {}, decoded)


def unmask(data: bytes, key: bytes) -> bytes:
    """RFC 6455 5.3: exclusive or with the key, over and over."""
    if not key or not data:
        return data
    whole = int.from_bytes(key * (len(data) // 4 + 1), "big") >> 8 * (len(key) * (len(data) // 4 + 1) - len(data))
    return (int.from_bytes(data, "big") ^ whole).to_bytes(len(data), "big")


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """The frame, and how a text begins."""
    if len(data) < 2:
        return "frame, cut short"
    opcode, length, at = data[0] & 15, data[1] & 127, 2
    if length > 125:
        size = 2 if length == 126 else 8
        length, at = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
    masked = data[1] & 128
    key = data[at : at + 4] if masked else b""
    payload = unmask(data[at + len(key) : at + len(key) + 60], key)
    words = f"{OPCODES.get(opcode, opcode)}{'' if data[0] & 128 else ' (more follow)'}, {length} bytes"
    if opcode == 1 and not data[0] & 0x40:
        words += f": {payload.decode('utf-8', 'replace')}"
    elif opcode == 8 and len(payload) >= 2:
        code = int.from_bytes(payload[:2], "big")
        words += f": {code} {CODES.get(code, '')} {payload[2:].decode('utf-8', 'replace')}".rstrip()
    return words


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The frame between `start` and `end`."""
    reader = Reader(data, start, len(data) if end is None else end)
    try:
        _frame(reader)
    except Short:
        pass
    if reader.left:
        reader.spoil("websocket.rest", "Rest", "behind the frame", FRAME)
    behind = reader.at // 8
    return Layer(NAME, "WebSocket", start * 8, reader.at, tuple(reader.fields), "", (behind, behind))


def _frame(reader: Reader) -> None:
    _, compressed, _, opcode, masked = reader.numbers(HEAD)
    length = reader.number(Row("websocket.payload_length", "Payload Length", 7, _length, FRAME))
    if length > 125:
        bits = 16 if length == 126 else 64
        row = Row(f"websocket.payload_length_ext_{bits}", "Extended Payload Length", bits, "bytes of payload", FRAME)
        length = reader.number(row)
    key = b""
    if masked:
        key = reader.take(4, "websocket.masking_key", "Masking Key", "another with each frame", "RFC 6455 5.3")
    size = min(length, reader.left)
    at = reader.at // 8
    payload = unmask(reader.data[at : at + size], key)
    if opcode == 8 and size >= 2 and size == length:
        code = int.from_bytes(payload[:2], "big")
        reader.take(2, "websocket.payload.close.status_code", "Status", CODES.get(code, ""), CLOSE, value=code)
        reason = payload[2:].decode("utf-8", "backslashreplace")
        reader.take(size - 2, "websocket.payload.close.reason", "Reason", "", CLOSE, value=reason)
    elif opcode == 1 and size and not compressed:
        words = payload.decode("utf-8", "backslashreplace")
        reader.take(size, "websocket.payload.text", "Text", "unmasked" if masked else "", "RFC 6455 5.6", value=words)
    elif size:
        what = ", ".join(word for word, holds in (("unmasked", masked), ("compressed", compressed)) if holds)
        reader.take(size, "websocket.payload", "Payload", what, "RFC 6455 5.6", value=payload)
    if size < length and not reader.left:
        reader.amend(reader.fields[-1].name, meaning=f"{size} of {length} bytes: the frame goes on")


def _length(number: int) -> str:
    return {126: "stands in the next two bytes", 127: "stands in the next eight bytes"}.get(number, f"{number} bytes")
