"""The server's side of an HTTP/1.1 connection: requests in, responses out."""

from __future__ import annotations

from collections.abc import Iterable

from netlab.cores.fields import EMPTY, Fields
from netlab.cores.http1_endpoint import CONTENT, DONE, DUE, ENDED, HEAD, HELD, IDLE, Endpoint
from netlab.cores.http1_events import Event, Frame, Request
from netlab.cores.http1_framing import EMPTY_STATUS, Refused, check_target, frame_request
from netlab.cores.http1_grammar import REQUEST_REST, REQUEST_START, Limits, parse_fields
from netlab.cores.http1_output import STATUS_LINES, encode_fields, status_line, switching_fields
from netlab.cores.http1_refusals import refuse_request_head
from netlab.errors import LocalProtocolError, RemoteProtocolError

EMPTY_LINES = 4
"""How many empty lines may stand before a request line (RFC 9112 2.2 wants at least one to be ignored)."""

Meaning = tuple[Fields, Frame, str]
"""Fields, frame and version of a request: what stands behind its target."""


class ServerCore(Endpoint):
    """Reads requests, one exchange at a time, and writes the answers in their order."""

    __slots__ = ("_empty_lines", "_known", "_known_head", "_memo")

    HEAD_NAME, UNFOLDS = "request", False

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._empty_lines = 0
        self._memo: tuple[bytes, Meaning] = NOTHING_KNOWN
        self._known_head = b""  # the last whole head that may be all of a request, and the request it spelled
        self._known: Request = NO_REQUEST

    # -- requests in ---------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """As for every endpoint. Clients repeat themselves: the same bytes again are the same request again, the very
        object, whose span moves on.
        """
        if data != self._known_head or self._buffer or self._reading is not HEAD or not data:
            return super().receive(data)
        request = self._request = self._known
        request.start = self._base
        request.end = self._base = request.start + len(data)
        self._reading, self._writing, self._empty_lines = HELD, DUE, 0
        return [request]

    def head_of(self, request: Request) -> bytes:
        """The bytes of a request that was just received, if all of it was one head; else nothing."""
        known = self._known
        return self._known_head if known.fields is request.fields and known.target == request.target else b""

    def pass_by(self, length: int) -> bool:
        """A whole request of so many bytes came, and is answered by other means; False if others come before it."""
        if self._reading is not HEAD or self._writing is not IDLE or self._buffer or self._out:
            return False
        self._base += length
        self._empty_lines = 0
        return True

    def _read_head(self, events: list[Event]) -> bool:
        buffer, at = self._buffer, self._at
        if buffer[at] == 13:
            if not self._skip_empty_lines():
                return False
            buffer, at = self._buffer, self._at
        stop = buffer.find(b"\r\n\r\n", max(self._scanned - 3, at)) + 4
        if stop == 3:
            if (error := self._incomplete_head()) is not None:
                events.append(error)
            return False
        head = bytes(buffer[at:stop])
        request = self._meaning(head)
        if type(request) is not Request:
            events.append(request)
            return False
        self._use(stop)
        self._empty_lines = 0
        self._request = request
        self._writing = DUE
        frame = request.frame
        if not frame.keep_alive:
            self.closing = True
        events.append(request)
        if frame.has_body:
            self._begin_body(frame)
        else:
            self._reading = HELD
        return True

    def _meaning(self, head: bytes) -> Request | RemoteProtocolError:
        """The request that a head spells, or why it is none.

        Clients repeat themselves: when everything behind the target is what it was in this connection's last request,
        so is its meaning, and the fields are not read again.
        """
        start = REQUEST_START.match(head)
        limits = self.limits
        if start is None or len(head) > limits.head or start.end() + VERSION_AND_END > limits.request_line:
            return self._wrong(head)
        method, target, rest = start[1].decode(), start[2].decode(), head[start.end() :]
        known, meaning = self._memo
        if rest != known:
            found = self._read_rest(head, rest)
            if isinstance(found, RemoteProtocolError):
                return found
            meaning = found
            if len(rest) <= limits.memo:
                self._memo = (rest, meaning)
        fields, frame, version = meaning
        if target[0] != "/" or method == "CONNECT":
            try:
                check_target(method, target, frame)
            except Refused as refused:
                return self._refused(refused, head, len(method) + 1)
        begin = self._base + self._at
        request = Request(method, target, version, fields, frame, begin, begin + len(head))
        if len(head) <= limits.memo and frame.keep_alive and not frame.has_body:
            self._known_head, self._known = head, request
        return request

    def _read_rest(self, head: bytes, rest: bytes) -> Meaning | RemoteProtocolError:
        match = REQUEST_REST.fullmatch(rest)
        if match is None or match[2].count(b"\n") > self.limits.fields:
            return self._wrong(head)
        fields = parse_fields(match[2])
        minor = match[1] != b"0"  # a higher minor version is treated as 1.1 (RFC 9110 2.5)
        try:
            frame = frame_request(fields, minor, self.limits)
        except Refused as refused:
            return self._refused(refused, head)
        return fields, frame, "1.1" if minor else "1.0"

    def _skip_empty_lines(self) -> bool:
        """Ignore a few empty lines before the request line; False while it is not clear whether this is one."""
        while self._buffer[self._at : self._at + 2] == b"\r\n" and self._empty_lines < EMPTY_LINES:
            self._use(self._at + 2)
            self._empty_lines += 1
        return self.buffered > 1 or (self.buffered == 1 and self._buffer[self._at] != 13)

    def _refuse_head(self, head: bytes) -> RemoteProtocolError | None:
        error = refuse_request_head(head, self._base + self._at, self.limits)
        if error is not None:
            self._fail(error)
        return error

    def _wrong(self, head: bytes) -> RemoteProtocolError:
        error = self._refuse_head(head)
        assert error is not None, head
        return error

    def _fail(self, error: RemoteProtocolError | None = None) -> None:
        super()._fail(error)
        if self._writing is IDLE:
            self._writing = DUE  # the one answer that says why
        elif self._writing is DONE:
            self._writing = ENDED

    # -- responses out -------------------------------------------------------------------------------------------

    @property
    def answerable(self) -> bool:
        """Whether a response head is due."""
        return self._writing is DUE

    def will_close(self) -> None:
        """Make the current answer the last one, and tell the client; behind it the request's rest is not awaited."""
        self.closing = True
        if self._writing is DONE:
            self._writing = ENDED

    def inform(self, status: int, fields: Iterable[tuple[str, str]] = ()) -> None:
        """An interim response (RFC 9110 15.2); an HTTP/1.0 client does not get one."""
        if self._writing is not DUE or not 100 <= status < 200 or status == 101:
            raise LocalProtocolError(f"no interim response {status} can be sent now")
        block = encode_fields(fields)
        if self._request is not None and self._request.version != "1.0":
            self._out.append(b"%b%b\r\n" % (status_line(status), block))

    def respond(self, status: int, fields: bytes | Iterable[tuple[str, str]] = b"", body: bytes = b"") -> bool:
        """A whole response: head and content at once. `fields` may be a block that `encode_fields` made before.

        True if the connection is idle now, as it is mostly; False says nothing.
        """
        if self._writing is not DUE:
            raise LocalProtocolError("no response is due")
        block = fields if type(fields) is bytes else encode_fields(fields)  # type: ignore[arg-type]  # not bytes
        request = self._request
        plain = request is not None and self._reading is HELD and request.method == "GET" and request.version == "1.1"
        if plain and status == 200 and not self.closing:
            self._out.append(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (block, len(body), body))
            if self._ended:
                self._exchange_over()
                return False
            # the same, where there is nothing to ask
            self._request, self._line_read = None, False
            self._reading, self._writing = HEAD, IDLE
            return not self._buffer
        line = STATUS_LINES.get(status) or status_line(status)
        method = request.method if request is not None else ""
        connection = self._connection_field()
        if status < 300 and (status < 200 or method == "CONNECT"):
            raise LocalProtocolError(f"{status} to {method or 'this'} is not a whole response: use inform or start")
        if body and (status in EMPTY_STATUS or status == 205):
            raise LocalProtocolError(f"a {status} response has no content")
        if status in EMPTY_STATUS:
            self._out.append(b"%b%b%b\r\n" % (line, block, connection))
        elif method == "HEAD":
            self._out.append(b"%b%bContent-Length: %d\r\n%b\r\n" % (line, block, len(body), connection))
        else:
            self._out.append(b"%b%bContent-Length: %d\r\n%b\r\n%b" % (line, block, len(body), connection, body))
        self._message_written()
        return False

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
        if self._writing is not DUE:
            raise LocalProtocolError("no response is due")
        method = self._request.method if self._request is not None else ""
        if status == 101 or (method == "CONNECT" and 200 <= status < 300):
            self._hand_over(status, fields, reason)
            return
        if status < 200:
            raise LocalProtocolError(f"{status} is an interim response: use inform")
        block = fields if type(fields) is bytes else encode_fields(fields)  # type: ignore[arg-type]  # not bytes
        line = status_line(status, reason)
        empty = method == "HEAD" or status in EMPTY_STATUS
        framing = self._frame(length, empty, status)
        self._out.append(b"%b%b%b%b\r\n" % (line, block, framing, self._connection_field()))
        self._writing = CONTENT
        if empty:
            self._message_written()

    def _hand_over(self, status: int, fields: bytes | Iterable[tuple[str, str]], reason: str | None) -> None:
        request = self._request
        if request is None or self._reading is not HELD:  # RFC 9110 7.8: not in the middle of a message
            raise LocalProtocolError("the request is not complete: no other protocol can begin")
        block = fields if type(fields) is bytes else encode_fields(fields, framing=status == 101)  # type: ignore[arg-type]  # not bytes
        if status == 101:
            if not request.frame.upgrade:
                raise LocalProtocolError("the client has not offered an upgrade")
            block = switching_fields(block)
        self._out.append(b"%b%b\r\n" % (status_line(status, reason), block))
        self._switch()

    def _frame(self, length: int | None, empty: bool, status: int) -> bytes:
        """How the client will find the end of the content."""
        if status == 205:  # RFC 9110 15.3.6: no content, and said so
            if length:
                raise LocalProtocolError("a 205 response has no content")
            length = 0
        self._left, self._chunking = length, False
        if length is not None:
            if length < 0:
                raise LocalProtocolError(f"{length} is no length")
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
        if self._reading is HELD:
            self._exchange_over()
        else:  # behind a last answer the rest of the request is awaited by nobody
            self._writing = ENDED if self.closing else DONE


NO_REQUEST = Request("", "", "", EMPTY, Frame(False, 0, False, True))
NOTHING_KNOWN: tuple[bytes, Meaning] = (b"", (EMPTY, Frame(False, 0, False, True), "1.1"))
VERSION_AND_END = len(b"HTTP/1.1\r\n")
