"""One stream connection around a core: feed, handle, flush, and everything that ends it."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from netlab.cores.proxy_protocol import Header
from netlab.errors import NetlabError
from netlab.flow import Flow, FlowLog, Outcome
from netlab.net.gate import Gate
from netlab.net.proxied import believe
from netlab.net.reset import will_reset
from netlab.tape import Tape

NEVER = math.inf
POLITE = frozenset(("idle", "linger"))
"""Deadlines whose passing is no failure: nothing was under way."""


class Connection(asyncio.Protocol):
    """The protocol object of one connection, the only class that knows its transport.

    A subclass says what bytes mean: `feed(data)` for every read (b"" at the peer's end), `opened()` when it may begin,
    `ended(error)` when it is over, `timed_out(stage)` when a deadline passed, `drain()` for a polite end.
    """

    __slots__ = (
        "_address",
        "_linger_room",
        "_stall",
        "deadline",
        "flow",
        "flows",
        "gate",
        "inside",
        "lingering",
        "loop",
        "peer_ended",
        "service",
        "stage",
        "tape",
        "told",
        "transport",
        "write_timeout",
        "writing_paused",
        "written",
    )

    def __init__(self, gate: Gate, flows: FlowLog, service: str, *, write_timeout: float = 60.0) -> None:
        self.gate, self.flows, self.service = gate, flows, service
        self.write_timeout = write_timeout  # seconds without progress towards a peer that does not read
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.transport: Any = None
        self.told: Header | None = None  # what a proxy has said of the client, where one is believed
        self.flow: Flow | None = None
        self.tape: Tape | None = None
        self.deadline = NEVER  # loop time; the gate's sweep looks at it
        self.stage = ""  # what the deadline is for
        self.inside = False
        self.peer_ended = False
        self.writing_paused = False
        self.written = 0  # bytes
        self.lingering = False
        self._linger_room = 0
        self._stall: tuple[int, float, str] = (0, NEVER, "")
        self._address: Any = None

    # -- what asyncio calls ------------------------------------------------------------------------------------

    def attach(self, transport: Any) -> bool:
        """Pass the gate and open the flow; a TLS layer calls it before the handshake. False: turned away."""
        peer, told = transport.get_extra_info("peername"), self.told
        if told is not None and told.source is not None:
            peer = told.source
        self.transport = transport
        self._address = address = peer[0] if isinstance(peer, tuple) and peer else peer
        if not self.gate.enter(self, address):
            return False
        self.inside = True
        ours = transport.get_extra_info("sockname")
        flow = self.flow = self.flows.open("tcp", self.service, None, None, "", peer, ours)
        if flow.events is not None:
            flow.wire = self.tape = self.flows.tape()
            flow.note("connection.opened", "client")
        if told is not None:
            believe(flow, told, transport.get_extra_info("peername"))
        return True

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        flow = self.flow
        if flow is None:
            if not self.attach(transport):
                self.turn_away()
                return
        elif flow.plain is not None:
            self.tape = flow.plain  # TLS is between: the wire tape is its business
        self.opened()

    def data_received(self, data: bytes) -> None:
        if self.lingering:
            self._linger_room -= len(data)
            if self._linger_room < 0:
                self.abort()
            return
        if self.tape is not None:
            self.tape.write(self.flows.now(), "client", data)
        if self.flow is not None:
            self.flow.received += len(data)
        self.feed(data)

    def eof_received(self) -> bool:
        self.peer_ended = True
        if self.lingering:
            self.transport.close()
        else:
            self.feed(b"")
        return True  # half-close: what is under way is still answered

    def pause_writing(self) -> None:
        self.writing_paused = True
        self._stall = (self.transport.get_write_buffer_size(), self.deadline, self.stage)
        self.set_deadline("write", self.write_timeout)

    def resume_writing(self) -> None:
        self.writing_paused = False
        _, self.deadline, self.stage = self._stall

    def connection_lost(self, error: Exception | None) -> None:
        self.deadline = NEVER
        if self.inside:
            self.inside = False
            self.gate.leave(self, self._address)
            self.ended(error)
        if self.flow is not None:
            self._close_flow(self.flow, error)

    # -- what subclasses say -----------------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection stands; TLS, if any, is established."""

    def feed(self, data: bytes) -> None:
        raise NotImplementedError

    def ended(self, error: Exception | None) -> None:
        """The connection is gone; let go of everything."""

    def timed_out(self, stage: str) -> None:
        """A deadline passed; say so to the peer if its protocol has words for it, and end."""
        self.abort()

    def drain(self) -> None:
        """End after what is under way."""
        self.close()

    def turn_away(self) -> None:
        """The gate is full; a subclass may say so in its protocol's words."""
        self.transport.abort()

    # -- what subclasses use -----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport: once per turn, gathered."""
        if self.tape is not None:
            self.tape.write(self.flows.now(), "server", data)
        self.written += len(data)
        self.transport.write(data)

    def keep(self, tape: Tape, now: float, data: bytes, answer: bytes) -> tuple[int, int]:
        """What was read and answered past `data_received`; where both begin in their sides' bytes."""
        if self.flow is not None:
            self.flow.received += len(data)
        return tape.exchanged(now, data, answer)

    def set_deadline(self, stage: str, seconds: float) -> None:
        """From now on `timed_out(stage)` follows in so many seconds (0 or less: never)."""
        self.stage = stage
        self.deadline = self.loop.time() + seconds if seconds > 0 else NEVER

    def expire(self, now: float) -> None:
        """The gate's sweep found the deadline passed."""
        if self.writing_paused and self.stage == "write":
            left, deadline, stage = self._stall
            size = self.transport.get_write_buffer_size()
            if size < left:  # slow, but reading: that is progress
                self._stall = (size, deadline, stage)
                self.deadline = now + self.write_timeout
                return
        stage, self.deadline = self.stage, NEVER
        if self.flow is not None and stage not in POLITE:
            self.flow.note("deadline.passed", stage=stage)
            self.flow.outcome = Outcome.TIMEOUT
            self.flow.result = f"no {stage} in time"
        if stage in ("write", "linger", "close"):
            self.abort()
        else:
            self.timed_out(stage)

    def close(self) -> None:
        """Send what is buffered, then close; a peer that does not read it meets the write deadline."""
        self.set_deadline("close", self.write_timeout)
        self.transport.close()

    def linger(self, *, room: int = 1 << 20, seconds: float = 5.0) -> None:
        """Send FIN and discard what still comes: closing at once would reset the peer before it read our answer
        (RFC 9112 9.6). Bounded in bytes and time.
        """
        if self.peer_ended or not self.transport.can_write_eof():
            self.close()
            return
        self.lingering, self._linger_room = True, room
        self.transport.resume_reading()
        try:
            self.transport.write_eof()
        except OSError:  # the peer has reset the connection, and the loop has not said so yet
            self.abort()
            return
        self.set_deadline("linger", seconds)

    def abort(self) -> None:
        self.transport.abort()

    def reset(self) -> None:
        """End at once with RST, as a peer that crashed would (SO_LINGER 0); what was not sent is discarded."""
        if self.flow is not None:
            self.flow.note("connection.reset", "server", reason="on our side")
            self.flow.outcome = self.flow.outcome or Outcome.CANCELLED
            self.flow.result = self.flow.result or "reset"
        will_reset(self.transport)
        self.abort()

    # -- the flow ----------------------------------------------------------------------------------------------

    def _close_flow(self, flow: Flow, error: Exception | None) -> None:
        flow.sent = self.written
        if isinstance(error, NetlabError):
            flow.end(flow.outcome or Outcome.VIOLATION, str(error))
        elif error is not None:
            flow.note("connection.reset", error=str(error))
            flow.end(flow.outcome or Outcome.CUT, flow.result or "reset")
        else:
            flow.end(flow.outcome or Outcome.OK)
