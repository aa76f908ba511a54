"""One stream connection that we opened: the protocol object a client's core is driven by."""

from __future__ import annotations

import asyncio
from typing import Any

from netlab.flow import Flow, Outcome
from netlab.tape import Tape


class Outgoing(asyncio.Protocol):
    """The counterpart of `Connection` for our own calls. On its flow and tapes the client side is us.

    A subclass says what bytes mean: `feed(data)` for every read (b"" at the peer's end), `opened()` when it may
    begin, `lost(error)` when the connection is gone. Deadlines are the caller's, who waits for an answer.
    """

    __slots__ = ("flow", "loop", "peer_ended", "tape", "transport", "writing_paused", "written")

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.transport: Any = None
        self.tape: Tape | None = None
        self.peer_ended = False
        self.writing_paused = False
        self.written = 0  # bytes

    # -- what asyncio calls ------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.tape = self.flow.plain or self.flow.wire  # with TLS between, the wire is its business
        self.opened()

    def data_received(self, data: bytes) -> None:
        if self.tape is not None:
            self.tape.write(self.flow.log.now(), "server", data)
        self.flow.sent += len(data)
        self.feed(data)

    def eof_received(self) -> bool:
        self.peer_ended = True
        self.feed(b"")
        return True  # half-close: what we still have to say may be wanted

    def pause_writing(self) -> None:
        self.writing_paused = True

    def resume_writing(self) -> None:
        self.writing_paused = False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost(error)
        self.flow.received = self.written
        if error is not None:
            self.flow.note("connection.reset", "server", error=str(error))
            self.flow.end(self.flow.outcome or Outcome.CUT, self.flow.result or str(error))
        else:
            self.flow.end(self.flow.outcome or Outcome.OK)

    # -- what subclasses say -----------------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection stands; TLS, if any, is established."""

    def feed(self, data: bytes) -> None:
        raise NotImplementedError

    def lost(self, error: Exception | None) -> None:
        """The connection is gone; let go of everything."""

    # -- what subclasses use -----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport: once per turn, gathered. Behind the connection's end they go nowhere: uvloop
        would raise an error then, in the middle of a flush that is others', too.
        """
        if self.transport.is_closing():
            return
        if self.tape is not None:
            self.tape.write(self.flow.log.now(), "client", data)
        self.written += len(data)
        self.transport.write(data)

    def close(self) -> None:
        """Send what is buffered, then close."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
