"""One HTTP connection of a server: its core, and the exchange that is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netlab.cores.fields import Fields
from netlab.cores.http1 import Data, End, Request
from netlab.errors import RemoteProtocolError, Truncated
from netlab.flow import Brief, Outcome
from netlab.http import recording
from netlab.http.ending import HELD_BACK, EndingConnection
from netlab.http.exchange import Exchange
from netlab.http.roles import Delegate, Prompt
from netlab.http.settings import STATUS_TEXT
from netlab.net.connection import NEVER
from netlab.net.gate import Gate
from netlab.net.gathering import Gathering

if TYPE_CHECKING:
    from netlab.http.engine import HttpService

OK, REFUSED = Outcome.OK, Outcome.REFUSED


class HttpConnection(EndingConnection):
    """Reads requests, hands each to the handler, writes the answers in their order.

    A request whose answer is known is answered in the very call that brought its last byte: no task, no await, and
    one write for all that one read asked for.
    """

    __slots__ = ("_content_since", "express", "onward")

    def __init__(self, gate: Gate, http: HttpService) -> None:
        core = http.settings.core(http.settings.limits)
        super().__init__(gate, http.flows, http.name, core, write_timeout=http.settings.write_timeout)
        self.http = http
        self.exchange = self.source = self.delegate = None
        self.onward: tuple[Fields | None, dict[Any, bytes]] = (None, {})  # a gateway's: fields as they travel on
        self.express: Prompt | None = None  # who may answer what is read before anything is made of it
        self._content_since = 0.0

    # -- bytes in ------------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.set_deadline("header", self.http.settings.header_timeout)
        self.express = self.http.express if self.http.express is not None and not self.secure else None

    def data_received(self, data: bytes) -> None:
        if self.express is not None and self.express.answers(self, data):
            return
        if self.tape is not None or self.lingering:  # the long way: the bytes are kept, or thrown away
            super().data_received(data)
        elif self.delegate is None:
            self._turn(data)
        else:
            self.flow.received += len(data)  # type: ignore[union-attr]  # open since attach
            self.delegate.feed(data)

    def feed(self, data: bytes) -> None:
        if self.delegate is not None:
            self.delegate.feed(data)
        else:
            self._turn(data)

    def _turn(self, data: bytes) -> None:
        """Everything that a read leads to at once, and one write for all of it."""
        self.turning = True
        try:
            idle = self._advance(self.core.receive(data))
        finally:
            self.turning = False
        if self.delegate is None:
            self._settle(idle)

    def answered(self, data: bytes, answer: bytes, about: Brief, now: float) -> bool:
        """Write the answer to a whole request that has just come; False if others come first, or if more is to be kept
        of it than `about` knows.
        """
        if self.exchange is not None or self.writing_paused or self.lingering or self.draining or self.peer_ended:
            return False
        tape, flows = self.tape, self.flows
        enough = tape is None or about.events is not None
        if flows.full is (tape is None) or not enough or not self.core.pass_by(len(data)):
            return False
        self.transport.write(answer)
        self.written += len(answer)
        begins = None if tape is None else self.keep(tape, now, data, answer)
        flows.brief(about, self.flow, now, begins)  # type: ignore[arg-type]  # open since `attach`
        if not self.writing_paused:
            self.deadline, self.stage = self.loop.time() + self.http.patience, "idle"
        return True

    def _advance(self, events: list[Any]) -> bool:
        """Handle events, and what the end of one exchange sets free, until there is something to wait for.

        True if that is the client's next request, and nothing of it is here.
        """
        core = self.core
        while True:
            for event in events:
                if type(event) is Request:
                    self._request_received(event, events)
                elif type(event) is Data:
                    self._content_received(event)
                elif type(event) is End:
                    self._content_complete(event)
                elif isinstance(event, RemoteProtocolError):
                    self._violated(event, Outcome.CUT if isinstance(event, Truncated) else Outcome.VIOLATION)
            if self.exchange is not None or self.writing_paused:
                return False
            if core.idle:
                return True
            if not (events := core.resume()):
                return core.idle

    def _request_received(self, request: Request, events: list[Any]) -> None:
        carrier, frame = self.flow, request.frame
        assert carrier is not None  # it is open since `attach`
        client, server = carrier.client, carrier.server
        flow = self.flows.open("http", self.service, carrier, None, request.label, client, server)
        exchange = self.exchange = Exchange(self, request, flow)
        if frame.has_body:
            self.stage = ""  # a deadline of its own begins
        if flow.events is not None:
            recording.request_received(flow, request, self)
        if len(events) > 1 and isinstance(events[-1], RemoteProtocolError):
            return  # what came with it breaks the protocol: nobody acts on any of it, and the answer says why
        if frame.expectation is not None:
            exchange.refuse(417, f"Expect: {frame.expectation[:80]} cannot be met; only 100-continue can")
            return
        try:
            work = self.http.handler(exchange)
        except Exception as error:  # the edge of the connection: a handler's bug becomes a 500 and an outcome
            exchange.failed(error)
        else:
            if work is not None:
                exchange.task = self.http.tasks.start(work, flow.label, self.task_ended)

    def _content_received(self, event: Data) -> None:
        exchange = self.exchange
        if exchange is None or exchange.answered or exchange.intake is None:
            return  # unread content of an exchange already answered
        if exchange.flow.events is not None:
            recording.keep_content(exchange, "client", event.data)
        if exchange.intake.arrived(event.data) > self.http.settings.buffer:
            self.hold()

    def _content_complete(self, event: End) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        if exchange.flow.events is not None:
            recording.request_ended(exchange, event)
        try:
            exchange.content_complete(event.trailers)
        except Exception as error:  # who collected the content failed
            exchange.failed(error)
        if exchange.answered:
            self._exchange_over(exchange)

    def _violated(self, error: RemoteProtocolError, outcome: str = Outcome.VIOLATION) -> None:
        """The client broke the protocol: the answer under way is kept if it can be, else the last one says why."""
        exchange = self.exchange
        if exchange is not None and exchange.started:
            exchange.flow.note("protocol.violated", "client", **error.facts())
            exchange.flow.outcome = outcome
            exchange.lost(error)
            if exchange.answered:
                self._exchange_over(exchange)
            else:
                self.flush()
                self.abort()
            return
        if exchange is None:
            carrier, label = self.flow, recording.label_of(error)
            assert carrier is not None  # it is open since `attach`
            flow = self.flows.open("http", self.service, carrier, None, label, carrier.client, carrier.server)
            exchange = self.exchange = Exchange(self, recording.UNREAD, flow)
        exchange.complete = True
        exchange.flow.outcome = outcome
        exchange.flow.note("protocol.violated", "client", **error.facts())
        exchange.lost(error)
        exchange.respond(error.status, *self.http.settings.violation_page(error, exchange.request))

    # -- after a turn --------------------------------------------------------------------------------------------

    def _settle(self, idle: bool, gathering: Gathering | None = None) -> None:
        """Write what the turn produced, and set the deadline for what is awaited next."""
        core = self.core
        if gathering is not None and not (self.draining or self.peer_ended):
            gathering.add(self)
        elif data := core.outgoing():
            self.write(data)
        if idle and not self.writing_paused:
            self.deadline, self.stage = self.loop.time() + self.http.patience, "idle"
            if self.draining or self.peer_ended:
                self.leave()
            return
        exchange, settings = self.exchange, self.http.settings
        if exchange is not None:
            if not (self.writing_paused or self.held):
                self._await_client(exchange)
            if core.buffered > settings.buffer:
                self.hold()
        elif core.closed or (core.closing and not core.answerable):
            self.leave()
        elif core.idle:
            if self.draining or self.peer_ended:
                self.leave()
        elif self.stage != "header" and not self.lingering and not self.writing_paused:
            self.set_deadline("header", settings.header_timeout)

    def _await_client(self, exchange: Exchange) -> None:
        if exchange.intake is not None and self.core.reading_body:
            self._await_content(exchange)
        else:
            self.deadline, self.stage = NEVER, ""  # the handler works; its waits have deadlines of their own
            if self.peer_ended:
                self.await_departure()

    def release(self) -> None:
        super().release()
        if self.exchange is not None and not (self.writing_paused or self.held):
            self._await_client(self.exchange)

    def _await_content(self, exchange: Exchange) -> None:
        """Content is due: `body_timeout`, and a second more for every `minimum_rate` bytes that came."""
        settings = self.http.settings
        if self.stage != "body":
            self._content_since = self.loop.time()
            self.stage = "body"
        earned = exchange.received / settings.minimum_rate if settings.minimum_rate else 0.0
        self.deadline = self._content_since + settings.body_timeout + earned if settings.body_timeout else NEVER

    def exchange_answered(self, exchange: Exchange) -> None:
        """The response is complete; the exchange is over when the request is too, or will never be."""
        if not self.turning:
            self.flush()
        if exchange.complete or self.core.closing:
            self._exchange_over(exchange)

    def exchange_passed(self, exchange: Exchange, idle: bool) -> None:
        """An answer from elsewhere is complete, and so is the request: nothing but `idle` may be next."""
        http = self.http
        leaving = self.draining or self.peer_ended
        if not idle or leaving or self.turning or self.held or self.writing_paused or http.settings.on_answered:
            self.in_turn(self._exchange_over, exchange)
            return
        self.exchange = None
        exchange.end(OK if exchange.status < 400 else REFUSED, STATUS_TEXT[exchange.status])
        if http.gathering is not None:
            http.gathering.add(self)
        else:
            self.flush()
        self.deadline, self.stage = self.loop.time() + http.patience, "idle"

    def _exchange_over(self, exchange: Exchange) -> None:
        if self.exchange is not exchange:
            return
        self.exchange = None
        if exchange.flow.events is not None:
            recording.response_ended(exchange)
        status = exchange.status
        exchange.end(OK if status < 400 else REFUSED, STATUS_TEXT[status])
        if self.http.settings.on_answered is not None:
            self.http.settings.on_answered(exchange)
        if self.held:
            self.release()
        if not self.turning:
            self.feed_on()

    def feed_on(self) -> None:
        """An answer that had to wait is out: go on with what was held back behind it."""
        if not self.writing_paused:  # else not before the client has taken what is on its way
            self.in_turn(self._advance, self.core.resume())

    def in_turn(self, work: Callable[..., object], *arguments: Any) -> None:
        """Do what an event elsewhere (an upstream's answer) means here as one turn: all it produces in one write."""
        if self.turning:
            work(*arguments)
            return
        self.turning, idle = True, False
        try:
            work(*arguments)
            if self.exchange is None and self.delegate is None and not self.writing_paused:
                idle = self.core.idle or self._advance(self.core.resume())
        finally:
            self.turning = False
        if self.delegate is None:
            self._settle(idle, self.http.gathering if idle else None)

    # -- what exchanges ask for ----------------------------------------------------------------------------------

    def content_taken(self, waiting: int) -> None:
        if self.held and waiting <= self.http.settings.buffer // 2:
            self.release()

    def hand_over(self, exchange: Exchange, delegate: Delegate) -> None:
        """Another protocol speaks from here on; its first bytes may have come with the request."""
        self.flush()
        self.set_deadline("", 0)
        self.exchange, self.delegate, self.express = None, delegate, None
        exchange.end(Outcome.OK, str(exchange.status))
        delegate.begin(self)
        if rest := self.core.rest():
            delegate.feed(rest)

    def cut(self, exchange: Exchange, reset: bool) -> None:
        """The exchange ends here, and the connection with it, whatever the core still expects."""
        self.flush()
        self.core.abandon()
        if reset:
            self.reset()
        else:
            self.leave()
        self._exchange_over(exchange)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.stage == HELD_BACK and not self.held and self.exchange is not None:  # it was let go in between
            self._await_client(self.exchange)
        if self.delegate is not None:
            self.delegate.writable()
        elif self.source is not None:
            self.source.go_on()
        elif self.exchange is None:
            self.feed_on()

    # -- ends ----------------------------------------------------------------------------------------------------

    def timed_out(self, stage: str) -> None:
        """A client too slow with a head or content is told so (RFC 9110 15.5.9); one that is idle is let go."""
        exchange = self.exchange
        if self.delegate is not None:
            self.delegate.timed_out(stage)
        elif stage == "idle" or (exchange is None and not self.core.buffered):
            self.close()
        elif exchange is not None and exchange.started:
            exchange.flow.outcome = Outcome.TIMEOUT
            self.abort()
        else:
            error = recording.too_slow(stage, self.core.received)
            self.core.abandon()
            self._violated(error, Outcome.TIMEOUT)
            self._settle(False)
