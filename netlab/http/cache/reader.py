"""One client of a fetch: it waits for the answer's head, then takes the content as it comes, at its own pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.cores.fields import Fields
from netlab.flow import Outcome
from netlab.http.exchange import Exchange
from netlab.http.roles import Sink
from netlab.policy.http_cache.directives import RequestDirectives

if TYPE_CHECKING:
    from netlab.http.cache.fetch import Fetch, Forward


class Reader:
    """What the client sends goes on to `upward`, where there is one; that it left is told to the fetch."""

    __slots__ = ("_at", "asked", "collapsed", "exchange", "fetch", "forward", "streaming", "upward")

    def __init__(
        self, fetch: Fetch, exchange: Exchange, forward: Forward, asked: RequestDirectives, *, collapsed: bool
    ) -> None:
        self.fetch, self.exchange, self.forward, self.asked, self.collapsed = fetch, exchange, forward, asked, collapsed
        self.upward: Sink | None = None
        self.streaming = False
        self._at = 0  # pieces of the content that it has been sent

    # -- from the client -----------------------------------------------------------------------------------------

    def content(self, data: bytes) -> None:
        if self.upward is not None:
            self.upward.content(data)

    def content_complete(self, trailers: Fields) -> None:
        if self.upward is not None:
            self.upward.content_complete(trailers)

    def lost(self, error: Exception) -> None:
        self.fetch.left(self, error)

    # -- to the client -------------------------------------------------------------------------------------------

    def begin(self, status: int, block: bytes, length: int | None, reason: str | None) -> None:
        self.streaming = True
        self.exchange.start(status, block, length=length, reason=reason, own=False)

    @property
    def paused(self) -> bool:
        """Whether it has to take something before there is more."""
        return self.streaming and self.exchange.connection.writing_paused

    def go_on(self) -> None:
        """The client has taken what was sent."""
        self.exchange.connection.source = None
        self.pump()
        self.fetch.taken()

    def cancel(self) -> None:
        """The client is gone; `lost` says so too."""

    def pump(self) -> None:
        """Send what is there, and be done with the last of it."""
        if not self.streaming:
            return
        exchange, body = self.exchange, self.fetch.body
        connection = exchange.connection
        while (piece := body.piece(self._at)) is not None:
            if connection.writing_paused:
                connection.source = self
                return
            self._at += 1
            exchange.send(piece)
        if body.complete:
            self.streaming = False
            exchange.finish(self.fetch.trailers)

    @property
    def position(self) -> int:
        return self._at

    def cut(self) -> None:
        """There will be no more: the client must not take a part for the whole."""
        self.streaming = False
        connection = self.exchange.connection
        self.exchange.flow.outcome = Outcome.CUT
        connection.flush()
        connection.abort()
