"""WebSocket without I/O, both roles (RFC 6455, RFC 7692): bytes in, messages out; acts in, frames out.

The opening handshake is in `websocket_handshake`; from its last byte on a `WebSocketCore` speaks. Pings, close frames
and violations are answered by `answer(event)`, in their turn.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from netlab.cores.websocket_close import ABNORMAL, NORMAL, close_payload
from netlab.cores.websocket_deflate import Deflate, Deflater
from netlab.cores.websocket_events import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Close,
    Event,
    Frame,
    Message,
    Ping,
    Pong,
)
from netlab.cores.websocket_mask import apply_mask
from netlab.cores.websocket_reader import WHOLE, WHOLE_TEXT, Limits, Reader
from netlab.cores.websocket_rules import FINAL, LONGEST_CONTROL, LONGEST_SHORT, MASKED, RSV1
from netlab.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Close",
    "Event",
    "Frame",
    "Limits",
    "Message",
    "Ping",
    "Pong",
    "WebSocketCore",
    "encode_frame",
    "encode_header",
]

WORTH_IT = 32
"""Bytes from which a message is compressed, where that was agreed on."""
HEADERS = {first: [bytes((first, length)) for length in range(126)] for first in WHOLE}
"""Of whole messages without a mask, up to 125 bytes, by their first byte."""
MASKED_HEADER = struct.Struct("!BB4s")
"""A client's, of a frame up to 125 bytes: the first byte, mask bit and length, the key."""
AROUND = MASKED_HEADER.size
_unpack_masked = MASKED_HEADER.unpack_from
BESIDE = MASKED - AROUND
"""By how much the second byte is more than the size of such a frame."""


def encode_header(first: int, length: int, mask: bytes = b"") -> bytes:
    """A frame's header (RFC 6455 5.2); `first` holds FIN, the reserved bits and the opcode."""
    bit = MASKED if mask else 0
    if length < 126:
        return bytes((first, bit | length)) + mask
    if length < 65536:
        return bytes((first, bit | 126, length >> 8, length & 255)) + mask
    return bytes((first, bit | 127)) + length.to_bytes(8, "big") + mask


def encode_frame(opcode: int, data: bytes, *, final: bool = True, rsv: int = 0, mask: bytes = b"") -> bytes:
    """A frame, for who wants one that may be like no other; `rsv` are the three reserved bits."""
    first = (FINAL if final else 0) | rsv << 4 | opcode
    return encode_header(first, len(data), mask) + (apply_mask(data, mask) if mask else data)


class WebSocketCore(Reader):
    """One side of a WebSocket. A client is given `mask`, the maker of masks: 4 bytes nobody can foresee each time."""

    __slots__ = (
        "_deflater",
        "_make_mask",
        "_out",
        "_plain",
        "_short",
        "close_received",
        "close_sent",
        "failed",
        "messages",
        "peer_began",
        "replies",
        "sent",
    )

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        deflate: Deflate | None = None,
        mask: Callable[[], bytes] | None = None,
        offset: int = 0,
    ) -> None:
        super().__init__(masked=mask is None, limits=limits, deflate=deflate, offset=offset)
        self._make_mask = mask
        self._deflater = Deflater(deflate) if deflate is not None else None
        self._out: list[bytes] = []
        self._plain = mask is None and deflate is None  # what leaves is as it was given
        self._short = AROUND + min(LONGEST_SHORT, self._frame_limit)  # bytes of a read that `reply` looks at
        self.sent = 0  # bytes; where frames are kept, their offsets count from here
        self.messages = 0  # sent
        self.replies = 0  # messages that `reply` was given and has answered, besides
        self.close_sent: Close | None = None
        self.close_received: Close | None = None
        self.peer_began = False  # the closing handshake
        self.failed: RemoteProtocolError | None = None

    # -- acts --------------------------------------------------------------------------------------------------------

    def send(self, opcode: int, data: bytes) -> None:
        """A whole message, TEXT or BINARY, in one frame; compressed where that was agreed on and is worth it."""
        if self.close_sent is not None:
            raise LocalProtocolError("nothing is sent behind a close frame (RFC 6455 5.5.1)")
        self.messages += 1
        if self._plain and self.frames is None:
            length = len(data)
            self._out.append(HEADERS[FINAL | opcode][length] if length < 126 else encode_header(FINAL | opcode, length))
            self._out.append(data)
        elif self._deflater is not None and len(data) >= WORTH_IT:
            self._write(FINAL | RSV1 | opcode, self._deflater.message(data))
        else:
            self._write(FINAL | opcode, data)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way, either way, and nothing has to be noted: then `reply` may be asked."""
        under_way = self._opcode or self._held or self.over or self._out or self.close_sent
        return not under_way and self._plain and self.frames is None

    def reply(self, data: bytes, answer: Callable[[int, bytes], bytes]) -> bytes:
        """The short way of a server at rest: if `data` is one short message, whole, the frame of what
        `answer(opcode, payload)` is, and it is at rest again. Else b"", and nothing has changed: it is for `receive`,
        as are all rules.
        """
        size = len(data)
        if size > self._short or size < AROUND:
            return b""
        first, second, key = _unpack_masked(data)
        headers = HEADERS.get(first)
        if headers is None or second - size != BESIDE:
            return b""
        said = apply_mask(data[AROUND:], key)
        if first == WHOLE_TEXT and not said.isascii():
            return b""
        told = answer(first & 15, said)
        length = len(told)
        frame = (headers[length] if length < 126 else encode_header(first, length)) + told
        self.received += size
        self.sent += len(frame)
        self.replies += 1
        return frame

    def send_fragmented(self, opcode: int, pieces: Sequence[bytes]) -> None:
        """One message in as many frames as there are pieces (RFC 6455 5.4); as it is, never compressed."""
        if self.close_sent is not None:
            raise LocalProtocolError("nothing is sent behind a close frame (RFC 6455 5.5.1)")
        self.messages += 1
        last = len(pieces) - 1
        for number, piece in enumerate(pieces):
            self._write((FINAL if number == last else 0) | (CONTINUATION if number else opcode), piece)

    def outgoing_with(self, frames: bytes, count: int) -> bytes:
        """What must be written now, and behind it so many messages that were encoded for many at once."""
        self.messages += count
        if self._out:
            self._out.append(frames)
            return self.outgoing()
        self.sent += len(frames)
        return frames

    def passed(self, count: int, size: int) -> None:
        """So many messages, in so many bytes, were written past it."""
        self.messages += count
        self.sent += size

    def forget(self) -> None:
        """Let what is compressed here from now on refer to nothing before: something compressed elsewhere, which does
        not either, comes between.
        """
        if self._deflater is not None:
            self._deflater.forget()

    def ping(self, data: bytes = b"") -> None:
        self._write_control(PING, data)

    def pong(self, data: bytes = b"") -> None:
        """A sign of life; a ping is answered without it."""
        self._write_control(PONG, data)

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Begin the closing handshake, or answer the peer's; what comes after the first call is ignored."""
        if self.close_sent is None:
            self._write_control(CLOSE, close_payload(code, reason))
            self.close_sent = Close(code, reason)

    def outgoing(self) -> bytes:
        out = self._out
        if not out:
            return b""
        self._out = []
        data = b"".join(out)
        self.sent += len(data)
        return data

    @property
    def closed(self) -> bool:
        """Both sides have said that they close, or the peer broke a rule: the connection can end."""
        return self.close_sent is not None and (self.close_received is not None or self.failed is not None)

    def answer(self, event: Event) -> None:
        """Say what a control frame or a violation asks for: a pong, a close frame. For each event when its turn comes,
        so that what is said stands in the order of what it answers.
        """
        if isinstance(event, Ping):
            self._write(FINAL | PONG, event.data)  # RFC 6455 5.5.2: behind our close frame, too, until the peer's comes
        elif isinstance(event, Close):
            self.close_received, self.peer_began = event, self.close_sent is None
            self.close(event.code, event.reason)  # RFC 6455 5.5.1: what was given, inside of a message too
        elif isinstance(event, RemoteProtocolError) and event.status != ABNORMAL:
            self.failed = event
            self.close(event.status, event.reason)

    # -- frames out ----------------------------------------------------------------------------------------------------

    def _write_control(self, opcode: int, data: bytes) -> None:
        if len(data) > LONGEST_CONTROL:
            raise LocalProtocolError(f"a control frame carries at most 125 bytes, not {len(data)} (RFC 6455 5.5)")
        if self.close_sent is None:
            self._write(FINAL | opcode, data)

    def _write(self, first: int, payload: bytes) -> None:
        mask = b"" if self._make_mask is None else self._make_mask()
        header = encode_header(first, len(payload), mask)
        if self.frames is not None:
            start = self.sent + sum(map(len, self._out))
            end = start + len(header) + len(payload)
            self.frames.append(
                Frame(True, bool(first & FINAL), first >> 4 & 7, first & 15, mask, len(payload), start, end)
            )
        self._out.append(header)
        self._out.append(apply_mask(payload, mask) if mask else payload)
