"""multipart/form-data as it arrives: bytes in, parts and pieces of their content out (RFC 7578, RFC 2046 5.1).

Sans-I/O and bounded: content is handed on as it comes, only a part's head and what may be the beginning of a delimiter
are held back. Any split of the same bytes gives the same parts.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from netlab.errors import RemoteProtocolError

LARGEST_HEAD = 8 << 10
"""Bytes of one part's header fields."""
MOST_PARTS = 1000

BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")  # RFC 2046 5.1.1
PARAMETER = re.compile(r';[ \t]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;"\s]*)[ \t]*(?=;|\Z)', re.DOTALL)


class Part(NamedTuple):
    """A part begins: its form field's name, its file name if it is a file, its media type."""

    name: str
    filename: str | None
    media_type: str


class Content(NamedTuple):
    """A piece of the current part's content."""

    data: bytes


class PartEnd(NamedTuple):
    """The current part is complete."""


class State(Enum):
    """Where in the body the parser stands."""

    PREAMBLE = "before the first delimiter"
    DELIMITER = "behind a delimiter"
    HEAD = "in a part's head"
    CONTENT = "in a part's content"
    EPILOGUE = "behind the last delimiter"


Event = Part | Content | PartEnd


class MultipartParser:
    """Reads one body; RemoteProtocolError (400) where it is not multipart/form-data.

    `offset` is where the body begins in all that was received, for the errors.
    """

    def __init__(self, boundary: str, *, offset: int = 0) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("latin-1")
        self._buffer = b"\r\n"  # as if before the body: its first delimiter may stand at its very beginning
        self._offset = offset - 2
        self._state = State.PREAMBLE
        self._parts = 0

    def receive(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        self._buffer += data
        while self._step(events):
            pass
        return events

    def finish(self) -> None:
        """The body is over; RemoteProtocolError if its closing delimiter did not come."""
        if self._state is not State.EPILOGUE:
            raise self._wrong(f"the body ends {self._state.value}", "multipart.truncated")

    def _step(self, events: list[Event]) -> bool:
        """Go on by one element; False when more bytes are needed."""
        match self._state:
            case State.PREAMBLE | State.CONTENT:
                return self._to_delimiter(events)
            case State.DELIMITER:
                return self._behind_delimiter()
            case State.HEAD:
                return self._head(events)
            case State.EPILOGUE:
                self._consume(len(self._buffer))
                return False

    def _to_delimiter(self, events: list[Event]) -> bool:
        at = self._buffer.find(self._delimiter)
        inside = self._state is State.CONTENT
        if at < 0:
            at = max(len(self._buffer) - len(self._delimiter) + 1, 0)  # the rest may be a delimiter's beginning
            if inside and at:
                events.append(Content(self._buffer[:at]))
            self._consume(at)
            return False
        if inside:
            if at:
                events.append(Content(self._buffer[:at]))
            events.append(PartEnd())
        self._consume(at + len(self._delimiter))
        self._state = State.DELIMITER
        return True

    def _behind_delimiter(self) -> bool:
        if self._buffer.startswith(b"--"):
            self._state = State.EPILOGUE
            return True
        padding = len(self._buffer) - len(self._buffer.lstrip(b" \t"))  # RFC 2046 5.1.1: transport-padding
        rest = self._buffer[padding : padding + 2]
        if rest == b"\r\n":
            self._consume(padding)
            self._state = State.HEAD
            return True
        if not b"\r\n".startswith(rest) and not (rest == b"-" and not padding):
            raise self._wrong("a delimiter is followed by neither a line end nor --", "multipart.delimiter")
        if padding > LARGEST_HEAD:
            raise self._wrong("a delimiter with endless padding", "multipart.delimiter")
        return False

    def _head(self, events: list[Event]) -> bool:
        stop = self._buffer.find(b"\r\n\r\n")  # the delimiter's own line end is still there, for a head of no fields
        if stop > LARGEST_HEAD or (stop < 0 and len(self._buffer) > LARGEST_HEAD):
            raise self._wrong(f"a part's head is longer than {LARGEST_HEAD} bytes", "multipart.head_too_long")
        if stop < 0:
            return False
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise self._wrong(f"more than {MOST_PARTS} parts", "multipart.too_many_parts")
        events.append(self._read_head(self._buffer[:stop].decode("utf-8", "surrogateescape")))
        self._consume(stop + 4)
        self._state = State.CONTENT
        return True

    def _read_head(self, head: str) -> Part:
        fields = {}
        for line in head.split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise self._wrong("a line of a part's head is no field", "multipart.head")
            fields[name.strip().lower()] = value.strip()
        kind, parameters = parse_parameters(fields.get("content-disposition", ""))
        if kind != "form-data" or "name" not in parameters:  # RFC 7578 4.2
            reason = 'a part without Content-Disposition: form-data; name="…"'
            raise self._wrong(reason, "multipart.disposition", "RFC 7578 4.2")
        filename = parameters.get("filename")
        return Part(
            unescape(parameters["name"]),
            None if filename is None else unescape(filename),
            fields.get("content-type", "text/plain"),  # RFC 7578 4.4
        )

    def _consume(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._offset += count

    def _wrong(self, reason: str, rule: str, section: str = "RFC 2046 5.1.1") -> RemoteProtocolError:
        return RemoteProtocolError(
            reason, offset=max(self._offset, 0), rule=rule, section=section, excerpt=self._buffer[:40]
        )


def boundary_of(content_type: str) -> str | None:
    """The boundary of a Content-Type that is multipart/form-data; None where it is not, or has none that is legal."""
    kind, parameters = parse_parameters(content_type)
    boundary = parameters.get("boundary", "")
    return boundary if kind == "multipart/form-data" and BOUNDARY.fullmatch(boundary) else None


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """A field's value in lower case and its parameters, quotes undone; what is malformed ends the reading.

    In quotes only `\\"` and `\\\\` are escapes: browsers send any other backslash as a part of the name.
    """
    kind, semicolon, _ = value.partition(";")
    parameters: dict[str, str] = {}
    at = len(kind)
    while semicolon and (match := PARAMETER.match(value, at)):
        text = match[2]
        if text.startswith('"'):
            text = re.sub(r'\\(["\\])', r"\1", text[1:-1])
        parameters.setdefault(match[1].lower(), text)
        at = match.end()
    return kind.strip().lower(), parameters


def unescape(name: str) -> str:
    """Undo the three escapes that browsers make in names (RFC 7578 2, WHATWG HTML's multipart form encoding)."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
