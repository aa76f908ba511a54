"""The content of a request on its way to who takes it: whole by callback, piece by piece, or relayed as it arrives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from netlab.cores.fields import EMPTY, Fields
from netlab.errors import BodyTooLarge

if TYPE_CHECKING:
    from netlab.http.exchange import Exchange
    from netlab.http.roles import Sink


class Intake:
    """What has come of a request's content, what of it waits, and who is to have it."""

    __slots__ = (
        "_arrived",
        "_error",
        "_exchange",
        "_limit",
        "_pieces",
        "_relaying",
        "_then",
        "_waiter",
        "_waiting_size",
        "continued",
        "received",
        "trailers",
        "wanted",
    )

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.wanted = False  # someone takes the content
        self.continued = False  # the client was told to go on with it (100)
        self.received = 0  # bytes
        self.trailers: Fields = EMPTY
        self._arrived = False
        self._pieces: deque[bytes] = deque()  # what waits to be taken, and its size
        self._waiting_size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._then: Callable[[bytes], None] | None = None  # who collects the content, and how much of it at most
        self._limit = 0
        self._relaying = False  # the exchange's sink takes it

    # -- what takers ask for -------------------------------------------------------------------------------------

    def want(self) -> None:
        """The content is wanted: a client that waits for 100 gets it now (RFC 9110 10.1.1)."""
        exchange = self._exchange
        if not self.wanted and not exchange.complete and exchange.request.frame.expects_continue and not self._arrived:
            self.continued = True
            exchange.connection.tell_to_continue(exchange)
        self.wanted = True

    def collect(self, limit: int, then: Callable[[bytes], None]) -> None:
        self._limit, self._then = limit, then
        if self._exchange.complete:
            self._collected()
            return
        self.want()
        self._exchange.connection.content_taken(0)  # who begins late may find the client held back

    async def pieces(self) -> AsyncIterator[bytes]:
        self.want()
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._waiting_size -= len(piece)
                self._taken()
                yield piece
            if self._error is not None:
                raise self._error
            if self._exchange.complete:
                return
            self._waiter = self._exchange.connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def body(self, limit: int) -> bytes:
        parts, size = [], 0
        declared = self._exchange.request.frame.length
        if declared is not None and declared > limit:
            raise BodyTooLarge(limit)
        async for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit)
            parts.append(piece)
        return b"".join(parts)

    def give_back(self, content: bytes) -> None:
        self._pieces, self._waiting_size = deque((content,)), len(content)

    def relay(self, sink: Sink, ready: bool) -> None:
        self._relaying, self.wanted = ready, True
        if not ready:
            return
        pieces, self._pieces, self._waiting_size = self._pieces, deque(), 0
        for piece in pieces:
            sink.content(piece)
        if pieces:
            self._taken()
        if self._exchange.complete:
            sink.content_complete(self.trailers)

    def _taken(self) -> None:
        self._exchange.connection.content_taken(self._waiting_size)

    # -- what the connection says --------------------------------------------------------------------------------

    def arrived(self, data: bytes) -> int:
        """A piece of content came; returns how many bytes wait to be taken."""
        self.received += len(data)
        self._arrived = True
        if self._relaying and (sink := self._exchange.sink) is not None:
            sink.content(data)
            return 0
        if not self.wanted and self._exchange.started:
            return 0  # nobody will take it
        self._pieces.append(data)
        self._waiting_size += len(data)
        if self._then is not None:
            if self.received > self._limit:
                self._then = None
                self._pieces.clear()
                self.wanted = False
                self._exchange.refuse(413, f"the content is larger than {self._limit} bytes")
            return 0
        self._wake()
        return self._waiting_size

    def completed(self, trailers: Fields) -> None:
        self.trailers = trailers
        if self._relaying and (sink := self._exchange.sink) is not None:
            sink.content_complete(trailers)
        if self._then is not None:
            self._collected()
        self._wake()

    def lost(self, error: Exception) -> None:
        """No more content will come."""
        self._error, self._then = error, None
        self._wake()

    # -- how it stands -------------------------------------------------------------------------------------------

    @property
    def collecting(self) -> bool:
        """Whether a callback will have the whole content."""
        return self._then is not None

    @property
    def begun(self) -> bool:
        return self._arrived

    @property
    def unsure(self) -> bool:
        """Whether the content may come or not: the client waits for a 100 that it did not get (RFC 9110 10.1.1)."""
        return self._exchange.request.frame.expects_continue and not self._arrived and not self.continued

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _collected(self) -> None:
        then, self._then = self._then, None
        body = b"".join(self._pieces)
        self._pieces.clear()
        if then is not None:
            then(body)


async def nothing() -> AsyncIterator[bytes]:
    """The pieces of no content."""
    for piece in NO_PIECES:
        yield piece


NO_PIECES: tuple[bytes, ...] = ()
