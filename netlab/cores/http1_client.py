"""The client's side of an HTTP/1.1 connection: requests out, responses in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netlab.cores.fields import Fields
from netlab.cores.http1_endpoint import CONTENT, DONE, ENDED, HEAD, IDLE, Endpoint
from netlab.cores.http1_events import Event, Frame, Informational, Response
from netlab.cores.http1_framing import Refused, frame_response
from netlab.cores.http1_grammar import STATUS_REST, Limits, parse_fields, unfold
from netlab.cores.http1_output import PHRASES, encode_fields, request_line
from netlab.cores.http1_refusals import refuse_response_head
from netlab.errors import LocalProtocolError, RemoteProtocolError

SPECIAL_FIELD = re.compile(rb"(?:\A|\n)(host|te):", re.IGNORECASE)
"""Fields of a request that ask for something of the core."""
MAX_INFORMATIONAL = 32
"""Interim responses before one final response; a server that sends more is not answering."""
WITH_CONTENT = frozenset(("POST", "PUT", "PATCH"))
"""Methods for which content means something, so that its absence is said (RFC 9110 8.6)."""


Meaning = tuple[int, str, str, Fields, Frame]
"""Status, reason, version, fields and frame of a response: all that its head spells."""


class Asked:
    """A request without content, as it is written; and what of it the next one may have in common with it."""

    __slots__ = ("block", "head", "method", "rest", "target")

    def __init__(self, method: str, target: str, block: bytes, head: bytes) -> None:
        self.method, self.target, self.block, self.head = method, target, block, head
        self.rest = head[head.index(b"\r\n") + 2 :]  # behind the request line

    @classmethod
    def made(cls, method: str, target: str, block: bytes) -> Asked:
        """For any connection, and as often as it is wanted; LocalProtocolError for what no request can be."""
        core = ClientCore()
        core.request(method, target, block)
        return cls(method, target, block, core.outgoing())


class ClientCore(Endpoint):
    """Writes requests, one at a time, and reads what is answered. Every violation has status 502, for a gateway."""

    __slots__ = ("_asked", "_informed", "_known", "_memo", "_method", "_offered_upgrade", "began")

    HEAD_NAME, UNFOLDS = "response", True

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._method = ""
        self._informed = 0
        self._offered_upgrade = False
        self.began = 0  # bytes received before the request under way
        self._memo: tuple[bytes, str, Meaning] | None = None  # the last head, to which method, and what it meant
        # the last head with content of a known length, the message's size, what it meant, and to which method
        self._known: tuple[bytes, int, Response | None, str] = NOTHING_KNOWN
        self._asked: Asked | None = None  # the last request that had no content

    # -- requests out --------------------------------------------------------------------------------------------

    def ask(self, method: str, target: str, block: bytes) -> None:
        """A request without content, as `request` writes it; quick for one who repeats the fields and the method."""
        known = self._asked
        free = self._writing is IDLE and self._reading is HEAD and not self._buffer
        if known is None or known.method != method or known.block != block or not free:
            self.request(method, target, block)
            self._asked = Asked(method, target, block, self._out[-1])
            return
        self._out.append(known.head if known.target == target else request_line(method, target, "1.1") + known.rest)
        self._method, self._informed, self._offered_upgrade = method, 0, False
        self._writing, self.began = DONE, self._base

    def ask_again(self, asked: Asked) -> None:
        """A request that was made before, here or elsewhere."""
        if self._writing is not IDLE or self._reading is not HEAD or self._buffer:
            raise LocalProtocolError("the exchange before is not over")
        self._out.append(asked.head)
        self._method, self._informed, self._offered_upgrade = asked.method, 0, False
        self._writing, self.began = DONE, self._base

    def request(
        self,
        method: str,
        target: str,
        fields: bytes | Iterable[tuple[str, str]],
        *,
        body: bytes | None = None,
        length: int | None = None,
        chunked: bool = False,
        version: str = "1.1",
        close: bool = False,
        upgrade: bool = False,
        framing_at: int | None = None,
    ) -> None:
        """A request: with `body` whole; else its content follows by `send` and `finish` if `length` or `chunked` is
        given, and there is none otherwise. `fields` may be a block that `encode_fields` made before. `close` asks the
        server to close behind its answer; `upgrade` sends the connection option that an Upgrade field needs.
        `framing_at` is the place in that block of the fields that frame the message, where it is not its end.
        """
        if not self.idle:
            raise LocalProtocolError("the exchange before is not over")
        line = request_line(method, target, version)
        block = fields if type(fields) is bytes else encode_fields(fields)  # type: ignore[arg-type]  # not bytes
        if body is not None:
            length = len(body)
        chunked = chunked and length is None
        special = [name.lower() for name in SPECIAL_FIELD.findall(block)]
        if special.count(b"host") != 1 and version == "1.1":
            raise LocalProtocolError("an HTTP/1.1 request has one Host field")  # RFC 9112 3.2
        framing = _frame(method, version, length, chunked)
        options = [b"close"] * close + [b"upgrade"] * upgrade + [b"TE"] * (b"te" in special)  # RFC 9110 10.1.4
        if options:
            framing += b"Connection: %b\r\n" % b", ".join(options)
        if framing_at is not None:
            block, framing = block[:framing_at] + framing, block[framing_at:]
        self._out.append(b"%b%b%b\r\n%b" % (line, block, framing, body or b""))
        self._method, self._informed, self._offered_upgrade = method, 0, upgrade
        self.began = self._base
        if close or version == "1.0":
            self.closing, self._known = True, NOTHING_KNOWN
        if body is not None or not (length or chunked):
            self._message_written()
        else:
            self._writing, self._left, self._chunking = CONTENT, length, chunked

    # -- responses in --------------------------------------------------------------------------------------------

    def repeated(self, data: bytes) -> tuple[Response, bytes] | None:
        """The response and its content, where these bytes are one whole message with the head that came last, and
        nothing is behind it: servers repeat themselves within a second. Else None, and nothing has happened; the
        response's span is that of the first with this head. Only of answers as usual: by the registered phrase.
        """
        head, size, response, method = self._known
        if len(data) != size or response is None or method != self._method or not data.startswith(head):
            return None
        if self._writing is not DONE or self._reading is not HEAD or self._buffer:
            return None
        self._base += size
        self._writing = IDLE
        return response, data[len(head) :]

    def _read_head(self, events: list[Event]) -> bool:
        buffer, at = self._buffer, self._at
        if self._writing is IDLE:
            reason = "a response that nobody asked for"
            events.append(self._refuse(reason, at, "response.unsolicited", "RFC 9112 6.3"))
            return False
        stop = buffer.find(b"\r\n\r\n", max(self._scanned - 3, at)) + 4
        if stop == 3:
            if (error := self._incomplete_head()) is not None:
                events.append(error)
            return False
        event = self._meaning(bytes(buffer[at:stop]))
        events.append(event)
        if isinstance(event, RemoteProtocolError):
            return False
        self._use(stop)
        self._line_read = False
        if isinstance(event, Response):
            self._begin_response(event)
        return True

    def _meaning(self, head: bytes) -> Response | Informational | RemoteProtocolError:
        """The final or interim response that a head spells, or why it is none.

        Servers repeat themselves within a second: the head they sent last on this connection is not read again.
        """
        limits, start = self.limits, self._base + self._at
        known = self._memo
        if known is not None and head == known[0] and self._method == known[1]:
            _, _, (status, reason, version, fields, frame) = known
            return Response(status, reason, version, fields, frame, start, start + len(head))
        match = STATUS_REST.fullmatch(head) or STATUS_REST.fullmatch(_unfold(head))
        if (
            match is None
            or len(head) > limits.head
            or match.start(4) > limits.request_line
            or match[4].count(b"\n") > limits.fields
        ):
            error = self._refuse_head(head)
            assert error is not None, head
            return error
        minor, status = match[1] != b"0", int(match[2])
        reason, fields = (match[3] or b"").decode("latin-1"), parse_fields(match[4])
        end = start + len(head)
        if (error := self._refuse_interim(status)) is not None:
            return error
        if status < 200 and status != 101:
            return Informational(status, reason, fields, start, end)
        try:
            frame = frame_response(fields, minor, status, self._method, limits)
        except Refused as refused:
            return self._refused(refused, head)
        version = "1.1" if minor else "1.0"
        response = Response(status, reason, version, fields, frame, start, end)
        if len(head) <= limits.memo and status != 101:
            self._memo = (head, self._method, (status, reason, version, fields, frame))
            self._known = NOTHING_KNOWN
            usual = status != 205 and reason == PHRASES.get(status)
            if usual and frame.keep_alive and frame.has_body and frame.length is not None:
                self._known = (head, len(head) + frame.length, response, self._method)
        return response

    def _refuse_interim(self, status: int) -> RemoteProtocolError | None:
        """Too many interim responses, or a switch that cannot be now; the status stands at index 9 of its line."""
        if status >= 200:
            return None
        at = self._at + len("HTTP/1.1 ")
        if status == 101:
            if not self._offered_upgrade:
                return self._refuse("101 without an upgrade asked for", at, "upgrade.unasked", "RFC 9110 15.2.2")
            if self._writing is CONTENT:
                return self._refuse("101 before the request is complete", at, "upgrade.early", "RFC 9110 7.8")
            return None
        self._informed += 1
        if self._informed <= MAX_INFORMATIONAL:
            return None
        reason = f"more than {MAX_INFORMATIONAL} interim responses"
        return self._refuse(reason, at, "response.informational_flood", "RFC 9110 15.2")

    def _begin_response(self, response: Response) -> None:
        status, frame = response.status, response.frame
        if status == 101 or (self._method == "CONNECT" and status < 300):
            self._switch()
            return
        if not frame.keep_alive:
            self.closing = True
        if frame.has_body:
            self._begin_body(frame)
        else:
            self._message_read()

    def _refuse_head(self, head: bytes) -> RemoteProtocolError | None:
        error = refuse_response_head(head, self._base + self._at, self.limits)
        if error is not None:
            self._fail(error)
        return error

    def _fail(self, error: RemoteProtocolError | None = None) -> None:
        super()._fail(error)
        self._writing = ENDED
        if error is not None:
            error.status = 502  # whatever is wrong with a response, a gateway's client could do nothing about it


NOTHING_KNOWN = (b"", -1, None, "")


def _unfold(head: bytes) -> bytes:
    line, end, block = head.partition(b"\r\n")
    return line + end + unfold(block)


def _frame(method: str, version: str, length: int | None, chunked: bool) -> bytes:
    """How the server will find the end of the content (RFC 9112 6)."""
    if (length or chunked) and method in ("CONNECT", "TRACE"):
        raise LocalProtocolError(f"a {method} request has no content")  # RFC 9110 9.3.6, 9.3.8
    if length is not None:
        if length < 0:
            raise LocalProtocolError(f"{length} is no length")
        return b"Content-Length: %d\r\n" % length if length or method in WITH_CONTENT else b""
    if chunked:
        if version == "1.0":
            raise LocalProtocolError("an HTTP/1.0 server may not know chunks")  # RFC 9112 6.1
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: 0\r\n" if method in WITH_CONTENT else b""
