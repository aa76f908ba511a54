"""Addresses in header fields (RFC 5322 3.4): mailboxes and groups, quoted, commented or broken, in one pass."""

from __future__ import annotations

import re

from netlab.cores.mail_fields import LONGEST_VALUE, decode_words

MOST_ADDRESSES = 1000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\\.?|[()<>,;:]|[^"\\()<>,;:]+', re.DOTALL)
_QUOTED = re.compile(r"\\(.)")

Address = tuple[str, str]
"""Display name and address."""


class _Reading:
    """One address while its pieces come."""

    __slots__ = ("angle", "comment", "depth", "inside", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.comment: list[str] = []
        self.angle: list[str] = []
        self.depth, self.inside = 0, False  # of comments; between < and >

    def take(self, piece: str) -> None:
        """A piece that ends no address."""
        if piece == "(" or self.depth:
            self.depth += (piece == "(") - (piece == ")")
            if piece not in "()":
                self.comment.append(piece)
        elif piece == "<":
            self.inside = True
        elif piece == ">":
            self.inside = False
        else:
            (self.angle if self.inside else self.words).append(piece)

    def address(self) -> Address | None:
        """What they come to; without angle brackets the words are the address, and a comment the name."""
        words = "".join(self.words).strip()
        if self.angle:
            address = "".join(self.angle).strip()
            if address.startswith("@"):  # a source route (RFC 5322 4.4)
                address = address.rpartition(":")[2]
            return _unquoted(words), address
        if not words:
            return None
        return decode_words("".join(self.comment).strip()), words

    @property
    def open(self) -> bool:
        """Whether a comma belongs to it."""
        return self.depth > 0 or self.inside


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _QUOTED.sub(r"\1", name[1:-1])
    return " ".join(decode_words(name).split())


def addresses(*values: str) -> list[Address]:
    """Every mailbox in these fields; groups are opened. Linear in what is given, and bounded."""
    found: list[Address] = []
    for value in values:
        reading = _Reading()
        for piece in (*_TOKEN.findall(value[:LONGEST_VALUE]), ","):
            if piece in (",", ";") and not reading.open:
                address, reading = reading.address(), _Reading()
                if address is not None:
                    found.append(address)
            elif piece == ":" and not reading.open:
                reading = _Reading()  # what stood before it names a group
            else:
                reading.take(piece)
            if len(found) >= MOST_ADDRESSES:
                return found
        if reading.open and (address := reading.address()) is not None:
            found.append(address)
    return found
