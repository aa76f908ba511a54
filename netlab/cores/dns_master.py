"""Master files (RFC 1035 5, RFC 2308 4, RFC 3597 5): the text of a zone into its records, each error with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from netlab.cores.dns_codes import CLASSES, SOA, TYPES, class_number, type_number
from netlab.cores.dns_message import Record
from netlab.cores.dns_names import ROOT, from_text
from netlab.cores.dns_parts import Token, seconds
from netlab.cores.dns_rdata import from_tokens
from netlab.errors import UsageError

Load = Callable[[str], str]
"""The text of a file that $INCLUDE names; UsageError where there is none."""

DEEPEST = 8
MOST_INCLUDED = 1000
TTL = re.compile(r"\d+|(?:\d+[smhdw])+", re.IGNORECASE | re.ASCII)
PIECES = re.compile(
    r"(?P<blank>[ \t\r]+)|(?P<comment>;[^\n]*)|(?P<end>\n)|(?P<open>\()|(?P<close>\))"
    r'|(?P<quoted>"(?:[^"\\\n]|\\.)*")|(?P<word>(?:[^ \t\r\n;()"\\]|\\[^\n])+(?:"(?:[^"\\\n]|\\.)*")?)',
    re.ASCII,
)


class Entry(NamedTuple):
    """One entry of a master file: its words, and whether it began with a blank (the owner is the one before)."""

    line: int
    indented: bool
    tokens: list[Token]


def read_master(
    text: str,
    origin: bytes = ROOT,
    *,
    name: str = "the zone",
    klass: int = 1,
    load: Load | None = None,
    places: list[str] | None = None,
) -> list[Record]:
    """The records of a master file in their order; UsageError as `NAME:LINE: what is wrong`.

    `places` is filled with `NAME:LINE` of each record.
    """
    reader = _Reader(origin, klass, load)
    reader.read(text, name)
    if places is not None:
        places += reader.places
    return reader.finished()


class _Reader:
    """Origin, owner and TTLs as they stand while one file, and what it includes, is read."""

    def __init__(self, origin: bytes, klass: int, load: Load | None) -> None:
        self.origin, self.klass, self.load = origin, klass, load
        self.owner: bytes | None = None
        self.default_ttl: int | None = None  # of $TTL (RFC 2308 4)
        self.last_ttl: int | None = None  # RFC 1035 5.1: else the one before
        self.records: list[Record] = []
        self.places: list[str] = []  # of each record
        self.undated: list[int] = []  # indexes of records that came before any TTL
        self.depth = self.included = 0

    def read(self, text: str, name: str) -> None:
        for entry in entries(text, name):
            try:
                self._take(entry)
            except UsageError as error:
                if getattr(error, "placed", False):
                    raise
                raise Misplaced(f"{name}:{entry.line}: {error}") from None
            if len(self.places) < len(self.records):
                self.places.append(f"{name}:{entry.line}")

    def finished(self) -> list[Record]:
        """Records without any TTL take the SOA's minimum, as servers have always done."""
        if self.undated:
            soa = next((record for record in self.records if record.type == SOA), None)
            if soa is None:
                raise UsageError("records have no TTL: begin with $TTL 3600, say")
            minimum = int.from_bytes(soa.rdata[-4:], "big")
            for index in self.undated:
                self.records[index] = self.records[index]._replace(ttl=minimum)
        return self.records

    def _take(self, entry: Entry) -> None:
        first, *rest = entry.tokens
        if not entry.indented and first.text.startswith("$") and not first.quoted:
            self._directive(first.text.upper(), [token.text for token in rest])
        elif entry.indented:
            if self.owner is None:
                raise UsageError("the first record has no owner: a line that begins with a blank continues the last")
            self._record(self.owner, entry.tokens)
        else:
            self.owner = from_text(first.text, self.origin)
            self._record(self.owner, rest)

    def _directive(self, directive: str, words: list[str]) -> None:
        match directive, words:
            case "$ORIGIN", [name]:
                self.origin = from_text(name, self.origin)
            case "$TTL", [ttl]:
                self.default_ttl = seconds(ttl)
            case "$INCLUDE", [file, *origin] if len(origin) < 2:
                self._include(file, origin[0] if origin else None)
            case (("$ORIGIN" | "$TTL" | "$INCLUDE"), _):
                raise UsageError(
                    f"{directive} has {len(words)} words behind it; $ORIGIN NAME, $TTL TIME, $INCLUDE FILE [NAME]"
                )
            case _:
                raise UsageError(f"{directive} is not known; $ORIGIN, $TTL and $INCLUDE are")

    def _include(self, file: str, origin: str | None) -> None:
        """Origin and owner are as before when the file has ended (RFC 1035 5.1)."""
        self.included += 1
        if self.load is None or self.depth >= DEEPEST or self.included > MOST_INCLUDED:
            raise UsageError(f"$INCLUDE {file}: " + ("not here" if self.load is None else "too many, or in a circle"))
        before = self.origin, self.owner
        if origin is not None:
            self.origin = from_text(origin, self.origin)
        self.depth += 1
        self.read(self.load(file), file)
        self.depth -= 1
        self.origin, self.owner = before

    def _record(self, owner: bytes, tokens: list[Token]) -> None:
        left = list(tokens)
        ttl, klass = self._ttl_and_class(left)
        if not left:
            raise UsageError("no type: NAME [TTL] [CLASS] TYPE DATA")
        kind = type_number(left.pop(0).text)
        if klass != self.klass:
            raise UsageError(f"a record of another class ({klass}) than the zone's ({self.klass})")
        rdata = from_tokens(kind, left, self.origin)
        if ttl is None:
            ttl = self.default_ttl if self.default_ttl is not None else self.last_ttl
        if ttl is None:
            self.undated.append(len(self.records))
        else:
            self.last_ttl = ttl
        self.records.append(Record(owner, kind, ttl or 0, rdata, klass))

    def _ttl_and_class(self, left: list[Token]) -> tuple[int | None, int]:
        """Either, both or none, in any order (RFC 1035 5.1); taken off the front."""
        ttl, klass = None, None
        while left and not left[0].quoted:
            word = left[0].text.upper()
            if ttl is None and TTL.fullmatch(word):
                ttl = seconds(word)
            elif klass is None and word not in TYPES and (word in CLASSES or word.startswith("CLASS")):
                klass = class_number(word)
            else:
                break
            left.pop(0)
        return ttl, self.klass if klass is None else klass


class Misplaced(UsageError):
    """An error that names its file and line already."""

    placed = True


def entries(text: str, name: str) -> Iterator[Entry]:
    """The entries of a master file: parentheses join lines, comments and empty lines are left out."""
    tokens: list[Token] = []
    at, line, began, depth, indented = 0, 1, 1, 0, False
    text += "\n"
    while at < len(text):
        piece = PIECES.match(text, at)
        if piece is None:
            what = "a quote that is not closed" if text[at] == '"' else f"{text[at]!r} where no word can begin"
            raise Misplaced(f"{name}:{line}: {what}")
        kind, found = piece.lastgroup, piece[0]
        if kind == "end":
            if not depth and tokens:
                yield Entry(began, indented, tokens)
                tokens = []
            line += 1
            if not depth:
                began, indented = line, text[piece.end() : piece.end() + 1] in (" ", "\t")
        elif kind == "open" or kind == "close":
            depth += 1 if kind == "open" else -1
            if depth < 0:
                raise Misplaced(f"{name}:{line}: a parenthesis is closed that was not opened")
        elif kind == "quoted":
            tokens.append(Token(found[1:-1], quoted=True))
        elif kind == "word":
            tokens.append(Token(found, quoted=False))
        indented = indented or (at == 0 and kind == "blank")
        at = piece.end()
    if depth:
        raise Misplaced(f"{name}:{began}: a parenthesis is opened and not closed")
