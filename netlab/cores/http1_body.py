"""The three ways content ends: by length, by chunks, by the end of the connection (RFC 9112 6.3)."""

from __future__ import annotations

from enum import Enum

from netlab.cores.fields import EMPTY, Fields
from netlab.cores.http1_events import Data, End, Event
from netlab.cores.http1_grammar import (
    CHUNK_LINE,
    FIELD_BLOCK,
    FORBIDDEN,
    FORBIDDEN_TRAILERS,
    Limits,
    parse_fields,
    unfold,
    violation,
)
from netlab.cores.http1_refusals import refuse_chunk_line, refuse_fields
from netlab.errors import RemoteProtocolError


class LengthBody:
    """Exactly so many bytes."""

    __slots__ = ("left",)

    def __init__(self, length: int) -> None:
        self.left = length

    def receive(self, data: bytes | bytearray, at: int, base: int) -> tuple[int, list[Event]]:
        """What the bytes from index `at` on mean, and the index of the first one not used; End comes last.

        Index 0 is at offset `base` of the connection.
        """
        stop = at + self.left
        if stop > len(data):
            stop = len(data)
            self.left -= stop - at
            return stop, [Data(bytes(data[at:]), base + at, base + stop)]
        return stop, [Data(bytes(data[at:stop]), base + at, base + stop), End(EMPTY, base + stop, base + stop)]

    def receive_end(self, data: bytes | bytearray, at: int, base: int) -> End | RemoteProtocolError | None:
        """What it means that the connection ends here, with these bytes not used: None if content is missing."""
        return None


class ClosedBody:
    """Until the connection ends; the core makes the End."""

    __slots__ = ("limit", "total")

    def __init__(self, limits: Limits) -> None:
        self.limit = limits.body
        self.total = 0

    def receive(self, data: bytes | bytearray, at: int, base: int) -> tuple[int, list[Event]]:
        """As LengthBody.receive; content beyond the limit is a violation."""
        room = len(data) if self.limit is None else self.limit - self.total
        piece = bytes(data[at : at + room])
        stop = at + len(piece)
        self.total += len(piece)
        events: list[Event] = [Data(piece, base + at, base + stop)] if piece else []
        if stop < len(data):
            events.append(too_large(self.limit, data, stop, base))
        return stop, events

    def receive_end(self, data: bytes | bytearray, at: int, base: int) -> End | RemoteProtocolError | None:
        """As LengthBody.receive_end."""
        return End(EMPTY, base + at, base + at)


class Stage(Enum):
    """What a chunked body expects next."""

    SIZE = "size"
    DATA = "data"
    DATA_END = "data end"
    TRAILERS = "trailers"


SIZE, DATA, DATA_END, TRAILERS = Stage  # a look-up in an Enum costs as much as a small function in Python 3.11


class ChunkedBody:
    """Chunks, their extensions checked and dropped, and the trailer section (RFC 9112 7.1)."""

    __slots__ = ("extensions", "folded", "left", "limits", "scanned", "stage", "total")

    def __init__(self, limits: Limits, *, folded: bool) -> None:
        self.limits = limits
        self.folded = folded  # obs-fold among the trailers is replaced, not refused
        self.stage = SIZE
        self.left = 0
        self.extensions = 0  # bytes of chunk extensions so far
        self.total = 0  # bytes of content announced so far
        self.scanned = 0  # offset on the connection up to which an incomplete line or trailer section was looked at

    def receive(self, data: bytes | bytearray, at: int, base: int) -> tuple[int, list[Event]]:
        """As LengthBody.receive; what is not yet a whole line stays with the caller."""
        events: list[Event] = []
        while at < len(data):
            stage = self.stage
            if stage is DATA:
                stop = min(at + self.left, len(data))
                events.append(Data(bytes(data[at:stop]), base + at, base + stop))
                self.left -= stop - at
                if not self.left:
                    whole = data[stop : stop + 2] == b"\r\n"
                    self.stage, stop = (SIZE, stop + 2) if whole else (DATA_END, stop)
            elif stage is SIZE:
                stop = self._size(data, at, base, events)
            elif stage is DATA_END:
                stop = self._data_end(data, at, base, events)
            else:
                stop = self._trailers(data, at, base, events)
                return stop, events
            if stop == at:
                break
            at = stop
        return at, events

    def receive_end(self, data: bytes | bytearray, at: int, base: int) -> End | RemoteProtocolError | None:
        """As LengthBody.receive_end; what there is of a line may be wrong already."""
        if self.stage is SIZE:
            return refuse_chunk_line(bytes(data[at:]), base + at, self.limits.chunk_line)
        return self._wrong_trailers(data, at, base) if self.stage is TRAILERS else None

    def _size(self, data: bytes | bytearray, at: int, base: int, events: list[Event]) -> int:
        limits = self.limits
        seen, room = self.scanned - base, at + limits.chunk_line
        if seen > at and len(data) < room and data.find(b"\n", seen) < 0:
            self.scanned = base + len(data)
            return at  # looked at before, and still no whole line
        match = CHUNK_LINE.match(data, at, room)
        if match is None:
            self.scanned = base + len(data)
            line = bytes(data[at:room])
            error = refuse_chunk_line(line[: line.find(b"\n") + 1 or room], base + at, limits.chunk_line)
            events += [] if error is None else [error]
            return at
        size = int(match[1], 16)
        self.extensions += len(match[2])
        self.total += size
        if self.extensions > limits.chunk_extensions:
            reason = f"chunk extensions of more than {limits.chunk_extensions} bytes in all"
            rule, section = "chunk.extensions_too_large", "RFC 9112 7.1.1"
            events.append(violation(reason, data, match.start(2), base=base, rule=rule, section=section))
            return at
        if limits.body is not None and self.total > limits.body:
            events.append(too_large(limits.body, data, at, base))
            return at
        self.left = size
        self.stage = DATA if size else TRAILERS
        return match.end()

    def _data_end(self, data: bytes | bytearray, at: int, base: int, events: list[Event]) -> int:
        ending = data[at : at + 2]
        if ending == b"\r\n":
            self.stage = SIZE
            return at + 2
        if ending != b"\r":
            reason = "the chunk's data goes on behind its size: CR LF has to end it"
            events.append(violation(reason, data, at, base=base, rule="chunk.end", section="RFC 9112 7.1"))
        return at

    def _trailers(self, data: bytes | bytearray, at: int, base: int, events: list[Event]) -> int:
        if data[at : at + 2] == b"\r\n":
            events.append(End(EMPTY, base + at, base + at + 2))
            return at + 2
        limits = self.limits
        looked = max(at, self.scanned - base)
        stop = data.find(b"\r\n\r\n", max(at, looked - 3)) + 4
        if stop == 3:
            self.scanned = base + len(data)
            if len(data) - at > limits.trailers or FORBIDDEN.search(data, max(at, looked - 1)):
                self._refuse_trailers(data, at, base, events)
            return at
        block = bytes(data[at : stop - 2])
        if self.folded:
            block = unfold(block)
        if (
            stop - at > limits.trailers
            or block.count(b"\n") > limits.fields
            or not FIELD_BLOCK.fullmatch(block)
            or (trailers := _allowed(parse_fields(block))) is None
        ):
            self._refuse_trailers(data, at, base, events)
            return at
        events.append(End(trailers, base + at, base + stop))
        return stop

    def _refuse_trailers(self, data: bytes | bytearray, at: int, base: int, events: list[Event]) -> None:
        error = self._wrong_trailers(data, at, base)
        if error is None:
            reason = "a field that frames or routes a message has no place among the trailers"
            error = violation(reason, data, at, base=base, rule="trailer.forbidden", section="RFC 9110 6.5.1")
        events.append(error)

    def _wrong_trailers(self, data: bytes | bytearray, at: int, base: int) -> RemoteProtocolError | None:
        size, count = self.limits.trailers, self.limits.fields
        return refuse_fields(bytes(data[at : at + size + 1]), 0, base + at, size, count, folded=self.folded)


def _allowed(trailers: Fields) -> Fields | None:
    return None if any(name in trailers for name in FORBIDDEN_TRAILERS) else trailers


def too_large(limit: int | None, data: bytes | bytearray, at: int, base: int) -> RemoteProtocolError:
    reason = f"the content is longer than {limit} bytes"
    return violation(reason, data, at, base=base, rule="body.too_large", section="RFC 9110 15.5.14", status=413)


Body = LengthBody | ChunkedBody | ClosedBody
