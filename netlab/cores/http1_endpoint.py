"""What both sides of an HTTP/1.1 connection have in common: a buffer, content coming in, content going out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import ClassVar

from netlab.cores.http1_body import Body, ChunkedBody, ClosedBody, LengthBody
from netlab.cores.http1_events import Closed, End, Event, Frame
from netlab.cores.http1_grammar import FORBIDDEN, Limits, violation
from netlab.cores.http1_output import encode_fields
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated


class Reading(Enum):
    """Where the incoming half of the connection stands."""

    HEAD = "head"  # between messages, or inside a head
    BODY = "body"
    HELD = "held"  # a whole message was read; the next waits until the exchange is over
    SWITCHED = "switched"  # another protocol's bytes from here on
    CLOSED = "closed"  # nothing of what comes is looked at any more


class Writing(Enum):
    """Where the outgoing half stands."""

    IDLE = "idle"  # no message is due
    DUE = "due"  # a head is due
    BODY = "body"  # the head is out, content follows
    DONE = "done"  # a whole message was written
    CLOSED = "closed"  # nothing more will be written


class Endpoint:
    """The half of a core that does not depend on the role."""

    __slots__ = (
        "_body",
        "_buffer",
        "_chunking",
        "_ended",
        "_left",
        "_offset",
        "_out",
        "_reading",
        "_scanned",
        "_writing",
        "closing",
        "limits",
    )

    HEAD_NAME: ClassVar[str]

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or DEFAULT_LIMITS
        self.closing = False  # the connection ends behind the current exchange
        self._reading, self._writing = Reading.HEAD, Writing.IDLE
        self._buffer: bytes | bytearray = b""
        self._offset = 0  # of the buffer's first byte, in all that was received
        self._scanned = 0  # how much of an incomplete head was looked at already
        self._ended = False  # the peer has sent its last byte
        self._body: Body | None = None
        self._out: list[bytes] = []
        self._chunking = False
        self._left: int | None = None  # content still owed when a length was declared

    # -- bytes in ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """What the peer's bytes mean; b"" says that no more will come."""
        if not data:
            return self._receive_end()
        if self._reading is Reading.CLOSED:
            self._offset += len(data)
            return []
        if self._buffer:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data
        else:
            self._buffer = data
        return self._read()

    def resume(self) -> list[Event]:
        """What was held back until the exchange before it was over."""
        if self._reading is not Reading.HEAD or self._writing is Writing.CLOSED:
            return []
        if self._buffer:
            return self._read()
        return self._receive_end() if self._ended else []

    def _read(self) -> list[Event]:
        events: list[Event] = []
        while self._buffer:
            if self._reading is Reading.HEAD:
                if not self._read_head(events):
                    break
            elif self._reading is Reading.BODY:
                if not self._read_body(events):
                    break
            else:
                break
        if self._ended and self._reading in (Reading.HEAD, Reading.BODY) and not _failed(events):
            events += self._receive_end()
        return events

    def _read_head(self, events: list[Event]) -> bool:
        """Read one head from the buffer's front; False when it is not complete, or wrong."""
        raise NotImplementedError

    def _read_body(self, events: list[Event]) -> bool:
        assert self._body is not None
        used, found = self._body.receive(bytes(self._buffer), self._offset)
        self._consume(used)
        events += found
        if found and isinstance(found[-1], RemoteProtocolError):
            self._fail()
        elif found and isinstance(found[-1], End):
            self._message_read()
        return used > 0 and self._reading is not Reading.CLOSED

    def _receive_end(self) -> list[Event]:
        self._ended = True
        if self._reading is Reading.HEAD:
            if self._buffer:
                return [self._truncated(f"inside the {self.HEAD_NAME} head", "RFC 9112 8")]
            if self._writing is Writing.IDLE:
                self._note_closed()
                return [Closed()]
            return [self._truncated(f"before the {self.HEAD_NAME}", "RFC 9112 8")]
        if self._reading is Reading.BODY:
            if isinstance(self._body, ClosedBody):
                self._message_read()
                return [End(start=self._offset, end=self._offset)]
            return [self._truncated("inside the content", "RFC 9112 8")]
        return []

    def _note_closed(self) -> None:
        self._reading, self._writing = Reading.CLOSED, Writing.CLOSED

    def _truncated(self, where: str, section: str) -> Truncated:
        self._fail()
        at = self._offset + len(self._buffer)
        return Truncated(f"the connection ended {where}", offset=at, rule="message.truncated", section=section)

    def _consume(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._offset += count
        self._scanned = 0

    def _incomplete(self) -> bool:
        """Whether an incomplete head may still become a right one: no forbidden byte, not too long."""
        buffer, start = self._buffer, max(self._scanned - 1, 0)
        self._scanned = len(buffer)
        return len(buffer) <= self.limits.head and FORBIDDEN.search(buffer, start) is None

    def _begin_body(self, frame: Frame) -> None:
        """A head was read: content follows, or the message is complete."""
        if not frame.has_body:
            self._message_read()
            return
        self._reading = Reading.BODY
        if frame.chunked:
            self._body = ChunkedBody(self.limits)
        else:
            self._body = ClosedBody() if frame.length is None else LengthBody(frame.length)

    def _message_read(self) -> None:
        self._body = None
        self._reading = Reading.HELD
        if self._writing is Writing.DONE:
            self._exchange_over()

    def _fail(self) -> None:
        """The peer broke the protocol: no more is read, and the connection ends behind the current answer."""
        self._reading, self._body, self.closing = Reading.CLOSED, None, True

    def _refuse(self, reason: str, at: int, rule: str, section: str, status: int) -> RemoteProtocolError:
        error = violation(reason, bytes(self._buffer), at, base=self._offset, rule=rule, section=section, status=status)
        self._fail()
        return error

    # -- bytes out -----------------------------------------------------------------------------------------------

    def outgoing(self) -> bytes:
        """What must be written now."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def send(self, data: bytes) -> None:
        """Content of the message whose head is out."""
        if self._writing is not Writing.BODY:
            raise LocalProtocolError("there is no message whose content could be sent")
        if not data:
            return  # an empty chunk would end the content
        if self._chunking:
            self._out.append(b"%x\r\n%b\r\n" % (len(data), data))
            return
        self._owe(len(data))
        self._out.append(data)

    def sent_elsewhere(self, count: int) -> None:
        """So many bytes of the content went to the peer by another way (sendfile)."""
        if self._writing is not Writing.BODY or self._chunking:
            raise LocalProtocolError("only content of a known length can be sent by another way")
        self._owe(count)

    def _owe(self, count: int) -> None:
        if self._left is not None:
            if count > self._left:
                raise LocalProtocolError(f"{count} bytes of content where {self._left} were left to send")
            self._left -= count

    def finish(self, trailers: Iterable[tuple[str, str]] = ()) -> None:
        """The message is complete; trailers go out with chunked content, and are dropped without it."""
        if self._writing is not Writing.BODY:
            raise LocalProtocolError("there is no message to finish")
        if self._left:
            raise LocalProtocolError(f"{self._left} bytes of the declared content were not sent")
        if self._chunking:
            block = encode_fields(trailers) if trailers else b""
            self._out.append(b"0\r\n%b\r\n" % block)
        self._message_written()

    def _message_written(self) -> None:
        self._writing = Writing.DONE
        if self._reading is Reading.HELD:
            self._exchange_over()
        elif self._reading is Reading.CLOSED:
            self._writing = Writing.CLOSED

    def _exchange_over(self) -> None:
        """Both messages are complete: the next exchange, or the end."""
        if self.closing:
            self._reading, self._writing, self._buffer = Reading.CLOSED, Writing.CLOSED, b""
        else:
            self._reading, self._writing = Reading.HEAD, Writing.IDLE

    # -- how it stands -------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Nothing more will be written."""
        return self._writing is Writing.CLOSED

    @property
    def idle(self) -> bool:
        """Between exchanges, nothing begun."""
        return self._reading is Reading.HEAD and self._writing is Writing.IDLE and not self._buffer

    @property
    def reading_body(self) -> bool:
        return self._reading is Reading.BODY

    @property
    def writing_content(self) -> bool:
        """Whether `send` and `finish` are in order."""
        return self._writing is Writing.BODY

    @property
    def received(self) -> int:
        """Bytes received so far."""
        return self._offset + len(self._buffer)

    @property
    def pending(self) -> int:
        """Bytes that wait to be taken by `outgoing`."""
        return sum(map(len, self._out))

    def last_written(self) -> bytes:
        """The piece written last, a whole head at its front after `respond` and `start`; until `outgoing` takes it."""
        return self._out[-1] if self._out else b""

    def abandon(self) -> None:
        """Read no more (a deadline passed): a server may still answer once, then the connection ends."""
        self._fail()

    @property
    def buffered(self) -> int:
        """Bytes received and not yet looked at."""
        return len(self._buffer)

    @property
    def switched(self) -> bool:
        return self._reading is Reading.SWITCHED

    def rest(self) -> bytes:
        """After a switch: the bytes that came behind the head, another protocol's first."""
        data, self._buffer = bytes(self._buffer), b""
        return data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} reading {self._reading.value}, writing {self._writing.value}>"


DEFAULT_LIMITS = Limits()


def _failed(events: list[Event]) -> bool:
    return bool(events) and isinstance(events[-1], RemoteProtocolError)
