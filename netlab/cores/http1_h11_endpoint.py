"""What h11's two roles have in common, in the shape of our Endpoint: bytes in, content out, how it stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import h11

from netlab.cores.fields import Fields
from netlab.cores.http1_events import Closed, Data, End, Event, Frame
from netlab.cores.http1_grammar import Limits
from netlab.cores.http1_output import encode_trailers
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated

OVER = (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)


class _Elsewhere:
    """Stands for bytes that another way takes to the peer: h11 asks for nothing but their number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


class H11Endpoint:
    """What both roles have in common."""

    ROLE: Any = None
    STATUS = 400  # for what h11 gives no status

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.closing = False
        self.received = 0
        self._connection = h11.Connection(self.ROLE, max_incomplete_event_size=self.limits.head)
        self._out: list[bytes] = []
        self._failed = False  # nothing more is read
        self._has_body = False  # of the message being read
        self._content = 0  # bytes of it so far
        self._chunked = False  # of the message being written
        self._left: int | None = None

    # -- bytes in ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """As Endpoint.receive."""
        self.received += len(data)
        if self._failed or self._connection.their_state in OVER:
            return []
        self._connection.receive_data(data)
        return self._read()

    def _read(self) -> list[Event]:
        events: list[Event] = []
        # h11 calls what comes behind a last message wrong; nobody looks at it
        while not self._failed and self._connection.their_state not in OVER:
            self._next_cycle()
            start, idle = self.received - self.buffered, self._fresh
            try:
                found = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                events.append(self._violation(error))
                break
            if found is h11.NEED_DATA or found is h11.PAUSED:
                break
            if isinstance(found, h11.ConnectionClosed):
                events += [Closed()] if idle and not self.closing else []
                break
            event = self._translate(found, start, self.received - self.buffered)
            events += [] if event is None else [event]
        self._next_cycle()
        return events

    @property
    def _fresh(self) -> bool:
        return self._connection.our_state is h11.IDLE and self._connection.their_state is h11.IDLE

    def _translate(self, found: Any, start: int, end: int) -> Event | None:
        match found:
            case h11.Data():
                data = bytes(found.data)
                self._content += len(data)
                if self.limits.body is not None and self._content > self.limits.body:
                    return self._too_large()
                return Data(data, end - len(data), end)
            case h11.EndOfMessage():
                had_body, self._has_body = self._has_body, False
                return End(fields_of(found.headers), start, end) if had_body else None
        return self._head(found, start, end)

    def _head(self, found: Any, start: int, end: int) -> Event:
        raise NotImplementedError

    def _begin(self, frame: Frame) -> Frame | RemoteProtocolError:
        self._has_body, self._content = frame.has_body, 0
        if frame.has_body and self.limits.body is not None and (frame.length or 0) > self.limits.body:
            return self._too_large()
        return frame

    def _too_large(self) -> RemoteProtocolError:
        reason = f"the content is longer than {self.limits.body} bytes"
        self.abandon()
        return RemoteProtocolError(
            reason, offset=self.received, rule="body.too_large", section="RFC 9110 15.5.14", status=413
        )

    def _violation(self, error: h11.RemoteProtocolError) -> RemoteProtocolError:
        at = self.received - self.buffered
        ended = self._connection.trailing_data[1]
        kind = Truncated if ended and "clos" in str(error).lower() else RemoteProtocolError
        self.abandon()
        status = error.error_status_hint if self.STATUS == 400 else self.STATUS
        return kind(f"h11: {error}", offset=at, rule="h11", section="RFC 9112 2", status=status)

    def _next_cycle(self) -> None:
        connection = self._connection
        if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
            connection.start_next_cycle()

    def resume(self) -> list[Event]:
        """As Endpoint.resume."""
        connection = self._connection
        return self._read() if connection.our_state is h11.IDLE and self.received else []

    def abandon(self) -> None:
        """As Endpoint.abandon."""
        self._failed, self.closing, self._has_body = True, True, False

    # -- bytes out -----------------------------------------------------------------------------------------------

    def outgoing(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _send(self, *events: Any) -> None:
        """Write events as one piece."""
        try:
            self._out.append(b"".join(self._connection.send(event) or b"" for event in events))
        except h11.LocalProtocolError as error:
            self._misused(str(error))

    def _misused(self, reason: str) -> NoReturn:
        raise LocalProtocolError(f"h11: {reason}")

    def send(self, data: bytes) -> None:
        """As Endpoint.send."""
        if not self.writing_content:
            raise LocalProtocolError("there is no message whose content could be sent")
        self._owe(len(data))
        if data:
            self._send(h11.Data(data=data))

    def sent_elsewhere(self, count: int) -> None:
        """As Endpoint.sent_elsewhere."""
        if not self.writing_content or self._chunked:
            raise LocalProtocolError("only content that is not chunked can be sent by another way")
        self._owe(count)
        self._connection.send_with_data_passthrough(h11.Data(data=_Elsewhere(count)))  # type: ignore[arg-type]  # stands for bytes

    def _owe(self, count: int) -> None:
        if self._left is not None:
            if count > self._left:
                raise LocalProtocolError(f"{count} bytes of content where {self._left} were left to send")
            self._left -= count

    def finish(self, trailers: Iterable[tuple[str, str]] = ()) -> None:
        """As Endpoint.finish."""
        if not self.writing_content:
            raise LocalProtocolError("there is no message to finish")
        if self._left:
            raise LocalProtocolError(f"{self._left} bytes of the declared content were not sent")
        self._send(h11.EndOfMessage(headers=pairs_of(encode_trailers(trailers)) if self._chunked else []))
        self._next_cycle()

    # -- how it stands -------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._connection.our_state in OVER

    @property
    def idle(self) -> bool:
        return self._fresh and not self._failed and not self.buffered

    @property
    def reading_body(self) -> bool:
        return self._has_body and not self._failed

    @property
    def writing_content(self) -> bool:
        return self._connection.our_state is h11.SEND_BODY

    @property
    def buffered(self) -> int:
        return len(self._connection.trailing_data[0])

    @property
    def pending(self) -> int:
        return sum(map(len, self._out))

    def last_written(self) -> bytes:
        return self._out[-1] if self._out else b""

    @property
    def switched(self) -> bool:
        return self._connection.our_state is h11.SWITCHED_PROTOCOL

    def rest(self) -> bytes:
        return self._connection.trailing_data[0]


def fields_of(headers: Any) -> Fields:
    return Fields((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw_items())


def pairs_of(block: bytes) -> list[tuple[bytes, bytes]]:
    """A field block as the pairs that h11 wants."""
    lines = (line.partition(b":") for line in block.split(b"\r\n")[:-1])
    return [(name, value.strip(b" \t")) for name, _, value in lines]


def declared_length(fields: Fields) -> tuple[int | None, bool]:
    """(Content-Length, chunked) of a message that h11 has accepted: Transfer-Encoding wins."""
    if "transfer-encoding" in fields:
        return None, True
    declared = fields.get("content-length")
    return (None if declared is None else int(declared)), False


def keeps_alive(fields: Fields, modern: bool) -> bool:
    return modern and "close" not in fields.tokens("connection")  # h11 keeps no connection for HTTP/1.0
