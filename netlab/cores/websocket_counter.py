"""Frames of one direction, counted by their headers alone: what someone in between can afford for every byte."""

from __future__ import annotations

from netlab.cores.websocket_close import NO_STATUS
from netlab.cores.websocket_events import CLOSE, CONTINUATION

LONGEST_HEADER = 14
"""Bytes: two, eight of length, four of mask."""


class FrameCounter:
    """Counts messages and frames; payloads are skipped, but for a close frame's code."""

    __slots__ = ("_header", "_left", "close", "frames", "messages")

    def __init__(self) -> None:
        self.frames = self.messages = 0
        self.close: int | None = None  # the code of a close frame
        self._header = b""  # the beginning of one, and of a close frame's code
        self._left = 0  # bytes of payload to come

    def receive(self, data: bytes) -> None:
        """The next bytes, in any split."""
        position, size = 0, len(data)
        while True:
            if self._left:
                skipped = min(self._left, size - position)
                self._left -= skipped
                position += skipped
            if position >= size:
                return
            held = len(self._header)
            header = self._header + data[position : position + LONGEST_HEADER + 2 - held]
            length = self._read(header)
            if length < 0:
                self._header = header
                return
            self._header = b""
            position += length - held

    def _read(self, header: bytes) -> int:
        """The length of a header, which is then counted; -1 where it is not all here."""
        if len(header) < 2:
            return -1
        opcode, short = header[0] & 15, header[1] & 127
        wide = 0 if short < 126 else 2 if short == 126 else 8
        masked = header[1] >> 7
        length = 2 + wide + 4 * masked
        code = 2 if opcode == CLOSE and short >= 2 else 0
        if len(header) < length + code:
            return -1
        self._left = int.from_bytes(header[2 : 2 + wide], "big") if wide else short
        self.frames += 1
        if opcode == CLOSE:
            told, mask = header[length : length + 2], header[length - 4 : length]
            if masked:
                told = bytes(byte ^ key for byte, key in zip(told, mask, strict=False))
            self.close = int.from_bytes(told, "big") if code else NO_STATUS
        elif opcode < CLOSE and opcode != CONTINUATION:
            self.messages += 1
        return length
