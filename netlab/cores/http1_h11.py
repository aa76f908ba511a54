"""The h11 library in the shape of our HTTP/1.1 cores: the same server and client on another engine, to tell whose fault
it is (`--engine h11`).

h11 decides what is right; this module only changes words. What h11 does otherwise is listed in docs/http1.md. It knows
one bound, the size of a head; `limits.body` is kept here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h11

from netlab.cores.http1_events import Event, Frame, Informational, Request, Response
from netlab.cores.http1_framing import EMPTY_STATUS
from netlab.cores.http1_grammar import Limits
from netlab.cores.http1_h11_endpoint import OVER, H11Endpoint, declared_length, fields_of, keeps_alive, pairs_of
from netlab.cores.http1_output import encode_fields, phrase, request_line, status_line
from netlab.errors import LocalProtocolError, RemoteProtocolError

WITH_CONTENT = ("POST", "PUT", "PATCH")
MIGHT_SWITCH = h11.MIGHT_SWITCH_PROTOCOL  # type: ignore[attr-defined]  # there, though not in __all__
Source = bytes | Iterable[tuple[str, str]]


class H11ServerCore(H11Endpoint):
    """ServerCore's shape around h11."""

    ROLE = h11.SERVER

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._request: Request | None = None

    def _head(self, found: Any, start: int, end: int) -> Event:
        fields = fields_of(found.headers)
        expect, modern = fields.get("expect"), found.http_version >= b"1.1"
        length, chunked = declared_length(fields)
        frame = Frame(
            chunked or bool(length),
            None if chunked else length or 0,
            chunked,
            keeps_alive(fields, modern),
            self._connection.they_are_waiting_for_100_continue and (chunked or bool(length)),
            expect if modern and expect is not None and expect.lower() != "100-continue" else None,
            tuple(fields.tokens("upgrade")) if modern and "upgrade" in fields.tokens("connection") else (),
        )
        if isinstance(begun := self._begin(frame), RemoteProtocolError):
            return begun
        self.closing = self.closing or not frame.keep_alive
        version = "1.1" if modern else "1.0"
        request = Request(found.method.decode(), found.target.decode(), version, fields, frame, start, end)
        self._request = request
        return request

    def head_of(self, request: Request) -> bytes:
        """As ServerCore.head_of; the library keeps no bytes of what it has read."""
        return b""

    def pass_by(self, length: int) -> bool:
        """As ServerCore.pass_by; the library has to see everything."""
        return False

    def _next_cycle(self) -> None:
        super()._next_cycle()
        if self._connection.our_state is h11.IDLE and self._connection.their_state is not h11.SEND_BODY:
            self._request = None

    @property
    def answerable(self) -> bool:
        """As ServerCore.answerable."""
        state = self._connection.our_state
        return state is h11.SEND_RESPONSE or (state is h11.IDLE and self._failed)

    def will_close(self) -> None:
        """As ServerCore.will_close; what is said already stays said."""
        self.closing = True

    @property
    def closed(self) -> bool:
        return super().closed or (self.closing and self._connection.our_state is h11.DONE)

    def inform(self, status: int, fields: Iterable[tuple[str, str]] = ()) -> None:
        """As ServerCore.inform."""
        if not self.answerable or not 100 <= status < 200 or status == 101:
            raise LocalProtocolError(f"no interim response {status} can be sent now")
        block = encode_fields(fields)
        if self._request is not None and self._request.version != "1.0":
            self._send(h11.InformationalResponse(status_code=status, headers=pairs_of(block), reason=phrase(status)))

    def respond(self, status: int, fields: Source = b"", body: bytes = b"") -> bool:
        """As ServerCore.respond."""
        if self._switches(status) or status < 200 or (body and (status in EMPTY_STATUS or status == 205)):
            raise LocalProtocolError(f"{status} is not a whole response with {len(body)} bytes of content")
        head = self._response(status, fields, None if status in EMPTY_STATUS else len(body), None)
        head_only = self._request is not None and self._request.method == "HEAD"
        self._send(head, *([h11.Data(data=body)] if body and not head_only else []), h11.EndOfMessage())
        self._next_cycle()
        return False

    def start(self, status: int, fields: Source = b"", *, length: int | None = None, reason: str | None = None) -> None:
        """As ServerCore.start."""
        if self._switches(status):
            self._hand_over(status, fields, reason)
            return
        if status < 200:
            raise LocalProtocolError(f"{status} is an interim response: use inform")
        if status == 205:
            if length:
                raise LocalProtocolError("a 205 response has no content")
            length = 0
        if length is not None and length < 0:
            raise LocalProtocolError(f"{length} is no length")
        head = self._response(status, fields, None if status == 204 else length, reason)
        empty = status in EMPTY_STATUS or (self._request is not None and self._request.method == "HEAD")
        self._left = length
        self._chunked = length is None and self._request is not None and self._request.version != "1.0"
        self.closing = self.closing or not (self._chunked or empty or length is not None)
        self._send(head, *([h11.EndOfMessage()] if empty else []))
        self._next_cycle()

    def _switches(self, status: int) -> bool:
        tunnel = self._request is not None and self._request.method == "CONNECT" and 200 <= status < 300
        return status == 101 or tunnel

    def _hand_over(self, status: int, fields: Source, reason: str | None) -> None:
        if self._request is None or self._connection.their_state is not MIGHT_SWITCH:
            raise LocalProtocolError("nothing to switch to was offered, or the request is not complete")
        headers, words = _headers(fields, framing=True), phrase(status) if reason is None else reason
        if status == 101:
            if not any(name.lower() == b"upgrade" for name, _ in headers):
                raise LocalProtocolError("a 101 response names the protocol in an Upgrade field")
            if not any(name.lower() == b"connection" for name, _ in headers):
                headers.append((b"Connection", b"upgrade"))
            self._send(h11.InformationalResponse(status_code=status, headers=headers, reason=words))
        else:
            self._send(h11.Response(status_code=status, headers=headers, reason=words))
        self.closing = False

    def _response(self, status: int, fields: Source, length: int | None, reason: str | None) -> h11.Response:
        if not self.answerable:
            raise LocalProtocolError("no response is due")
        status_line(status, reason)
        headers = _headers(fields)
        if length is not None:
            headers.append((b"Content-Length", b"%d" % length))
        if self.closing:
            headers.append((b"Connection", b"close"))
        words = phrase(status) if reason is None else reason
        return h11.Response(status_code=status, headers=headers, reason=words.encode("latin-1"))


class H11ClientCore(H11Endpoint):
    """ClientCore's shape around h11; it speaks HTTP/1.1 only."""

    ROLE = h11.CLIENT
    STATUS = 502

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._method = ""

    def _next_cycle(self) -> None:
        """Left until the next request: h11 would take bytes that nobody asked for as an answer."""

    @property
    def _fresh(self) -> bool:
        reusable = self._connection.our_state is h11.DONE and self._connection.their_state is h11.DONE
        return reusable or super()._fresh

    @property
    def closed(self) -> bool:
        """As ClientCore.closed."""
        return self._failed or (super().closed and self._connection.their_state in OVER)

    def request(
        self,
        method: str,
        target: str,
        fields: Source,
        *,
        body: bytes | None = None,
        length: int | None = None,
        chunked: bool = False,
        version: str = "1.1",
        close: bool = False,
        upgrade: bool = False,
    ) -> None:
        """As ClientCore.request."""
        if not self.idle:
            raise LocalProtocolError("the exchange before is not over")
        request_line(method, target, version)
        headers = _headers(fields)
        length = len(body) if body is not None else length
        if length or (not (chunked and length is None) and method in WITH_CONTENT):
            headers.append((b"Content-Length", b"%d" % (length or 0)))
        elif chunked and length is None:
            headers.append((b"Transfer-Encoding", b"chunked"))
        if upgrade or close:
            headers.append((b"Connection", b"upgrade" if upgrade else b"close"))
        super()._next_cycle()
        self._method, self.closing = method, close
        self._left, self._chunked = length or 0, chunked and length is None
        try:
            head = h11.Request(method=method, target=target, headers=headers, http_version=version)
        except h11.LocalProtocolError as error:
            self._misused(str(error))
        follows = self._chunked or (body is None and bool(length))
        self._send(head, *([] if follows else [h11.Data(data=body or b""), h11.EndOfMessage()]))
        if self._chunked:
            self._left = None

    def _head(self, found: Any, start: int, end: int) -> Event:
        fields, reason = fields_of(found.headers), bytes(found.reason).decode("latin-1")
        status, modern = found.status_code, found.http_version >= b"1.1"
        if isinstance(found, h11.InformationalResponse) and status != 101:
            return Informational(status, reason, fields, start, end)
        length, chunked = declared_length(fields)
        keep_alive = keeps_alive(fields, modern)
        tunnel = self._method == "CONNECT" and status < 300
        if tunnel or status == 101:
            frame = Frame(False, None, False, True)
        elif self._method == "HEAD" or status in EMPTY_STATUS:
            frame = Frame(False, length, False, keep_alive)
        elif chunked or length is None:
            frame = Frame(True, None, chunked, keep_alive and chunked)
        else:
            frame = Frame(length > 0, length, False, keep_alive)
        self.closing = self.closing or not frame.keep_alive
        if isinstance(begun := self._begin(frame), RemoteProtocolError):
            return begun
        return Response(status, reason, "1.1" if modern else "1.0", fields, frame, start, end)


def _headers(fields: Source, *, framing: bool = False) -> list[tuple[bytes, bytes]]:
    return pairs_of(fields if isinstance(fields, bytes) else encode_fields(fields, framing=framing))
