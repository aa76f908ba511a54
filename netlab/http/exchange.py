"""One HTTP request and its response, as a handler sees them: both can be streamed, either may end first."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from netlab.cores.http1 import Request, encode_fields
from netlab.errors import BodyTooLarge, ConnectionLost, LocalProtocolError, NetlabError, RemoteProtocolError
from netlab.flow import Flow, Outcome
from netlab.http import recording
from netlab.http.file_source import send_file
from netlab.http.intake import Intake, nothing
from netlab.http.settings import FieldSource

if TYPE_CHECKING:
    from netlab.cores.fields import Fields
    from netlab.http.connection import HttpConnection
    from netlab.http.roles import Delegate, Recoding, Sink

Work = Coroutine[Any, Any, None] | None
"""What a handler leaves to be waited for."""


class Exchange:
    """What a handler answers. A handler is a plain function where the answer is known, a coroutine where it must wait.

    The request's content is taken in one of three ways: `collect` (whole, by callback, no task), `await body()`, or
    `async for piece in pieces()`. What no one takes is discarded by the connection, or the connection closes.
    """

    __slots__ = (
        "_amend",
        "_recoding",
        "_when_over",
        "answered",
        "complete",
        "connection",
        "endless",
        "flow",
        "intake",
        "kept",
        "request",
        "sent",
        "sink",
        "started",
        "status",
        "task",
        "user",
    )

    connection: HttpConnection
    request: Request
    flow: Flow
    complete: bool  # the request is
    started: bool  # the response's head is out
    answered: bool  # the response is complete
    endless: bool  # it is a stream of events, for as long as the client likes
    intake: Intake | None  # of the request's content, where it has any
    sink: Sink | None  # who the exchange was given to, content and all
    status: int
    sent: int  # bytes of content
    kept: dict[str, bytes | bytearray] | None  # the beginning of each side's content, at level full
    task: asyncio.Task[Any] | None
    user: str | None  # who was authenticated
    _recoding: Recoding | None
    _amend: Callable[[bytes], bytes] | None
    _when_over: list[Callable[[], None]] | None

    def __init__(self, connection: HttpConnection, request: Request, flow: Flow) -> None:
        self.connection, self.request, self.flow = connection, request, flow
        self.started = self.answered = self.endless = False
        self.status = self.sent = 0
        self.sink = self.kept = self.task = self.user = self._amend = self._recoding = self._when_over = None
        if request.frame.has_body:
            self.complete, self.intake = False, Intake(self)
        else:
            self.complete, self.intake = True, None

    # -- the request's content -----------------------------------------------------------------------------------

    def want(self) -> None:
        """The content is wanted: a client that waits for 100 gets it now (RFC 9110 10.1.1)."""
        if self.intake is not None:
            self.intake.want()

    def unwanted(self) -> None:
        """What still comes of the content has no taker any more."""
        if self.intake is not None:
            self.intake.wanted = False

    def collect(self, limit: int, then: Callable[[bytes], None]) -> None:
        """Call `then` with the whole content, in the turn in which its last byte arrives; over the limit is a 413."""
        if self.intake is not None:
            self.intake.collect(limit, then)
        else:
            then(b"")

    def pieces(self) -> AsyncIterator[bytes]:
        """The content as it arrives; the client is held back while no one takes it."""
        return nothing() if self.intake is None else self.intake.pieces()

    async def body(self, limit: int = 16 << 20) -> bytes:
        """The whole content; BodyTooLarge over the limit."""
        return b"" if self.intake is None else await self.intake.body(limit)

    def give_back(self, content: bytes) -> None:
        """Content that was taken whole to look at it, for the handler to take as if no one had."""
        if self.intake is not None:
            self.intake.give_back(content)

    def relay(self, sink: Sink, ready: bool) -> None:
        """Pass the content on as it arrives, once the sink is ready; it waits here until then.

        A client that expects 100 is not told to go on: the one who answers at the far end says so.
        """
        self.sink = sink
        if self.intake is not None:
            self.intake.relay(sink, ready)

    def dated(self, block: bytes) -> bytes:
        """The fields of an answer that came without Date, with one."""
        return self.connection.http.standing.date(self.flow.started) + block

    def for_this_client(self, block: bytes) -> None:
        """Of the answer's fields; an exchange is one client's as a whole."""

    # -- the response --------------------------------------------------------------------------------------------

    def amend(self, change: Callable[[bytes], bytes]) -> None:
        """Give `change` the last word on the fields of the final response, whoever answers: a block of whole lines."""
        before = self._amend
        self._amend = change if before is None else lambda block: change(before(block))

    def recode(self, recoding: Recoding) -> None:
        """Have the final response's content coded on its way, where `recoding` finds it worth it; never a file's."""
        self._recoding = recoding

    @property
    def is_changed(self) -> bool:
        """Whether the response leaves otherwise than it was given."""
        return self._amend is not None or self._recoding is not None

    def when_over(self, call: Callable[[], None]) -> None:
        """Call this when the exchange is over, however it ended."""
        self._when_over = [*(self._when_over or ()), call]

    def respond(self, status: int, fields: FieldSource = b"", body: bytes = b"", *, own: bool = True) -> None:
        """The whole response, written at once; `own` as for `start`."""
        if self.started or not self.complete:
            self._begin(status)
        connection = self.connection
        if own or type(fields) is not bytes:
            standing, now = connection.http.standing, self.flow.started
            if type(fields) is bytes and now < standing.until:
                block = standing.block + fields
            else:
                block = standing.before(fields, now)
        else:
            block = fields
        if self._amend is not None:
            block = self._amend(block)
        if self._recoding is not None:
            block, _ = self._recoding.head(status, block, len(body))
            body = self._recoding.piece(body) + self._recoding.end()
        connection.core.respond(status, block, body)
        self.started = self.answered = True
        self.status = status
        if self.request.method != "HEAD":
            self.sent = len(body)
        if self.flow.events is not None:
            recording.response_sent(self, connection)
            recording.keep_content(self, "server", body)
        connection.exchange_answered(self)

    def pass_back(self, status: int, fields: bytes, content: bytes) -> None:
        """The whole response of somebody else, content and all; a turn of its own."""
        connection = self.connection
        changed = self._amend is not None or self._recoding is not None
        if changed or self._when_over is not None or self.flow.events is not None or not self.complete:
            connection.in_turn(partial(self.respond, status, fields, content, own=False))
            return
        self.started = self.answered = True
        self.status, self.sent = status, len(content)
        connection.exchange_passed(self, connection.core.respond(status, fields, content))

    def start(
        self,
        status: int,
        fields: FieldSource = b"",
        *,
        length: int | None = None,
        reason: str | None = None,
        own: bool = True,
    ) -> None:
        """The response's head; `send` and `finish` follow. Nothing follows for HEAD, 204 and 304 but `finish`.

        `own` is False for a response that is passed on: Server and Date are then its origin's.
        """
        connection = self.connection
        self._begin(status)
        fields = connection.http.standing.before(fields, self.flow.started) if own else fields
        if self._amend is not None:
            fields = self._amend(fields if isinstance(fields, bytes) else encode_fields(fields))
        if self._recoding is not None:
            block = fields if isinstance(fields, bytes) else encode_fields(fields)
            fields, length = self._recoding.head(status, block, length)
        connection.core.start(status, fields, length=length, reason=reason)
        if self.flow.events is not None:
            recording.response_sent(self, connection)

    def send(self, data: bytes) -> None:
        """A piece of content; what one turn of the loop sends leaves in one write. Dropped where none may follow."""
        connection = self.connection
        if connection.core.writing_content:
            if self._recoding is not None:
                data = self._recoding.piece(data)
            connection.core.send(data)
            self.sent += len(data)
            connection.flush_soon()
            if self.flow.events is not None:
                recording.keep_content(self, "server", data)
        elif not self.started:
            raise LocalProtocolError("send before start")

    async def ready(self) -> None:
        """Wait until the client has taken enough of what was sent; ConnectionLost if it never will."""
        await self.connection.drained()

    def finish(self, trailers: Iterable[tuple[str, str]] = ()) -> None:
        """The response is complete."""
        connection = self.connection
        if connection.core.writing_content:
            if self._recoding is not None:
                last, self._recoding = self._recoding.end(), None
                self.send(last)
            connection.core.finish(trailers)
        self.answered = True
        connection.exchange_answered(self)

    def inform(self, status: int, fields: Iterable[tuple[str, str]] = ()) -> None:
        """An interim response, 103 with its Link fields for one; written at once."""
        self.connection.core.inform(status, fields)
        self.flow.note("response.informed", "server", status=status, fields=[list(pair) for pair in fields])
        self.connection.flush()

    async def pause(self, seconds: float) -> bool:
        """Wait so long; False, and at once, when the server asks its connections to end: time to come to an end."""
        return await self.connection.pause(seconds)

    def raw(self, data: bytes) -> None:
        """Bytes past the core, as they are, for answers that are broken on purpose; `cut` ends what they began."""
        connection = self.connection
        if not self.started:
            self.started = True
            connection.core.abandon()  # nothing more is read: what follows an answer of this kind has no meaning
        connection.flush()
        connection.write(data)
        self.sent += len(data)

    def cut(self, *, reset: bool = False) -> None:
        """End the connection where the answer stands: with FIN, or at once with RST."""
        self.started = self.answered = self.complete = True
        self.connection.cut(self, reset)

    def text(self, status: int, text: str, fields: Iterable[tuple[str, str]] = ()) -> None:
        """A short answer for a person, as plain text."""
        self.respond(status, [("Content-Type", "text/plain; charset=utf-8"), *fields], text.encode())

    def refuse(self, status: int, why: str, fields: Iterable[tuple[str, str]] = (), *, see: str = "") -> None:
        """A refusal that says why, as text, HTML or a problem (RFC 9457), as Accept has it; `see`: where to go on."""
        own, body = self.connection.http.settings.refusal_page(status, why, self.request, see)
        self.respond(status, [*own, *fields], body)

    def send_file(self, descriptor: int, offset: int, count: int) -> None:
        """So many bytes of a file as the rest of the content, then `finish`; the descriptor is closed in any case."""
        if self.connection.core.writing_content and count:
            send_file(self, descriptor, offset, count)
        else:
            os.close(descriptor)
            self.finish()

    def upgrade(self, status: int, fields: FieldSource, delegate: Delegate) -> None:
        """Answer 101 (or 2xx to CONNECT) and hand what comes next on this connection to another protocol."""
        self._begin(status)
        self.connection.core.start(status, self.connection.http.standing.before(fields, self.flow.started))
        self.answered = True
        if self.flow.events is not None:
            recording.response_sent(self, self.connection)
        self.connection.hand_over(self, delegate)

    def _begin(self, status: int) -> None:
        if self.started:
            raise LocalProtocolError("the response has begun already")
        self.started, self.status = True, status
        if not self.complete and self._leaves_too_much_unread():
            self.connection.core.will_close()

    def _leaves_too_much_unread(self) -> bool:
        """Whether what is still to come of the request is too much to discard, or may come or not."""
        intake, length = self.intake, self.request.frame.length
        if intake is None or intake.unsure or intake.wanted:
            return intake is not None and intake.unsure
        return length is None or length - intake.received > self.connection.http.settings.drain_room

    # -- what the connection says --------------------------------------------------------------------------------

    def content_complete(self, trailers: Fields) -> None:
        self.complete = True
        if self.intake is not None:
            self.intake.completed(trailers)

    def lost(self, error: Exception) -> None:
        """No more content will come, or no more can be sent."""
        if self.intake is not None:
            self.intake.lost(error)
        if self.answered:
            return
        if self.sink is not None:
            self.sink.lost(error)
        if self.task is not None:
            self.task.cancel()

    def failed(self, error: BaseException) -> None:
        """Its handler ended with an error: what one of ours means for the client, or a 500 for a bug."""
        connection = self.connection
        if self.started and isinstance(error, NetlabError):
            connection.abort()
        elif isinstance(error, BodyTooLarge):
            self.unwanted()
            self.refuse(413, str(error))
        elif isinstance(error, RemoteProtocolError):
            self.respond(error.status, *connection.http.settings.violation_page(error, self.request))
        elif not isinstance(error, ConnectionLost):
            self.flow.outcome = Outcome.ERROR
            connection.loop.call_exception_handler({"message": f"handling {self!r} failed", "exception": error})
            if self.started:
                connection.abort()
            else:
                self.refuse(500, "something went wrong here; the server's log says what")

    def end(self, outcome: str, result: str) -> None:
        """It is over: what its flow is left with, and who waits for that. An outcome noted before counts."""
        flow = self.flow
        flow.sent = self.sent
        if self.intake is not None:
            flow.received = self.intake.received
        flow.end(flow.outcome or outcome, result)
        self.sink = None  # it knows us: so both are free at once, without a collector of garbage
        if self._when_over is not None:
            for call in self._when_over:
                call()

    @property
    def received(self) -> int:
        """Bytes of the request's content."""
        return 0 if self.intake is None else self.intake.received

    @property
    def content_begun(self) -> bool:
        return self.intake is not None and self.intake.begun

    @property
    def handed_on(self) -> bool:
        """Whether someone answers in their own time: a callback for the whole content, a gateway."""
        return self.sink is not None or (self.intake is not None and self.intake.collecting)

    def __repr__(self) -> str:
        state = "answered" if self.answered else "started" if self.started else "open"
        return f"<Exchange {self.request.method} {self.request.target} {self.status or ''} {state}>"


Handler = Callable[[Exchange], Work]
"""Answers an exchange."""
