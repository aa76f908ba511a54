"""Two connections joined byte by byte: what is left of a gateway after an upgrade or CONNECT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netlab.flow import Flow, Outcome

if TYPE_CHECKING:
    from netlab.http.engine import HttpConnection
    from netlab.http.upstream import Upstream


class Tunnel:
    """Relays between a client's connection and an upstream's, each half closed when its other end is.

    It is the delegate of the client's connection and the one who waits on the upstream. Back-pressure passes through;
    when nothing moved in either direction for `idle` seconds, both end.
    """

    def __init__(self, upstream: Upstream, flow: Flow, *, idle: float) -> None:
        self.upstream, self.flow, self.idle = upstream, flow, idle
        self.connection: HttpConnection | None = None
        self.up = self.down = 0  # bytes to the upstream, and to the client
        self._ended = {"client": False, "upstream": False}

    # -- the client's side: a Delegate ---------------------------------------------------------------------------

    def begin(self, connection: HttpConnection) -> None:
        self.connection = connection
        connection.set_deadline("idle", self.idle)
        if rest := self.upstream.core.rest():
            self.answered([rest])

    def feed(self, data: bytes) -> None:
        assert self.connection is not None
        if not data:
            self._half_closed("client", self.upstream.transport)
            return
        self.up += len(data)
        self.connection.set_deadline("idle", self.idle)
        self.upstream.write(data)
        if self.upstream.writing_paused:
            self.connection.transport.pause_reading()

    def writable(self) -> None:
        self.upstream.go_on()

    def timed_out(self, stage: str) -> None:
        self.end(Outcome.TIMEOUT)

    def drain(self) -> None:
        self.end(Outcome.CANCELLED)

    def ended(self, error: Exception | None) -> None:
        self._finish(Outcome.OK if error is None else Outcome.CUT)
        self.upstream.waiting = None
        if error is not None:
            self.upstream.abort()  # a reset on one side is a reset on the other
        else:
            self.upstream.close()

    # -- the upstream's side -------------------------------------------------------------------------------------

    def answered(self, events: list[Any]) -> None:
        assert self.connection is not None
        for data in events:
            if not data:
                self._half_closed("upstream", self.connection.transport)
                continue
            self.down += len(data)
            self.connection.set_deadline("idle", self.idle)
            self.connection.write(data)
        if self.connection.writing_paused:
            self.upstream.hold()

    def upstream_lost(self, error: Exception | None) -> None:
        if self.connection is not None:
            if error is not None:
                self.connection.reset()
            else:
                self.connection.close()

    def upstream_writable(self) -> None:
        if self.connection is not None and not self.connection.transport.is_closing():
            self.connection.transport.resume_reading()

    # -- ends ----------------------------------------------------------------------------------------------------

    def end(self, outcome: str) -> None:
        self._finish(outcome)
        self.upstream.close()
        if self.connection is not None:
            self.connection.close()

    def _half_closed(self, side: str, other: Any) -> None:
        self._ended[side] = True
        if all(self._ended.values()):
            self.end(Outcome.OK)
        elif other.can_write_eof() and not other.is_closing():
            other.write_eof()
        else:
            self.end(Outcome.OK)  # TLS has no half-close

    def _finish(self, outcome: str) -> None:
        self.flow.received, self.flow.sent = self.up, self.down
        self.flow.end(outcome)
