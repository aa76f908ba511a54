"""Frames of one direction, read: bytes in any split to messages and control frames (RFC 6455 5, RFC 7692 6)."""

from __future__ import annotations

import codecs
import zlib
from dataclasses import dataclass

from netlab.cores.websocket_close import INVALID_DATA, NO_STATUS, PROTOCOL_ERROR, TOO_BIG, may_be_sent, meaning
from netlab.cores.websocket_deflate import Deflate, Inflater, TooMuch
from netlab.cores.websocket_events import (
    CLOSE,
    CONTINUATION,
    OPCODES,
    PING,
    TEXT,
    Close,
    Event,
    Frame,
    Message,
    Ping,
    Pong,
)
from netlab.cores.websocket_mask import apply_mask
from netlab.errors import RemoteProtocolError, Truncated

FINAL, RSV, RSV1 = 0x80, 0x70, 0x40
MASKED, LENGTH = 0x80, 0x7F
LONGEST_CONTROL = 125
SMALL = 2048
"""Bytes of a payload that is cheaper copied than looked at through a memoryview."""
GATHERED = 64 << 10
"""Bytes up to which small pieces of a message are gathered in one buffer: a list of bytes costs 41 for each."""
WHOLE = frozenset((0x81, 0x82))
"""First bytes of a frame that is a whole message, uncompressed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a peer may send, in bytes; a message counts as it is after decompression."""

    message: int = 16 << 20
    frame: int = 16 << 20


class Violation(Exception):
    """A rule that was broken, on its way to `receive`, which knows where."""

    def __init__(self, reason: str, rule: str, section: str, status: int = PROTOCOL_ERROR) -> None:
        super().__init__(reason)
        self.reason, self.rule, self.section, self.status = reason, rule, section, status


class Reader:
    """One side's frames. `masked` says whether they have to be: a client's do, a server's must not (RFC 6455 5.1).

    Where `frames` is a list, each frame is kept in it as it was on the wire.
    """

    __slots__ = (
        "_compressed",
        "_final",
        "_frame_at",
        "_frame_limit",
        "_frames",
        "_held",
        "_inflater",
        "_key",
        "_left",
        "_length",
        "_limit",
        "_mask",
        "_opcode",
        "_payload",
        "_pieces",
        "_started",
        "_utf8",
        "frames",
        "over",
        "received",
    )

    def __init__(
        self, *, masked: bool, limits: Limits | None = None, deflate: Deflate | None = None, offset: int = 0
    ) -> None:
        self._mask = MASKED if masked else 0
        limits = limits or Limits()
        self._limit, self._frame_limit = limits.message, min(limits.frame, limits.message)
        self._inflater = Inflater(deflate) if deflate is not None else None
        self.received = offset  # bytes, in everything received on the connection
        self.frames: list[Frame] | None = None
        self.over = False  # a close or a violation: nothing is read any more
        self._held = b""  # the beginning of a frame's header, or of a control frame
        self._left = -1  # bytes of payload to come of a data frame under way; -1: none is
        self._final, self._frame_at, self._key = True, 0, b""
        self._opcode = 0  # of the message under way
        self._compressed = False
        self._pieces: list[bytes | bytearray] = []
        self._length = self._payload = self._started = self._frames = 0
        self._utf8: codecs.IncrementalDecoder | None = None

    @property
    def in_message(self) -> bool:
        """Whether a message or frame has begun that is not complete."""
        return bool(self._opcode or self._held) or self._left >= 0

    @property
    def began(self) -> int:
        """Where what is under way began, in everything received on the connection."""
        return self._started if self._opcode else self.received - len(self._held)

    @property
    def progress(self) -> int:
        """Bytes of the message under way."""
        return self._length

    def receive(self, data: bytes) -> list[Event]:
        """The next bytes; b"" is their end. A violation is the last event."""
        events: list[Event] = []
        if self.over:
            return events
        if not data:
            return self._ended()
        before, origin = self._held, self.received
        self.received = origin + len(data)
        if before:
            data, origin, self._held = before + data, origin - len(before), b""
        try:
            self._read(data, origin, events)
        except Violation as broken:
            self._broken(broken, events)
        return events

    def _ended(self) -> list[Event]:
        """The peer's bytes ended without a close frame: 1006 (RFC 6455 7.1.5)."""
        self.over = True
        where = "inside a message" if self.in_message else "without a close frame"
        return [
            Truncated(
                f"the bytes ended {where}",
                offset=self.received,
                rule="close.missing",
                section="RFC 6455 7.1.5",
                status=1006,
            )
        ]

    def _read(self, data: bytes, origin: int, events: list[Event]) -> None:
        """Frame after frame. A whole message in one frame, the usual case, is made here; the rest step by step."""
        position, size = 0, len(data)
        if self._left >= 0:
            position = self._go_on(data, 0, size, origin, events)
        mask, limit, frames = self._mask, self._frame_limit, self.frames
        while size - position >= 2:
            start = position
            first, second = data[position], data[position + 1]
            length = second & LENGTH
            body = position + 2
            if length >= 126:
                self._frame_at = origin + start
                self._look_at(first, second)
                wide = 2 if length == 126 else 8
                if size - body < wide:
                    break
                length = self._wide_length(data[body : body + wide], wide)
                body += wide
            if second & MASKED:
                key = data[body : body + 4]
                body += 4
            else:
                key = b""
            end = body + length
            if first in WHOLE and end <= size and second & MASKED == mask and not self._opcode and length <= limit:
                if not key:
                    payload = data[body:end]
                elif length <= SMALL:
                    payload = apply_mask(data[body:end], key)
                else:
                    payload = apply_mask(memoryview(data)[body:end], key)
                if first == 0x81 and not payload.isascii():
                    self._frame_at = origin + start
                    check_text(payload)
                if frames is not None:
                    frames.append(Frame(False, True, 0, first & 15, key, length, origin + start, origin + end))
                events.append(_new(Message, (first & 15, payload, origin + start, origin + end, length, 1)))
                position = end
                continue
            self._frame_at = origin + start
            self._look_at(first, second)
            if first & 8:
                if end > size:
                    break
                self._control(first & 15, data[body:end], key, origin + start, origin + end, events)
                position = end
                if self.over:
                    return
                continue
            if body > size:
                break
            self._begin(first, length, key, origin + start)
            if frames is not None:
                frames.append(
                    Frame(
                        False,
                        bool(first & FINAL),
                        first >> 4 & 7,
                        first & 15,
                        key,
                        length,
                        origin + start,
                        origin + end,
                    )
                )
            position = self._go_on(data, body, size, origin, events)
        if position < size:
            self._held = data[position:]

    # -- headers -----------------------------------------------------------------------------------------------------

    def _look_at(self, first: int, second: int) -> None:
        """What the first two bytes of a frame may not say."""
        opcode = first & 15
        if opcode not in OPCODES:
            raise Violation(f"opcode {opcode:#x} is reserved", "opcode.reserved", "RFC 6455 5.2")
        if first & RSV & ~RSV1 or (first & RSV1 and self._inflater is None):
            raise Violation("a reserved bit is set that no extension has given a meaning", "rsv.set", "RFC 6455 5.2")
        if second & MASKED != self._mask:
            why = "a client's frames are masked" if self._mask else "a server's frames are not masked"
            raise Violation(f"{why}, this one is {'not' if self._mask else ''}".rstrip(), "mask", "RFC 6455 5.1")
        if opcode & 8:
            if not first & FINAL:
                raise Violation("a control frame is fragmented", "control.fragmented", "RFC 6455 5.5")
            if second & LENGTH > LONGEST_CONTROL:
                raise Violation("a control frame is longer than 125 bytes", "control.long", "RFC 6455 5.5")
            if first & RSV1:
                raise Violation("RSV1 is set on a control frame", "rsv.control", "RFC 7692 6.1")
        elif opcode == CONTINUATION:
            if not self._opcode:
                raise Violation("a continuation of no message", "continuation.alone", "RFC 6455 5.4")
            if first & RSV1:
                raise Violation("RSV1 is set on a continuation", "rsv.continuation", "RFC 7692 6.1")
        elif self._opcode:
            raise Violation("a message begins inside another", "continuation.missing", "RFC 6455 5.4")

    def _wide_length(self, field: bytes, wide: int) -> int:
        length = int.from_bytes(field, "big")
        if length < (126 if wide == 2 else 65536):
            raise Violation(f"{length} is not in the shortest form", "length.long", "RFC 6455 5.2")
        if length >> 63:
            raise Violation("the first bit of a length is set", "length.sign", "RFC 6455 5.2")
        return length

    # -- data frames in pieces -----------------------------------------------------------------------------------------

    def _begin(self, first: int, length: int, key: bytes, start: int) -> None:
        """A data frame's header is complete."""
        opcode = first & 15
        if opcode != CONTINUATION:
            self._opcode, self._compressed = opcode, bool(first & RSV1)
            self._started, self._length, self._payload, self._frames = start, 0, 0, 0
            self._utf8 = UTF8() if opcode == TEXT else None
        if length > self._frame_limit:
            why = f"a frame of {length} bytes is longer than {self._frame_limit}"
            raise Violation(why, "frame.long", "RFC 6455 7.4.1", TOO_BIG)
        if not self._compressed and self._length + length > self._limit:
            raise self._too_big()
        self._final, self._left, self._key = bool(first & FINAL), length, key
        self._frames += 1

    def _go_on(self, data: bytes, position: int, size: int, origin: int, events: list[Event]) -> int:
        """Take what is here of the frame's payload; returns where it ends."""
        count = min(self._left, size - position)
        end = position + count
        whole = count == size
        piece: bytes | memoryview = (
            data if whole else memoryview(data)[position:end] if count > SMALL else data[position:end]
        )
        key = self._key
        if key:
            piece = apply_mask(piece, key)
            if turn := count & 3:
                self._key = key[turn:] + key[:turn]
        self._left -= count
        self._payload += count
        last = self._final and not self._left
        self._take(bytes(piece), last)
        if not self._left:
            self._left = -1
            if last:
                self._complete(origin + end, events)
        return end

    def _take(self, piece: bytes, last: bool) -> None:
        """A piece of the message, unmasked: decompressed, measured, checked to be text."""
        if self._compressed:
            assert self._inflater is not None
            try:
                piece = self._inflater.piece(piece, self._limit - self._length, last=last)
            except TooMuch:
                raise self._too_big() from None
            except zlib.error as error:
                why = f"the message cannot be decompressed: {error}"
                raise Violation(why, "deflate.broken", "RFC 7692 7.2.2", INVALID_DATA) from None
        self._length += len(piece)
        if self._utf8 is not None:
            try:
                self._utf8.decode(piece, last)
            except UnicodeDecodeError as error:
                raise not_text(error) from None
        if not piece:
            return
        pieces = self._pieces
        if len(piece) > SMALL or not pieces:
            pieces.append(piece)
        elif isinstance(tail := pieces[-1], bytearray) and len(tail) < GATHERED:
            tail += piece
        else:
            pieces.append(bytearray(piece))

    def _complete(self, end: int, events: list[Event]) -> None:
        pieces = self._pieces
        data = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        events.append(Message(self._opcode, data, self._started, end, self._payload, self._frames))
        self._opcode, self._length, self._utf8 = 0, 0, None
        self._pieces = []

    def _too_big(self) -> Violation:
        return Violation(f"the message is longer than {self._limit} bytes", "message.long", "RFC 6455 7.4.1", TOO_BIG)

    # -- control frames ------------------------------------------------------------------------------------------------

    def _control(self, opcode: int, data: bytes, key: bytes, start: int, end: int, events: list[Event]) -> None:
        payload = apply_mask(data, key) if key else data
        if self.frames is not None:
            self.frames.append(Frame(False, True, 0, opcode, key, len(data), start, end))
        if opcode == CLOSE:
            close = read_close(payload, start, end)
            self.over = True
            events.append(close)
        elif opcode == PING:
            events.append(Ping(payload, start, end))
        else:
            events.append(Pong(payload, start, end))

    def _broken(self, broken: Violation, events: list[Event]) -> None:
        error = RemoteProtocolError(
            broken.reason,
            offset=self._frame_at,
            rule=broken.rule,
            section=broken.section,
            status=broken.status,
        )
        self.over = True
        self._pieces = []
        events.append(error)


def read_close(payload: bytes, start: int = 0, end: int = 0) -> Close:
    """A close frame's payload (RFC 6455 5.5.1)."""
    if not payload:
        return Close(NO_STATUS, "", start, end)
    if len(payload) == 1:
        raise Violation("a close frame's payload has one byte, half a code", "close.short", "RFC 6455 5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if not may_be_sent(code):
        raise Violation(f"{meaning(code)} may not stand in a close frame", "close.code", "RFC 6455 7.4")
    try:
        return Close(code, payload[2:].decode(), start, end)
    except UnicodeDecodeError:
        raise Violation("the reason is not UTF-8", "close.reason", "RFC 6455 5.5.1", INVALID_DATA) from None


def check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise not_text(error) from None


def not_text(error: UnicodeDecodeError) -> Violation:
    byte = error.object[error.start]
    return Violation(f"text that is not UTF-8: {byte:#04x}, {error.reason}", "text.utf8", "RFC 6455 8.1", INVALID_DATA)


UTF8 = codecs.getincrementaldecoder("utf-8")
_new = tuple.__new__
