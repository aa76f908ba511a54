"""Two connections joined byte by byte: what is left of a gateway after an upgrade or CONNECT."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from netlab.flow import Flow, Outcome
from netlab.net import splice
from netlab.net.connection import NEVER
from netlab.net.plain import plain_socket
from netlab.net.presence import DEPARTED, Presence, presence
from netlab.net.reset import will_reset
from netlab.tape import Side, Tape

if TYPE_CHECKING:
    import asyncio

    from netlab.cores.http1 import Request, Response
    from netlab.http.upstream import FarEnd

Ended = Literal["", "client", "upstream"]
"""Which of the two has sent its last byte while the other goes on."""
LOOK = 2.0
"""Seconds between looks at whether a client that has ended its side is still there."""


class Onlooker(Protocol):
    """Who is shown what passes, and changes nothing."""

    def passed(self, side: Side, data: bytes) -> None: ...

    def count(self, received: int, sent: int) -> None: ...

    def end(self, outcome: str) -> None: ...


class Early(Protocol):
    """Who has what a client said before its tunnel stood."""

    def rest(self) -> bytes: ...


class NearEnd(Protocol):
    """The client's connection, as far as a tunnel deals with it."""

    loop: asyncio.AbstractEventLoop
    transport: Any
    tape: Tape | None
    peer_ended: bool
    writing_paused: bool
    written: int
    flow: Flow | None

    @property
    def core(self) -> Early: ...

    def release(self) -> None:
        """Read, if reading was paused."""

    def set_deadline(self, stage: str, seconds: float) -> None: ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def reset(self) -> None: ...

    def connection_lost(self, error: Exception | None) -> None: ...


class Tunnel:
    """Relays between a client's connection and an upstream's, each half closed when its other end is.

    It is the delegate of the client's connection and the one who waits on the upstream. Back-pressure passes through;
    when nothing moved in either direction for `idle` seconds, both end. Where `pipes` are given and nobody keeps the
    bytes, the kernel relays them as soon as they come in bulk.
    """

    __slots__ = (
        "_ended",
        "_joining",
        "_until",
        "connection",
        "down",
        "flow",
        "idle",
        "on_end",
        "pipes",
        "recognise",
        "up",
        "upstream",
        "watch",
    )

    def __init__(
        self,
        upstream: FarEnd,
        flow: Flow,
        *,
        idle: float,
        pipes: splice.Pipes | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.upstream, self.flow, self.idle, self.pipes, self.on_end = upstream, flow, idle, pipes, on_end
        self.watch: Onlooker | None = None  # who is shown what passes
        self.recognise: Callable[[bytes], Onlooker | None] | None = None  # who that is, by the client's first bytes
        self.connection: NearEnd | None = None
        self.up = self.down = 0  # bytes to the upstream, and to the client
        self._ended: Ended = ""
        self._until = NEVER  # loop time; of a client that has ended its side, when it has been idle for too long
        self._joining = False  # bulk has been seen: the kernel takes over once what is written has left

    def when_over(self, call: Callable[[], None]) -> None:
        """Call this too when the tunnel is over, however it ended."""
        before = self.on_end

        def both() -> None:
            if before is not None:
                before()
            call()

        self.on_end = both

    # -- the client's side: a Delegate ---------------------------------------------------------------------------

    def begin(self, connection: NearEnd, said: bytes = b"") -> None:
        """From now on; what either side has said already goes to the other, `said` of the client first."""
        upstream = self.upstream
        self.connection, upstream.waiting = connection, self
        connection.release()
        self._something_moved()
        if heard := upstream.rest():
            self.answered([heard])
        if said := said + connection.core.rest():
            self.feed(said)
        if connection.peer_ended:
            self.feed(b"")
        if upstream.transport.is_closing():
            self.upstream_lost(None)
        elif upstream.peer_ended:
            self.answered([b""])
        upstream.go_on()

    def feed(self, data: bytes) -> None:
        connection, upstream = self.connection, self.upstream
        assert connection is not None
        if not data:
            self._half_closed("client", upstream.transport)
            return
        if not self.up and self.recognise is not None:
            self.watch = self.recognise(data)
        self.up += len(data)
        self._something_moved()
        if self.watch is not None:
            self.watch.passed("client", data)
        if len(data) >= splice.BULK:
            self._bulk()
        upstream.write(data)
        if upstream.writing_paused:
            connection.transport.pause_reading()
        if self._joining:
            self._join_soon()

    def writable(self) -> None:
        assert self.connection is not None
        self._something_moved()
        self.upstream.go_on()
        if self._joining:
            self._join_soon()

    def timed_out(self, stage: str) -> None:
        connection = self.connection
        assert connection is not None
        left = self._until - connection.loop.time()
        if self._ended != "client" or left <= 0:
            self.end(Outcome.TIMEOUT)
        elif self._client_is_there():
            connection.set_deadline("idle", min(LOOK, left))
        else:
            self.flow.note("client.departed", "client", reason=DEPARTED)
            if connection.flow is not None:
                connection.flow.outcome, connection.flow.result = Outcome.CUT, "the client is gone"
            self.end(Outcome.CUT)

    def _client_is_there(self) -> bool:
        """Whether a client that has ended its side may still listen to what the upstream has to say."""
        assert self.connection is not None
        told = self.connection.transport.get_extra_info
        return presence(told("sockname"), told("peername")) is not Presence.GONE

    def drain(self) -> None:
        self.end(Outcome.CANCELLED)

    def ended(self, error: Exception | None) -> None:
        self._finish(Outcome.OK if error is None else Outcome.CUT)
        self.upstream.waiting = None
        if error is not None:
            if not self.upstream.transport.is_closing():
                will_reset(self.upstream.transport)  # a reset on one side is a reset on the other
            self.upstream.abort()
        else:
            self.upstream.close()
        if self.on_end is not None:
            self.on_end()

    # -- the upstream's side -------------------------------------------------------------------------------------

    def answered(self, events: list[Any]) -> None:
        connection = self.connection
        assert connection is not None
        for data in events:
            if not data:
                self._half_closed("upstream", connection.transport)
                continue
            self.down += len(data)
            self._something_moved()
            if self.watch is not None:
                self.watch.passed("server", data)
            if len(data) >= splice.BULK:
                self._bulk()
            connection.write(data)
        if connection.writing_paused:
            self.upstream.hold()
        if self._joining:
            self._join_soon()

    def upstream_lost(self, error: Exception | None) -> None:
        if self.connection is not None:
            if error is not None:
                self.connection.reset()
            else:
                self.connection.close()

    def upstream_writable(self) -> None:
        if self.connection is not None and not self.connection.transport.is_closing():
            self.connection.transport.resume_reading()
        if self._joining:
            self._join_soon()

    # -- past us -------------------------------------------------------------------------------------------------

    def _bulk(self) -> None:
        """A large read: from the next one on the kernel shall do it, if it can."""
        connection, upstream = self.connection, self.upstream
        assert connection is not None
        if self._joining or self.pipes is None or self.watch is not None:
            return
        if connection.tape is not None or upstream.tape is not None:
            return
        if not splice.AVAILABLE or None in (plain_socket(connection.transport), plain_socket(upstream.transport)):
            self.pipes = None  # nothing of this will change
            return
        self._joining = True
        for end in (connection, upstream):
            end.transport.set_write_buffer_limits(high=0)  # write at once, and say when nothing is left

    def _join_soon(self) -> None:
        """Not in the middle of a transport's own call."""
        assert self.connection is not None
        self.connection.loop.call_soon(self._join)

    def _join(self) -> None:
        connection, upstream = self.connection, self.upstream
        if connection is None or self.pipes is None or not self._joining or not splice.can_join(connection, upstream):
            return  # something still waits to be written, or one of them is gone
        self._joining = False
        ended = self._ended
        try:
            splice.take_over(
                connection,
                upstream,
                self.pipes,
                self._moved,
                near_ended=ended == "client",
                far_ended=ended == "upstream",
            )
        except OSError:  # no descriptors left: as before, then
            self.pipes = None

    def _moved(self, up: int, down: int) -> None:
        assert self.connection is not None
        self.up += up
        self.down += down
        self.upstream.written += up
        self.connection.written += down
        self._something_moved()

    # -- ends ----------------------------------------------------------------------------------------------------

    def _something_moved(self) -> None:
        """So much for silence; but a client that has ended its side is looked for, as it may have left with that."""
        connection = self.connection
        assert connection is not None
        if self._ended == "client":
            self._until = connection.loop.time() + (self.idle or NEVER)
            connection.set_deadline("idle", min(LOOK, self.idle or LOOK))
        else:
            connection.set_deadline("idle", self.idle)

    def end(self, outcome: str) -> None:
        self._finish(outcome)
        self.upstream.close()
        if self.connection is not None:
            self.connection.close()

    def _half_closed(self, side: Ended, other: Any) -> None:
        if self._ended:
            self.end(Outcome.OK)
            return
        self._ended = side
        self._something_moved()
        if other.can_write_eof() and not other.is_closing():
            other.write_eof()
        else:
            self.end(Outcome.OK)  # nobody is left who could be told

    def _finish(self, outcome: str) -> None:
        self.flow.received, self.flow.sent = self.up, self.down
        if self.watch is not None:
            self.watch.count(self.up, self.down)
            self.watch.end(outcome)
        self.flow.end(outcome)


def watched(asked: Flow, request: Request, response: Response) -> Onlooker:
    """Who looks on at a WebSocket that this request and its answer begin."""
    from netlab.http.websocket.watching import Watch

    return Watch(asked, request.path, response.fields.get("sec-websocket-extensions"))


def recognised(asked: Flow, said: bytes) -> Onlooker | None:
    """Who looks on at what a tunnel's client begins with; only WebSockets have someone."""
    if not said.startswith(b"GET "):
        return None
    from netlab.http.websocket.watching import recognise

    return recognise(asked, said)
