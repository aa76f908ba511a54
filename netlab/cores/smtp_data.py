"""The content of DATA: read to `<CR><LF>.<CR><LF>` in any split, with dots unstuffed and strict ends of lines."""

from __future__ import annotations

import re

END = b"\r\n.\r\n"
OVERLAP = len(END) - 1

FALSE_END = re.compile(rb"(?<!\r)\n\.\r?\n|\r\n\.\n|\r\.\r|\r\n\.\r(?=[^\n])")
"""What some take for the end and others do not: `<LF>.<LF>`, `<LF>.<CR><LF>`, `<CR>.<CR>` and their like. A message
that goes on behind one is two messages to a server that takes it for the end: SMTP smuggling.
"""
BARE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
NO_END = "an end of the message that is none: only <CR><LF>.<CR><LF> is"
TOO_LARGE = "The message has more than {} octets (RFC 1870 6.3)"
ALONE = "A CR or LF stands alone at octet {} of the message; lines end in CR LF (RFC 5321 2.3.8)"
TEXT_LINE = 1000
"""Octets of a text line with its CR LF (RFC 5321 4.5.3.1.6)."""


class DotReader:
    """One message on its way in: keeps at most `most` octets (0: no bound), and goes on to the end in any case."""

    __slots__ = ("_most", "_pieces", "_size", "_tail", "bare", "false_end", "over", "start")

    def __init__(self, most: int, start: int = 0) -> None:
        self._most, self.start = most, start  # start: where on the connection it begins
        self._pieces: list[bytes] = []
        self._size = -2  # of the pieces; the line end of DATA itself is the first of them and does not count
        self._tail = b"\r\n"  # the last octets, in which an end may have begun
        self.over = False
        self.bare = -1  # where the first CR or LF stands that is alone
        self.false_end = -1  # where what is no end begins, though it looks like one

    def receive(self, data: bytes) -> int:
        """Take what has come: how many octets of it were read when the end is in it, else -1.

        A `false_end` before the end ends it all.
        """
        joined = self._tail + data
        found = joined.find(END)
        stop = len(joined) if found < 0 else found + len(END)
        if joined.count(b"\r\n", 0, stop) * 2 != joined.count(b"\n", 0, stop) + joined.count(b"\r", 0, stop):
            self._look_closely(joined, stop)
            if self.false_end >= 0:
                return -1
        if found >= 0:
            self._keep(joined[: found + 2])
            return stop - len(self._tail)
        if len(joined) > OVERLAP:
            self._keep(joined[:-OVERLAP])
            joined = joined[-OVERLAP:]
        self._tail = joined
        return -1

    def _look_closely(self, joined: bytes, stop: int) -> None:
        """The counts do not fit: a CR or LF stands alone, or its other half has not come, or is gone already."""
        first = 1 if self._size > -2 else 0  # what is before it was looked at with the last octets of another read
        bare, false_end = BARE.search(joined, first, stop), FALSE_END.search(joined, 0, stop)
        if bare is not None and self.bare < 0:
            self.bare = self._size + bare.start()
        if false_end is not None:
            self.false_end = self._size + false_end.start()

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._most and self._size > self._most:
            self.over = True
            self._pieces.clear()
        if not self.over:
            self._pieces.append(piece)

    @property
    def size(self) -> int:
        """Octets so far, as they are on the wire."""
        return max(self._size, 0)

    def content(self) -> bytes:
        """The message without the dots that the transfer has put before its own (RFC 5321 4.5.2)."""
        pieces = self._pieces
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if b"\r\n." in whole:
            whole = whole.replace(b"\r\n.", b"\r\n")
        return whole[2:]


def stuff(content: bytes) -> bytes:
    """A message as DATA carries it: dots before dots, and the end; a last line that has no end gets one."""
    stuffed = b"." + content if content[:1] == b"." else content
    stuffed = stuffed.replace(b"\r\n.", b"\r\n..")
    return stuffed + (b".\r\n" if not stuffed or stuffed.endswith(b"\r\n") else END)


def long_line(content: bytes) -> int:
    """Where the first line begins that has more than 998 octets and CR LF; -1 where there is none."""
    at, last = 0, len(content)
    while last - at > TEXT_LINE - 2:
        end = content.rfind(b"\n", at, at + TEXT_LINE)
        if end < 0:
            return at
        at = end + 1
    return -1


def remarks_on(content: bytes, body: str, size: int | None) -> tuple[str, ...]:
    """What a strict server would refuse a message for, by the BODY and SIZE that were announced."""
    found = []
    if size and len(content) > size:
        found.append(f"{len(content)} octets, of which SIZE= announced {size} (RFC 1870 6.1)")
    if not content.isascii() and body == "7BIT":
        found.append("8-bit content without BODY=8BITMIME (RFC 6152 3)")
    if body != "BINARYMIME" and b"\0" in content:
        found.append("a NUL octet without BODY=BINARYMIME (RFC 2045 2.8)")
    if body != "BINARYMIME" and (at := long_line(content)) >= 0:
        found.append(f"a line of more than 998 octets, at octet {at} (RFC 5321 4.5.3.1.6)")
    return tuple(found)
