"""The server's side of an HTTP/1.1 connection: requests in, responses out."""

from __future__ import annotations

from collections.abc import Iterable

from netlab.cores.fields import EMPTY, Fields
from netlab.cores.http1_endpoint import Endpoint, Reading, Writing
from netlab.cores.http1_events import Event, Frame, Request
from netlab.cores.http1_framing import NO_BODY_STATUS, Refused, check_target, frame_request
from netlab.cores.http1_grammar import (
    REQUEST_REST,
    REQUEST_START,
    Limits,
    parse_fields,
    refuse_request_head,
    refuse_request_line,
)
from netlab.cores.http1_output import STATUS_LINES, encode_fields, status_line
from netlab.errors import LocalProtocolError

BLANK_LINES = 4
"""How many empty lines may stand before a request line (RFC 9112 2.2 wants at least one to be ignored)."""


Meaning = tuple[Fields, Frame, str]
"""Fields, frame and version of a request: what stands behind its target."""


class ServerCore(Endpoint):
    """Reads requests, one exchange at a time, and writes the answers in their order."""

    __slots__ = ("_blank_lines", "_line_checked", "_memo", "_request")

    HEAD_NAME = "request"

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._request: Request | None = None
        self._blank_lines = 0
        self._line_checked = False
        self._memo: tuple[bytes, Meaning] = (b"", (EMPTY, Frame(False, 0, False, True), "1.1"))

    # -- requests in ---------------------------------------------------------------------------------------------

    def _read_head(self, events: list[Event]) -> bool:
        buffer = self._buffer
        if buffer[0] == 13 and not self._skip_blank_lines():
            return False
        buffer = self._buffer
        stop = buffer.find(b"\r\n\r\n", max(self._scanned - 3, 0)) + 4
        if stop == 3:
            if self._incomplete() and self._line_may_be_right():
                return False
            events.append(self._refuse_head(len(buffer)))
            return False
        head = bytes(buffer[:stop]) if stop < len(buffer) else bytes(buffer)
        start = REQUEST_START.match(head)
        limits = self.limits
        if start is None or start.end() > limits.request_line or stop > limits.head:
            events.append(self._refuse_head(stop))
            return False
        method, target = start.groups()
        request = self._meaning(method.decode(), target.decode(), head, head[start.end() :], events)
        if request is None:
            return False
        self._buffer = buffer[stop:] if stop < len(buffer) else b""
        self._offset += stop
        self._scanned = 0
        self._line_checked = False
        self._blank_lines = 0
        self._request = request
        self._writing = Writing.DUE
        frame = request.frame
        if not frame.keep_alive:
            self.closing = True
        events.append(request)
        if frame.has_body:
            self._begin_body(frame)
        else:
            self._reading = Reading.HELD
        return True

    def _meaning(self, method: str, target: str, head: bytes, rest: bytes, events: list[Event]) -> Request | None:
        """The request that a head spells, or None and the violation among the events.

        Clients repeat themselves: when everything behind the target is what it was in this connection's last request,
        so is its meaning, and the fields are not read again.
        """
        known, meaning = self._memo
        if rest == known:
            fields, frame, version = meaning
        else:
            found = self._read_rest(head, rest, events)
            if found is None:
                return None
            fields, frame, version = found
            if len(rest) <= self.limits.memo:
                self._memo = (rest, found)
        if method == "CONNECT" or target[0] != "/":
            try:
                check_target(method, target)
            except Refused as refused:
                at = len(method) + 1
                events.append(self._refuse(refused.reason, at, refused.rule, refused.section, refused.status))
                return None
        return Request(method, target, version, fields, frame, self._offset, self._offset + len(head))

    def _read_rest(self, head: bytes, rest: bytes, events: list[Event]) -> Meaning | None:
        match = REQUEST_REST.fullmatch(rest)
        if match is None or match[1] != b"1" or match[3].count(b"\n") > self.limits.fields:
            events.append(self._refuse_head(len(head)))
            return None
        fields = parse_fields(match[3])
        minor = match[2] != b"0"  # a higher minor version is treated as 1.1 (RFC 9110 2.5)
        try:
            frame = frame_request(fields, minor, self.limits)
        except Refused as refused:
            at = head.lower().rfind(b"\n%b:" % refused.field.encode()) + 1 if refused.field else 0
            events.append(self._refuse(refused.reason, at, refused.rule, refused.section, refused.status))
            return None
        return fields, frame, "1.1" if minor else "1.0"

    def _skip_blank_lines(self) -> bool:
        """Ignore a few empty lines before the request line; False while it is not clear whether this is one."""
        while self._buffer[:2] == b"\r\n" and self._blank_lines < BLANK_LINES:
            self._consume(2)
            self._blank_lines += 1
        return bool(self._buffer) and self._buffer != b"\r"

    def _line_may_be_right(self) -> bool:
        """Whether the first line of an incomplete head, if it is all here, is a request line; looked at once."""
        if self._line_checked:
            return True
        buffer = self._buffer
        stop = buffer.find(b"\r\n")
        if stop < 0:
            return len(buffer) <= self.limits.request_line and buffer[:2] != b"\x16\x03"
        self._line_checked = True
        return stop < self.limits.request_line and refuse_request_line(bytes(buffer[: stop + 2]), 0) is None

    def _refuse_head(self, stop: int) -> Event:
        stop = min(stop, self.limits.head)
        error = refuse_request_head(bytes(self._buffer[:stop]), self._offset, self.limits)
        self._fail()
        return error

    def _fail(self) -> None:
        super()._fail()
        if self._writing is Writing.IDLE:
            self._writing = Writing.DUE  # the one answer that says why
        if self._writing is Writing.DONE:
            self._writing = Writing.CLOSED

    # -- responses out -------------------------------------------------------------------------------------------

    @property
    def answerable(self) -> bool:
        """Whether a response head is due."""
        return self._writing is Writing.DUE

    def will_close(self) -> None:
        """Make the current answer the last one; the client is told."""
        self.closing = True

    def inform(self, status: int, fields: Iterable[tuple[str, str]] = ()) -> None:
        """An interim response (RFC 9110 15.2); an HTTP/1.0 client does not get one."""
        if self._writing is not Writing.DUE or not 100 <= status < 200 or status == 101:
            raise LocalProtocolError(f"no interim response {status} can be sent now")
        if self._request is not None and self._request.version != "1.0":
            self._out.append(status_line(status) + encode_fields(fields) + b"\r\n")

    def respond(self, status: int, fields: bytes | Iterable[tuple[str, str]] = b"", body: bytes = b"") -> None:
        """A whole response: head and content at once. `fields` may be a block that `encode_fields` made before."""
        if self._writing is not Writing.DUE:
            raise LocalProtocolError("no response is due")
        block = fields if type(fields) is bytes else encode_fields(fields)  # type: ignore[arg-type]  # not bytes
        line = STATUS_LINES.get(status) or status_line(status)
        request = self._request
        if status < 200 or status in NO_BODY_STATUS:
            if body or status < 200:
                raise LocalProtocolError(f"a {status} response has no content")
            self._out.append(b"%b%b%b\r\n" % (line, block, self._connection_field()))
        elif request is not None and request.method == "HEAD":
            self._out.append(b"%b%bContent-Length: %d\r\n%b\r\n" % (line, block, len(body), self._connection_field()))
        else:
            self._out.append(
                b"%b%bContent-Length: %d\r\n%b\r\n%b" % (line, block, len(body), self._connection_field(), body)
            )
        self._message_written()

    def start(
        self,
        status: int,
        fields: bytes | Iterable[tuple[str, str]] = b"",
        *,
        length: int | None = None,
        reason: str | None = None,
    ) -> None:
        """The head of a response whose content follows by `send`, then `finish`; `length` where it is known.

        To HEAD, 204 and 304 no content follows, but the length a GET would have had is said where it is given.
        101, and 2xx to CONNECT, hand the connection to another protocol.
        """
        if self._writing is not Writing.DUE:
            raise LocalProtocolError("no response is due")
        method = self._request.method if self._request is not None else ""
        switching = status == 101 or (method == "CONNECT" and 200 <= status < 300)
        if status < 200 and not switching:
            raise LocalProtocolError(f"{status} is an interim response: use inform")
        block = fields if type(fields) is bytes else encode_fields(fields, framing=switching)  # type: ignore[arg-type]  # not bytes
        line = status_line(status, reason)
        if switching:
            self._out.append(b"%b%b\r\n" % (line, block))
            self._reading, self._writing = Reading.SWITCHED, Writing.CLOSED
            return
        empty = method == "HEAD" or status in NO_BODY_STATUS
        framing = self._frame(length, empty, status)
        self._out.append(b"%b%b%b%b\r\n" % (line, block, framing, self._connection_field()))
        self._writing = Writing.BODY
        if empty:
            self._left = 0
            self._chunking = False
            self._message_written()

    def _frame(self, length: int | None, empty: bool, status: int) -> bytes:
        """How the client will find the end of the content."""
        self._left, self._chunking = length, False
        if length is not None:
            return b"" if status == 204 else b"Content-Length: %d\r\n" % length  # RFC 9110 8.6: never in a 204
        if empty:
            return b""
        if self._request is not None and self._request.version != "1.0":
            self._chunking = True
            return b"Transfer-Encoding: chunked\r\n"
        self.closing = True  # an HTTP/1.0 client finds it by the close
        return b""

    def _connection_field(self) -> bytes:
        if self.closing:
            return b"Connection: close\r\n"
        if self._request is not None and self._request.version == "1.0":
            return b"Connection: keep-alive\r\n"  # RFC 9112 9.3: what the client asked for is granted
        return b""

    def _message_written(self) -> None:
        super()._message_written()
        if self._ended and self._reading is Reading.HEAD and not self._buffer:
            self._note_closed()

    def _exchange_over(self) -> None:
        super()._exchange_over()
        self._request = None
