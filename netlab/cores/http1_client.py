"""The client's side of an HTTP/1.1 connection: requests out, responses in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netlab.cores.http1_endpoint import Endpoint, Reading, Writing
from netlab.cores.http1_events import Event, Frame, Informational, Response
from netlab.cores.http1_framing import Refused, frame_response
from netlab.cores.http1_grammar import STATUS_REST, TOKEN, Limits, parse_fields, refuse_field_block, show, violation
from netlab.cores.http1_output import encode_fields
from netlab.errors import LocalProtocolError, RemoteProtocolError

MAX_INFORMATIONAL = 32
"""Interim responses before one final response; a server that sends more is not answering."""


class ClientCore(Endpoint):
    """Writes requests, one at a time, and reads what is answered."""

    __slots__ = ("_informed", "_method", "_offered_upgrade")

    HEAD_NAME = "response"

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._method = ""
        self._informed = 0
        self._offered_upgrade = False

    # -- requests out --------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        target: str,
        fields: Iterable[tuple[str, str]],
        *,
        body: bytes | None = None,
        length: int | None = None,
        chunked: bool = False,
        version: str = "1.1",
        close: bool = False,
        upgrade: bool = False,
    ) -> None:
        """A request: with `body` whole; else its content follows by `send` and `finish` if `length` or `chunked` is
        given, and there is none otherwise. `close` asks the server to close behind its answer; `upgrade` sends the
        Connection field that an Upgrade field needs.
        """
        if not self.idle:
            raise LocalProtocolError("the exchange before is not over")
        if not re.fullmatch(TOKEN, method.encode("latin-1")):
            raise LocalProtocolError(f"{method!r} is not a method")
        if not re.fullmatch(rb"[!-\"$-~]+", target.encode("utf-8")):
            raise LocalProtocolError(f"{target[:60]!r} is not a request target; percent-encode it")
        if body is not None:
            length = len(body)
        framing = b""
        if chunked and length is None:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif length is not None and (length or method not in ("GET", "HEAD", "OPTIONS", "DELETE", "CONNECT", "TRACE")):
            framing = b"Content-Length: %d\r\n" % length
        if upgrade:
            framing += b"Connection: upgrade\r\n"
        elif close:
            framing += b"Connection: close\r\n"
        line = b"%b %b HTTP/%b\r\n" % (method.encode(), target.encode(), version.encode())
        self._out.append(b"%b%b%b\r\n" % (line, encode_fields(fields), framing))
        self._method, self._informed, self._offered_upgrade = method, 0, upgrade
        self.closing = close or version == "1.0"
        self._writing, self._left, self._chunking = Writing.BODY, length, chunked and length is None
        if body:
            self.send(body)
        if body is not None or (length in (None, 0) and not self._chunking):
            self._left = 0
            self.finish()

    # -- responses in --------------------------------------------------------------------------------------------

    def _read_head(self, events: list[Event]) -> bool:
        buffer = self._buffer
        if self._writing is Writing.IDLE:
            events.append(
                self._refuse("a response that nobody asked for", 0, "response.unsolicited", "RFC 9112 6.3", 502)
            )
            return False
        stop = buffer.find(b"\r\n\r\n", max(self._scanned - 3, 0)) + 4
        if stop == 3:
            if not self._incomplete():
                events.append(self._refuse_head(len(buffer)))
            return False
        head = bytes(buffer[:stop])
        match = STATUS_REST.fullmatch(head)
        if match is None or match[1] != b"1" or stop > self.limits.head or head.count(b"\n") > self.limits.fields + 2:
            events.append(self._refuse_head(stop))
            return False
        status = int(match[3])
        if not 100 <= status <= 599:
            events.append(self._refuse(f"{status} is not a status code", 9, "status.invalid", "RFC 9110 15", 502))
            return False
        fields, reason = parse_fields(match[5]), (match[4] or b"").decode("latin-1")
        start, end = self._offset, self._offset + stop
        if status < 200 and status != 101:
            return self._read_informational(Informational(status, reason, fields, start, end), stop, events)
        if status == 101 and not self._offered_upgrade:
            events.append(
                self._refuse("101 without an upgrade asked for", 9, "upgrade.unasked", "RFC 9110 15.2.2", 502)
            )
            return False
        try:
            frame = frame_response(fields, match[2] != b"0", status, self._method)
        except Refused as refused:
            at = head.lower().rfind(b"\n%b:" % (refused.field or "").encode()) + 1
            events.append(self._refuse(refused.reason, at, refused.rule, refused.section, 502))
            return False
        self._consume(stop)
        version = "1.0" if match[2] == b"0" else "1.1"
        events.append(Response(status, reason, version, fields, frame, start, end))
        self._begin_response(frame, status)
        return True

    def _read_informational(self, event: Informational, stop: int, events: list[Event]) -> bool:
        self._informed += 1
        if self._informed > MAX_INFORMATIONAL:
            reason = f"more than {MAX_INFORMATIONAL} interim responses"
            events.append(self._refuse(reason, 0, "response.informational_flood", "RFC 9110 15.2", 502))
            return False
        self._consume(stop)
        events.append(event)
        return True

    def _begin_response(self, frame: Frame, status: int) -> None:
        if status == 101 or (self._method == "CONNECT" and 200 <= status < 300):
            self._reading, self._writing = Reading.SWITCHED, Writing.CLOSED
            return
        if not frame.keep_alive:
            self.closing = True
        self._begin_body(frame)

    def _refuse_head(self, stop: int) -> RemoteProtocolError:
        data = bytes(self._buffer[: min(stop, self.limits.head)])
        end = data.find(b"\n") + 1
        line = data[:end] if end else data
        if STATUS_REST.fullmatch(line + b"\r\n") and line[5:6] == b"1":
            error = refuse_field_block(data, len(line), self._offset, self.limits)
        else:
            reason = f"{show(line.rstrip())} is not a status line"
            error = violation(reason, data, 0, base=self._offset, rule="status_line.invalid", section="RFC 9112 4")
        error.status = 502
        self._fail()
        return error
