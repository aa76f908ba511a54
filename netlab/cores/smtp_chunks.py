"""BDAT: content by counted octets, in any split (RFC 3030)."""

from __future__ import annotations

import re

from netlab.cores.smtp_replies import Reply

MOST_READ_PAST = 1 << 30
"""Octets of a chunk that are read to its end, though it is not taken."""
BDAT = re.compile(rb"BDAT ([0-9]{1,20})( LAST)? ?\r\n", re.IGNORECASE)


def parse_bdat(line: bytes) -> tuple[int, bool] | None:
    """How many octets follow, and whether they are the last; None for what is no BDAT command."""
    match = BDAT.fullmatch(line)
    return None if match is None else (int(match[1]), match[2] is not None)


class ChunkReader:
    """The chunks of one message: keeps at most `most` octets (0: no bound), and counts the others off.

    `refusal` is the reply where the message is not taken; a chunk is read to its end in any case.
    """

    __slots__ = ("_left", "_most", "_pieces", "_size", "last", "line", "refusal", "start", "wanted")

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self._size = self._left = 0
        self.refusal: Reply | None = None
        self.line, self.start, self.wanted, self.last = b"", 0, 0, False

    def begin(self, line: bytes, start: int, octets: int, last: bool) -> None:
        self.line, self.start, self.wanted, self.last = line.rstrip(b"\r\n"), start, octets, last
        self._left = octets
        self._size += octets
        if self.refusal is None and self._most and self._size > self._most:
            words = f"The message would have {self._size} octets, the most is {self._most} (RFC 1870 6.3)"
            self.refusal = Reply(552, words, enhanced="5.3.4")
            self._pieces.clear()

    def receive(self, data: bytes) -> int:
        """Take what belongs to the chunk; how many octets that were."""
        piece = data[: self._left] if len(data) > self._left else data
        self._left -= len(piece)
        if self.refusal is None:
            self._pieces.append(piece)
        return len(piece)

    @property
    def complete(self) -> bool:
        """Whether the chunk is."""
        return not self._left

    def content(self) -> bytes:
        return b"".join(self._pieces)
