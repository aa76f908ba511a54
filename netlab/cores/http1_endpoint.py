"""What both sides of an HTTP/1.1 connection have in common: a buffer, content coming in, content going out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import ClassVar

from netlab.cores.http1_body import Body, ChunkedBody, ClosedBody, LengthBody
from netlab.cores.http1_events import Closed, End, Event, Frame, Request
from netlab.cores.http1_framing import Refused
from netlab.cores.http1_grammar import FORBIDDEN, Limits, violation
from netlab.cores.http1_output import encode_trailers
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
    CONTENT = "content"  # the head is out, content follows
    DONE = "done"  # a whole message was written
    HANDED = "handed over"  # another protocol writes from here on
    ENDED = "ended"  # nothing more will be written


# a look-up in an Enum costs as much as a small function in Python 3.11
HEAD, BODY, HELD, SWITCHED, CLOSED = Reading
IDLE, DUE, CONTENT, DONE, HANDED, ENDED = Writing


class Endpoint:
    """The half of a core that does not depend on the role."""

    __slots__ = (
        "_at",
        "_base",
        "_body",
        "_buffer",
        "_chunking",
        "_ended",
        "_left",
        "_line_read",
        "_out",
        "_reading",
        "_request",
        "_scanned",
        "_writing",
        "closing",
        "limits",
    )

    HEAD_NAME: ClassVar[str]
    UNFOLDS: ClassVar[bool]  # whether obs-fold is replaced, not refused (RFC 9112 5.2)

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or DEFAULT_LIMITS
        self.closing = False  # the connection ends behind the current exchange
        self._reading, self._writing = HEAD, IDLE
        self._buffer: bytes | bytearray = b""
        self._at = 0  # index of the first byte not used
        self._base = 0  # offset of index 0 in all that was received
        self._scanned = 0  # index up to which an incomplete head was looked at
        self._line_read = False  # the first line of an incomplete head was found right
        self._ended = False  # the peer has sent its last byte
        self._body: Body | None = None
        self._out: list[bytes] = []
        self._chunking = False
        self._left: int | None = None  # content still owed when a length was declared
        self._request: Request | None = None  # that is being answered, in the server's role

    # -- bytes in ------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """What the peer's bytes mean; b"" says that no more will come.

        While an exchange is not over, bytes behind its message are kept; stop reading when `buffered` grows.
        """
        if not data:
            return self._receive_end()
        if self._reading is CLOSED:
            self._base += len(data)
            return []
        if not self._buffer:
            self._buffer = data
        elif (error := self._append(data)) is not None:
            return [error]
        return self._read()

    def resume(self) -> list[Event]:
        """What was held back until the exchange before was over."""
        if self._reading is not HEAD or self._writing is ENDED:
            return []
        if self._buffer:
            return self._read()
        return self._receive_end() if self._ended else []

    def _append(self, data: bytes) -> RemoteProtocolError | None:
        """Put bytes behind those that wait, once what is used of them has been dropped."""
        buffer, at = self._buffer, self._at
        if isinstance(buffer, bytes):
            self._buffer = buffer = bytearray(memoryview(buffer)[at:])
        else:
            del buffer[:at]
        buffer += data
        self._base += at
        self._scanned -= at
        self._at = 0
        held = self.limits.held
        if len(buffer) <= held or (self._reading is not HELD and self._reading is not SWITCHED):
            return None
        reason = f"more than {held} bytes behind a message whose exchange is not over"
        return self._refuse(reason, held, "pipeline.too_much", "RFC 9112 9.3.2", 400)

    def _use(self, stop: int) -> None:
        """The bytes before this index have been read."""
        if stop == len(self._buffer):
            self._base += stop
            self._buffer = b""
            self._at = self._scanned = 0
        else:
            self._at = self._scanned = stop

    def _drop(self) -> None:
        self._use(len(self._buffer))

    def _read(self) -> list[Event]:
        events: list[Event] = []
        while self._buffer:
            if self._reading is HEAD:
                if not self._read_head(events):
                    break
            elif self._reading is not BODY or not self._read_body(events):
                break
        if self._ended and (self._reading is HEAD or self._reading is BODY):
            events += self._receive_end()
        return events

    def _read_head(self, events: list[Event]) -> bool:
        """Read one head from the buffer's front; False when it is not complete, or wrong."""
        raise NotImplementedError

    def _read_body(self, events: list[Event]) -> bool:
        assert self._body is not None
        stop, found = self._body.receive(self._buffer, self._at, self._base)
        used = stop > self._at
        self._use(stop)
        events += found
        if found:
            last = found[-1]
            if type(last) is End:
                self._message_read()
            elif isinstance(last, RemoteProtocolError):
                self._fail(last)
                return False
        return used

    def _receive_end(self) -> list[Event]:
        self._ended = True
        if self._reading is HEAD:
            if self._buffer:
                wrong = self._refuse_head(bytes(self._buffer[self._at :]))
                return [wrong or self._truncated(f"inside the {self.HEAD_NAME} head")]
            if self._writing is IDLE:
                self._reading, self._writing = CLOSED, ENDED
                return [Closed()]
            return [self._truncated(f"before the {self.HEAD_NAME}")]
        if self._body is None:
            return []
        event = self._body.receive_end(self._buffer, self._at, self._base)
        if isinstance(event, End):
            self._message_read()
        elif event is not None:
            self._fail(event)
        return [event or self._truncated("inside the content")]

    def _truncated(self, where: str) -> Truncated:
        reason = f"the connection ended {where}"
        error = Truncated(reason, offset=self.received, rule="message.truncated", section="RFC 9112 8")
        self._fail(error)
        return error

    def _incomplete_head(self) -> RemoteProtocolError | None:
        """What is wrong already with a head that is not complete; looked into when there is a reason, so not often."""
        buffer, at, limits = self._buffer, self._at, self.limits
        seen, size = self._scanned, len(buffer)
        self._scanned = size
        first_look = seen <= at
        line_ended = not self._line_read and buffer.find(b"\n", seen) >= 0
        room = limits.head if self._line_read or line_ended else min(limits.head, limits.request_line)
        if (
            not first_look
            and not line_ended
            and size - at <= room
            and FORBIDDEN.search(buffer, max(seen - 1, at)) is None
        ):
            return None
        self._line_read = self._line_read or line_ended
        return self._refuse_head(bytes(buffer[at:]))

    def _refuse_head(self, head: bytes) -> RemoteProtocolError | None:
        """The first thing wrong with a head, or with what is here of it."""
        raise NotImplementedError

    def _begin_body(self, frame: Frame) -> None:
        self._reading = BODY
        if frame.chunked:
            self._body = ChunkedBody(self.limits, folded=self.UNFOLDS)
        else:
            self._body = ClosedBody(self.limits) if frame.length is None else LengthBody(frame.length)

    def _message_read(self) -> None:
        self._body = None
        self._reading = HELD
        if self._writing is DONE:
            self._exchange_over()

    # -- violations ----------------------------------------------------------------------------------------------

    def _fail(self, error: RemoteProtocolError | None = None) -> None:
        """The peer broke the protocol: no more is read, and the connection ends behind the current answer."""
        self._reading, self._body, self.closing = CLOSED, None, True
        self._drop()

    def _refuse(self, reason: str, at: int, rule: str, section: str, status: int = 400) -> RemoteProtocolError:
        """A violation at an index of the buffer."""
        error = violation(reason, self._buffer, at, base=self._base, rule=rule, section=section, status=status)
        self._fail(error)
        return error

    def _refused(self, refused: Refused, head: bytes, at: int = 0) -> RemoteProtocolError:
        """A violation by what a head means; its place is the last line of the field concerned, else index `at`."""
        if refused.field is not None:
            at = head.lower().rfind(b"\n%b:" % refused.field.encode()) + 1
        return self._refuse(refused.reason, self._at + at, refused.rule, refused.section, refused.status)

    def abandon(self) -> None:
        """Read no more (a deadline passed): a server may still answer once, then the connection ends."""
        self._fail()

    # -- bytes out -----------------------------------------------------------------------------------------------

    def outgoing(self) -> bytes:
        """What must be written now."""
        out = self._out
        if not out:
            return b""
        if len(out) == 1:
            return out.pop()
        data = b"".join(out)
        out.clear()
        return data

    def send(self, data: bytes) -> None:
        """Content of the message whose head is out."""
        if self._writing is not CONTENT:
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
        if self._writing is not CONTENT or self._chunking:
            raise LocalProtocolError("only content that is not chunked can be sent by another way")
        self._owe(count)

    def _owe(self, count: int) -> None:
        if self._left is not None:
            if count > self._left:
                raise LocalProtocolError(f"{count} bytes of content where {self._left} were left to send")
            self._left -= count

    def finish(self, trailers: Iterable[tuple[str, str]] = ()) -> None:
        """The message is complete; trailers go out with chunked content, and are dropped without it."""
        if self._writing is not CONTENT:
            raise LocalProtocolError("there is no message to finish")
        if self._left:
            raise LocalProtocolError(f"{self._left} bytes of the declared content were not sent")
        if self._chunking:
            self._out.append(b"0\r\n%b\r\n" % encode_trailers(trailers) if trailers else b"0\r\n\r\n")
        self._message_written()

    def _message_written(self) -> None:
        if self._reading is HELD:
            self._exchange_over()
        else:
            self._writing = ENDED if self._reading is CLOSED else DONE

    def _exchange_over(self) -> None:
        """Both messages are complete: the next exchange, or the end."""
        self._request = None
        if self.closing or (self._ended and not self._buffer):
            self._reading, self._writing = CLOSED, ENDED
            self._drop()
        else:
            self._reading, self._writing = HEAD, IDLE
            self._line_read = False

    # -- how it stands -------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Nothing more will be written: the transport can be closed (not so after a switch)."""
        return self._writing is ENDED

    @property
    def idle(self) -> bool:
        """Between exchanges, nothing begun."""
        return self._reading is HEAD and self._writing is IDLE and not self._buffer

    @property
    def reading_body(self) -> bool:
        return self._reading is BODY

    @property
    def writing_content(self) -> bool:
        """Whether `send` and `finish` are in order."""
        return self._writing is CONTENT

    @property
    def received(self) -> int:
        """Bytes received so far."""
        return self._base + len(self._buffer)

    @property
    def buffered(self) -> int:
        """Bytes received and not yet looked at."""
        return len(self._buffer) - self._at

    @property
    def pending(self) -> int:
        """Bytes that wait to be taken by `outgoing`."""
        return sum(map(len, self._out))

    def last_written(self) -> bytes:
        """The piece written last, a whole head at its front after `respond` and `start`; until `outgoing` takes it."""
        return self._out[-1] if self._out else b""

    @property
    def switched(self) -> bool:
        return self._reading is SWITCHED

    def _switch(self) -> None:
        """Another protocol from here on; whether this one would have closed has no meaning any more."""
        self._reading, self._writing, self.closing = SWITCHED, HANDED, False

    def rest(self) -> bytes:
        """After a switch: the bytes that came behind the head, another protocol's first."""
        data = bytes(self._buffer[self._at :])
        self._drop()
        return data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} reading {self._reading.value}, writing {self._writing.value}>"


DEFAULT_LIMITS = Limits()
