"""A request of the cache's own on its way through the gateway, and all the clients that wait for its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from netlab.cores.fields import EMPTY, Fields
from netlab.cores.http1 import Request
from netlab.errors import ConnectionLost, LocalProtocolError
from netlab.flow import Flow, Outcome
from netlab.http.cache.body import Body
from netlab.http.cache.line import Line
from netlab.http.cache.reader import Reader
from netlab.http.cache.stored import Key, Stored
from netlab.http.exchange import Exchange
from netlab.http.roles import Delegate, Sink, Source
from netlab.http.settings import FieldSource
from netlab.policy.http_cache.directives import RequestDirectives
from netlab.policy.http_cache.report import Forwarded

if TYPE_CHECKING:
    from netlab.http.cache.arrival import Arrival
    from netlab.http.cache.arrivals import Arrivals

Forward = Callable[[Any], None]
"""Sends a request on its way: an exchange, or a fetch in its place."""


class Fetch:
    """For the gateway it is the one who asks, and that one's connection. The first of its readers caused it; others
    may join; without any it goes on only where it is to refresh what is stored.

    stored     what it validates or completes, if anything
    why        the word for it in Cache-Status
    arrival    the answer, as soon as its head is here
    joinable   whether others may wait for its answer
    outdated   what it brings must not be kept: it was asked for before something changed
    """

    __slots__ = (
        "_arrivals",
        "_sink",
        "again",
        "answered",
        "arrival",
        "asked",
        "background",
        "began",
        "body",
        "client",
        "completes",
        "content_from",
        "counted",
        "deaf",
        "endless",
        "flow",
        "forward",
        "joinable",
        "key",
        "length",
        "line_of",
        "onward",
        "outdated",
        "private",
        "readers",
        "reason",
        "request",
        "secure",
        "sent",
        "source",
        "started",
        "status",
        "stored",
        "trailers",
        "why",
    )

    def __init__(
        self,
        arrivals: Arrivals,
        key: Key,
        exchange: Exchange,
        forward: Forward,
        asked: RequestDirectives,
        request: Request,
        *,
        why: Forwarded,
        stored: Stored | None = None,
        background: Flow | None = None,
    ) -> None:
        self._arrivals, self.key, self.request = arrivals, key, request
        self.forward, self.asked = forward, asked
        self.why, self.stored = why, stored
        self.background = background
        self.flow = background or exchange.flow
        connection = exchange.connection
        self.client, self.secure = connection.flow, connection.secure  # of whoever caused it
        self.content_from = exchange if request.frame.has_body else None
        self._sink: Sink | None = None
        self.began = arrivals.clock.now()
        self.readers: list[Reader] = []
        self.arrival: Arrival | None = None
        self.body, self.trailers = Body(), EMPTY
        self.source: Source | None = None
        # of a client's own request the fields that travel on are kept with its connection
        self.line_of = connection if request is exchange.request else None
        self.onward: tuple[Fields | None, dict[Any, bytes]] = (None, {})
        self.joinable = self.outdated = self.started = self.answered = self.endless = False
        self.deaf = False  # the rest of the answer is for nobody
        self.again = False  # what came is of no use: all of it has to be asked for
        self.completes = False  # it asks for the part that is missing
        self.private = b""  # fields for the first reader alone
        self.length: int | None = None
        self.reason: str | None = None
        self.status = self.sent = self.counted = 0

    @property
    def validates(self) -> bool:
        """Whether the conditions in the request are those of what is stored."""
        return self.stored is not None and self.why in ("stale", "request") and self.stored.has_validator

    # -- readers -------------------------------------------------------------------------------------------------

    def join(self, exchange: Exchange, forward: Forward, asked: RequestDirectives) -> Reader:
        """One more who waits for the answer; who comes when it has begun is given it from its beginning."""
        reader = Reader(self, exchange, forward, asked, collapsed=bool(self.readers) or self.background is not None)
        self.readers.append(reader)
        if self.content_from is not exchange:
            exchange.relay(reader, ready=True)
        return reader

    def left(self, reader: Reader, error: Exception) -> None:
        """A client is gone. With the last of them goes the reason for asking."""
        if reader not in self.readers:
            return
        self.readers.remove(reader)
        if not self.readers and self.background is None:
            self.cancel(error)
        else:
            self.taken()

    def cancel(self, error: Exception) -> None:
        """Nobody wants the answer any more."""
        sink, self._sink = self._sink, None
        self._arrivals.over(self)
        self.answered = True
        if sink is not None:
            sink.lost(error)
        self._end_background(Outcome.CANCELLED)

    def taken(self) -> None:
        """A client has taken what was sent: if all have, there may be more."""
        self.body.forget(min((reader.position for reader in self.readers), default=1 << 62))
        if self.source is not None and not self.writing_paused:
            self.source.go_on()

    # -- for the gateway: who asks -------------------------------------------------------------------------------

    @property
    def connection(self) -> Line:
        return Line(self)

    @property
    def complete(self) -> bool:
        return self.content_from is None or self.content_from.complete

    @property
    def content_begun(self) -> bool:
        return self.content_from is not None and self.content_from.content_begun

    @property
    def received(self) -> int:
        return 0 if self.content_from is None else self.content_from.received

    def dated(self, block: bytes) -> bytes:
        """As it came: what is kept is dated by the lab's clock, when it arrives."""
        return block

    def for_this_client(self, block: bytes) -> None:
        self.private = block

    def relay(self, sink: Sink, ready: bool) -> None:
        self._sink = sink
        if self.content_from is not None and self.readers:
            self.readers[0].upward = sink
            self.content_from.relay(self.readers[0], ready=ready)

    def inform(self, status: int, fields: Iterable[tuple[str, str]] = ()) -> None:
        if self.readers and not self.readers[0].exchange.started:
            self.readers[0].exchange.inform(status, fields)

    def pass_back(self, status: int, fields: bytes, content: bytes) -> None:
        self.connection.in_turn(partial(self.respond, status, fields, content, own=False))

    def respond(self, status: int, fields: FieldSource = b"", body: bytes = b"", *, own: bool = True) -> None:
        """The answer came whole; one of our own says that there is none."""
        if own:
            self._refused(status, lambda exchange: exchange.respond(status, fields, body))
            return
        arrived = self._arrive(status, fields, len(body))
        self.sent = len(body)
        if arrived and body:
            self.body.add(body)
        self.finish()

    def start(
        self,
        status: int,
        fields: FieldSource = b"",
        *,
        length: int | None = None,
        reason: str | None = None,
        own: bool = True,
    ) -> None:
        """The answer's head."""
        if self._arrive(status, fields, length):
            self._arrivals.begin(self, length, reason)

    def _arrive(self, status: int, fields: FieldSource, length: int | None) -> bool:
        assert isinstance(fields, bytes)  # a gateway passes blocks on
        self.started, self.status = True, status
        shared = fields.removesuffix(self.private)
        self.deaf = not self._arrivals.arrived(self, status, shared, length)
        return not self.deaf

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        if self.deaf:
            return
        body = self.body
        body.add(data)
        if body.keep:
            self._arrivals.received(self, len(data))
        for reader in list(self.readers):
            reader.pump()
        if not body.keep:
            body.forget(min((reader.position for reader in self.readers), default=1 << 62))

    def finish(self, trailers: Iterable[tuple[str, str]] = ()) -> None:
        self.answered, self.line_of = True, None
        self._sink = None
        self.trailers = Fields(trailers)
        self._arrivals.over(self)
        if not self.deaf:
            self.body.complete = True
            self._arrivals.completed(self)
        elif self.again:
            self._arrivals.refetch(self)
        self._end_background(Outcome.OK if self.status < 400 else Outcome.REFUSED)

    def refuse(self, status: int, why: str, fields: Iterable[tuple[str, str]] = ()) -> None:
        """The gateway has no answer."""
        told = list(fields)
        self._refused(status, lambda exchange: exchange.refuse(status, why, told))

    def _refused(self, status: int, tell: Callable[[Exchange], None]) -> None:
        self.started = self.answered = True
        self.status = status
        self._arrivals.over(self)
        self._arrivals.failed(self, status, tell)
        self._end_background(Outcome.REFUSED)

    def upgrade(self, status: int, fields: FieldSource, delegate: Delegate) -> None:
        raise LocalProtocolError("a cache's fetch offers no other protocol")

    def _end_background(self, outcome: str) -> None:
        if self.background is not None:
            self.background.end(outcome, str(self.status or ""))

    # -- how the connection stands, see `Line` --------------------------------------------------------------------

    @property
    def writing_paused(self) -> bool:
        """Whether a client has to read first; not while the content is kept anyway."""
        return not self.body.keep and any(reader.paused for reader in self.readers)

    def broke_off(self) -> None:
        """The answer is not whole, and nobody must take it for that."""
        self.answered = True
        self._arrivals.over(self)
        for reader in self.readers:
            if reader.streaming:
                reader.cut()
            elif not reader.exchange.answered:
                self._arrivals.alone(reader)
        self.readers.clear()
        self._end_background(Outcome.CUT)

    def close(self) -> None:
        self.cancel(ConnectionLost("the proxy ends"))

    def __repr__(self) -> str:
        return f"<Fetch {self.request.method} {self.key.uri} for {len(self.readers)}, {self.why}>"


def in_place_of(request: Request, pairs: list[tuple[str, str]], *, method: str = "") -> Request:
    """A request of ours in place of a client's."""
    return Request(method or request.method, request.target, request.version, Fields(pairs), request.frame)
