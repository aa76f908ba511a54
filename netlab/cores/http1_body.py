"""The three ways content ends: by length, by chunks, by the end of the connection (RFC 9112 6.3)."""

from __future__ import annotations

import re

from netlab.cores.fields import EMPTY, Fields
from netlab.cores.http1_events import Data, End, Event
from netlab.cores.http1_grammar import (
    FIELD_BLOCK,
    FORBIDDEN,
    QUOTED_STRING,
    TOKEN,
    Limits,
    parse_fields,
    refuse_field_block,
    show,
    violation,
)

# RFC 9112 7.1.1; blanks stand only beside ";" and "=" (BWS), never behind the size alone
CHUNK_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + QUOTED_STRING + rb"))?"
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:" + CHUNK_EXTENSION + rb")*)\r\n")
FRAMING_TRAILERS = ("content-length", "transfer-encoding", "host", "trailer")
SECTION = "RFC 9112 7.1"


class LengthBody:
    """Exactly so many bytes."""

    __slots__ = ("left",)

    def __init__(self, length: int) -> None:
        self.left = length

    def receive(self, data: bytes, base: int) -> tuple[int, list[Event]]:
        """Events of the bytes at the front of `data`, and how many bytes they were; the last is End when complete."""
        if len(data) < self.left:
            self.left -= len(data)
            return len(data), [Data(bytes(data), base, base + len(data))]
        stop = self.left
        self.left = 0
        return stop, [Data(bytes(data[:stop]), base, base + stop), End(EMPTY, base + stop, base + stop)]


class ClosedBody:
    """Until the connection ends; the core makes the End."""

    __slots__ = ()

    def receive(self, data: bytes, base: int) -> tuple[int, list[Event]]:
        return len(data), [Data(bytes(data), base, base + len(data))]


class ChunkedBody:
    """Chunks, their extensions checked and dropped, and the trailer section (RFC 9112 7.1)."""

    __slots__ = ("extensions", "left", "limits", "stage", "total")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stage = "size"  # size → data → end of data → size … → trailers
        self.left = 0
        self.extensions = 0  # bytes of chunk extensions so far
        self.total = 0  # bytes of content announced so far

    def receive(self, data: bytes, base: int) -> tuple[int, list[Event]]:
        """As LengthBody.receive; what is not yet a whole line stays with the caller."""
        events: list[Event] = []
        at = 0
        while at < len(data):
            if self.stage == "data":
                stop = min(at + self.left, len(data))
                events.append(Data(bytes(data[at:stop]), base + at, base + stop))
                self.left -= stop - at
                at = stop
                if not self.left:
                    self.stage = "end"
                continue
            used = {"size": self._size, "end": self._end, "trailers": self._trailers}[self.stage](
                data, at, base, events
            )
            if not used or self.stage == "done":
                return at + used, events
            at += used
        return at, events

    def _size(self, data: bytes, at: int, base: int, events: list[Event]) -> int:
        match = CHUNK_LINE.match(data, at)
        if match is None or len(match[0]) > self.limits.chunk_line:
            return self._refuse_line(data, at, base, events)
        size = int(match[1], 16)
        self.extensions += len(match[2])
        self.total += size
        if self.extensions > self.limits.chunk_extensions:
            reason = f"chunk extensions of more than {self.limits.chunk_extensions} bytes in all"
            return self._refuse(
                reason, data, match.start(2), base, events, "chunk.extensions_too_large", "RFC 9112 7.1.1"
            )
        if self.limits.body is not None and self.total > self.limits.body:
            reason = f"the content is longer than {self.limits.body} bytes"
            return self._refuse(reason, data, at, base, events, "body.too_large", "RFC 9110 15.5.14", 413)
        self.left = size
        self.stage = "data" if size else "trailers"
        return len(match[0])

    def _end(self, data: bytes, at: int, base: int, events: list[Event]) -> int:
        ending = data[at : at + 2]
        if ending == b"\r\n":
            self.stage = "size"
            return 2
        if ending == b"\r":
            return 0
        return self._refuse(
            f"{show(ending)} where CR LF ends the chunk's data", data, at, base, events, "chunk.end", SECTION
        )

    def _trailers(self, data: bytes, at: int, base: int, events: list[Event]) -> int:
        if data[at : at + 2] == b"\r\n":
            return self._finish(EMPTY, at, at + 2, base, events)
        stop = data.find(b"\r\n\r\n", at)
        limit = self.limits.trailers
        block = bytes(data[at : stop + 2]) if stop >= 0 else bytes(data[at:])
        if len(block) > limit or (stop < 0 and FORBIDDEN.search(block)):
            return self._refuse_trailers(block, base + at, events)
        if stop < 0:
            return 0
        if not FIELD_BLOCK.fullmatch(block) or block.count(b"\n") > self.limits.fields:
            return self._refuse_trailers(block, base + at, events)
        trailers = parse_fields(block)
        for name in FRAMING_TRAILERS:
            if name in trailers:
                reason = f"{name} has no place among the trailers"
                return self._refuse(reason, data, at, base, events, "trailer.forbidden", "RFC 9110 6.5.1")
        return self._finish(trailers, at, stop + 4, base, events)

    def _finish(self, trailers: Fields, at: int, stop: int, base: int, events: list[Event]) -> int:
        events.append(End(trailers, base + at, base + stop))
        self.stage = "done"
        return stop - at

    def _refuse_trailers(self, block: bytes, base: int, events: list[Event]) -> int:
        limits = Limits(head=self.limits.trailers, fields=self.limits.fields)
        events.append(refuse_field_block(block, 0, base, limits))
        return 0

    def _refuse_line(self, data: bytes, at: int, base: int, events: list[Event]) -> int:
        end = data.find(b"\n", at, at + self.limits.chunk_line)
        if end < 0:
            if len(data) - at < self.limits.chunk_line:
                return 0
            reason = f"a chunk's first line is longer than {self.limits.chunk_line} bytes"
            return self._refuse(reason, data, at, base, events, "chunk.line_too_long", "RFC 9112 7.1.1")
        line = data[at : end + 1]
        size = re.match(rb"[0-9A-Fa-f]+", line)
        if size is None:
            reason, where, rule = f"{show(line.rstrip())} is not a chunk size", at, "chunk.size_invalid"
        elif size.end() > 16:
            reason, where, rule = "a chunk size of more than 16 digits", at, "chunk.size_overflow"
        elif line[-2:] != b"\r\n":
            reason, where, rule = "a chunk's first line ends with LF alone", end, "chunk.bare_lf"
        elif not line[size.end() :].strip():
            reason, where, rule = "a blank behind the chunk size", at + size.end(), "chunk.size_blank"
        else:
            reason, where, rule = (
                f"{show(line[size.end() : -2])} is not a chunk extension",
                at + size.end(),
                "chunk.extension",
            )
        return self._refuse(reason, data, where, base, events, rule, SECTION)

    def _refuse(
        self,
        reason: str,
        data: bytes,
        at: int,
        base: int,
        events: list[Event],
        rule: str,
        section: str,
        status: int = 400,
    ) -> int:
        events.append(violation(reason, data, at, base=base, rule=rule, section=section, status=status))
        return 0


Body = LengthBody | ChunkedBody | ClosedBody
