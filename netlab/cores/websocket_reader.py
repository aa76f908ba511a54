"""Frames of one direction, read: bytes in any split to messages and control frames (RFC 6455 5, RFC 7692 6)."""

from __future__ import annotations

import codecs
import zlib
from dataclasses import dataclass

from netlab.cores.websocket_close import INVALID_DATA, TOO_BIG
from netlab.cores.websocket_deflate import Deflate, Inflater, TooMuch
from netlab.cores.websocket_events import (
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Event,
    Frame,
    Message,
    Ping,
    Pong,
)
from netlab.cores.websocket_mask import apply_mask
from netlab.cores.websocket_rules import (
    FINAL,
    LENGTH,
    MASKED,
    RSV1,
    Violation,
    check_header,
    check_piece,
    check_text,
    read_close,
    read_length,
)
from netlab.errors import RemoteProtocolError, Truncated

SMALL = 2048
"""Bytes of a payload that is cheaper copied than looked at through a memoryview."""
GATHERED = 64 << 10
"""Bytes up to which small pieces of a message are gathered in one buffer: a list of bytes costs 41 for each."""
INFLATED = 4 << 20
"""Bytes from which on what was decompressed is enough for one call: a read of 64 KiB may hold a thousand times that."""
WHOLE, WHOLE_TEXT = frozenset((0x81, 0x82)), 0x81
"""First bytes of a frame that is a whole message, uncompressed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a peer may send, in bytes; a message counts as it is after decompression."""

    message: int = 16 << 20
    frame: int = 16 << 20


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
        "_inflated",
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
        "more",
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
        self.more = False  # `receive` has left something for later; to be asked for by `rest`
        self._held = b""  # the beginning of a frame's header, or of a control frame
        self._left = -1  # bytes of payload to come of a data frame under way; -1: none is
        self._final, self._frame_at, self._key = True, 0, b""
        self._opcode = 0  # of the message under way
        self._compressed = False
        self._inflated = 0  # bytes, by this call
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
        """Bytes of the message under way, as they are on the wire: what is decompressed is nobody's work but ours."""
        return self._payload if self._opcode else 0

    def receive(self, data: bytes) -> list[Event]:
        """The next bytes; b"" is their end. A violation is the last event.

        Where `more` is true then, give it what `rest` gives before anything else: there was too much to decompress.
        """
        events: list[Event] = []
        if self.over:
            return events
        if not data:
            return self._ended()
        self._inflated = 0
        before, origin = self._held, self.received
        self.received = origin + len(data)
        if before:
            data, origin, self._held = before + data, origin - len(before), b""
        try:
            self._read(data, origin, events)
        except Violation as broken:
            self._broken(broken, events)
        return events

    def rest(self) -> bytes:
        """What `receive` has left for later, as if it had never come."""
        data, self._held, self.more = self._held, b"", False
        self.received -= len(data)
        return data

    def _ended(self) -> list[Event]:
        """The peer's bytes ended without a close frame: 1006 (RFC 6455 7.1.5)."""
        events: list[Event] = []
        while self.more:
            events += self.receive(self.rest())
        if self.over:
            return events
        self.over = True
        where = "inside a message" if self.in_message else "without a close frame"
        events.append(
            Truncated(
                f"the bytes ended {where}",
                offset=self.received,
                rule="close.missing",
                section="RFC 6455 7.1.5",
                status=1006,
            )
        )
        return events

    def _read(self, data: bytes, origin: int, events: list[Event]) -> None:
        """Frame after frame. A whole message in one frame, the usual case, is made here; the rest step by step."""
        position, size = 0, len(data)
        if self._left >= 0:
            position = self._go_on(data, 0, size, origin, events)
        mask, limit, frames = self._mask, self._frame_limit, self.frames
        while size - position >= 2:
            start = position
            first, second = data[position], data[position + 1]
            masked, length = second & MASKED, second & LENGTH
            body = position + 2
            if length >= 126:
                self._look_at(first, second, origin + start)
                body += 2 if length == 126 else 8
                if size < body:
                    break
                length = read_length(data[start + 2 : body])
            key = b""
            if masked:
                key = data[body : body + 4]
                body += 4
            end = body + length
            if first in WHOLE and end <= size and masked == mask and not self._opcode and length <= limit:
                payload: bytes | memoryview = data[body:end] if length <= SMALL else memoryview(data)[body:end]
                said = apply_mask(payload, key) if key else bytes(payload)
                if first == WHOLE_TEXT and not said.isascii():
                    self._frame_at = origin + start
                    check_text(said)
                if frames is not None:
                    frames.append(Frame(False, True, 0, first & 15, key, length, origin + start, origin + end))
                events.append(_new(Message, (first & 15, said, origin + start, origin + end, length, 1)))
                position = end
                continue
            if self._inflated >= INFLATED and not first & 8:
                self.more = True
                break
            self._look_at(first, second, origin + start)
            if body > size or (first & 8 and end > size):
                break
            if first & 8:
                self._control(first & 15, data[body:end], key, origin + start, origin + end, events)
                position = end
                if self.over:
                    break
            else:
                self._begin(first, length, key, origin + start, origin + end)
                position = self._go_on(data, body, size, origin, events)
        self._held = data[position:]

    def _look_at(self, first: int, second: int, start: int) -> None:
        """Whether a header may stand here."""
        self._frame_at = start
        deflates = self._inflater is not None
        check_header(first, second, mask=self._mask, deflates=deflates, in_message=bool(self._opcode))

    # -- data frames in pieces -----------------------------------------------------------------------------------------

    def _begin(self, first: int, length: int, key: bytes, start: int, end: int) -> None:
        """A data frame's header is complete."""
        if self.frames is not None:
            self.frames.append(Frame(False, bool(first & FINAL), first >> 4 & 7, first & 15, key, length, start, end))
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
        if (
            self._compressed and self._payload
        ):  # of nothing at all (RFC 7692 7.2.3.6 has a byte) there is nothing to read
            assert self._inflater is not None
            try:
                piece = self._inflater.piece(piece, self._limit - self._length, last=last)
            except TooMuch:
                raise self._too_big() from None
            except zlib.error as error:
                why = f"the message cannot be decompressed: {error}"
                raise Violation(why, "deflate.broken", "RFC 7692 7.2.2", INVALID_DATA) from None
            self._inflated += len(piece)
        self._length += len(piece)
        if self._utf8 is not None:
            check_piece(self._utf8, piece, last=last)
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


UTF8 = codecs.getincrementaldecoder("utf-8")
_new = tuple.__new__
