"""Two TCP sockets joined byte by byte, from the second one's connect to the last close, without transports (Linux)."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
from enum import Enum

from netlab.net.addresses import SocketAddress
from netlab.net.poller import BROKEN, ENDED, IN, OUT, Poller
from netlab.net.reset import will_reset
from netlab.net.splice import Pipes, Splice
from netlab.tape import Side, Taker

CHUNK = 64 << 10
"""Bytes of one read; a full one tells that the connection carries bulk."""
TURN = 16
"""Full reads of one connection before others have their turn."""
READABLE = IN | ENDED | BROKEN
NEVER = math.inf
STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)

BUFFER = bytearray(CHUNK)
"""Every relay reads into this one: what is read is written in the same call, or copied."""
VIEW = memoryview(BUFFER)
OTHER: dict[Side, Side] = {"client": "server", "server": "client"}


class Phase(Enum):
    FIRST = "first"  # the client's first bytes decide what happens
    CONNECTING = "connecting"
    JOINED = "joined"
    SPLICED = "spliced"  # the kernel moves the bytes
    BREAKING = "breaking"  # one end was reset
    OVER = "over"


FIRST, CONNECTING, JOINED, SPLICED, BREAKING, OVER = Phase  # a look-up in an Enum costs as much as a small function


class Half:
    """One direction: bytes from a source to a sink, those that the sink had no room for, and the source's end."""

    __slots__ = ("ended", "moved", "pending", "relay", "side", "sink", "source", "tapes")

    def __init__(self, relay: Relay, side: Side, source: socket.socket, sink: socket.socket) -> None:
        self.relay, self.side, self.source, self.sink = relay, side, source, sink
        self.moved = 0  # bytes that the source has sent, as far as they were read
        self.pending = b""
        self.ended = False
        self.tapes: tuple[Taker, ...] = ()

    def pump(self, events: int) -> None:
        """Move until the source has nothing more or the sink has no room."""
        relay = self.relay
        if self.pending:
            return  # the sink's room calls again
        if self.ended:
            if events & BROKEN and (error := error_of(self.source)) is not None:
                relay.broke(self.side, error)
            return
        receive, send = self.source.recv_into, self.sink.send
        for _ in range(TURN):
            try:
                size = receive(BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                relay.broke(self.side, error)
                return
            if not size:
                self.ended = True
                self._pass_end()
                return
            if not self.moved and self.side == "server":
                relay.heard()
            self.moved += size
            if self.tapes:
                self._record(bytes(VIEW[:size]))
            try:
                sent = send(VIEW[:size])
            except BlockingIOError:
                sent = 0
            except OSError as error:
                relay.broke(OTHER[self.side], error)
                return
            if sent < size:
                self.pending = bytes(VIEW[sent:size])
                relay.blocked(self)
                return
            if size < CHUNK:
                if not events & ENDED:
                    return  # epoll(7): less than asked for is all there was, and what comes now is told anew
            elif relay.bulk():
                return
        relay.go_on_later(self)

    def flush(self) -> None:
        """The sink has room again."""
        try:
            sent = self.sink.send(self.pending)
        except BlockingIOError:
            return
        except OSError as error:
            self.relay.broke(OTHER[self.side], error)
            return
        self.pending = self.pending[sent:]
        if self.pending:
            return
        if self.ended:
            self._pass_end()
        else:
            self.pump(READABLE)

    def stop(self) -> None:
        """The relay is over."""

    def _pass_end(self) -> None:
        """Everything has been passed on, and the source's end is the last of it."""
        relay = self.relay
        if relay.phase is not JOINED:
            return  # the end is that of a connection that was reset
        if relay.both_done():
            relay.close()  # which says it as well
            return
        try:
            self.sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # its peer has gone already, which the other half finds out

    def _record(self, data: bytes) -> None:
        for tape in self.tapes:
            tape.write(self.relay.poller.now, self.side, data)


class Relay:
    """A client's socket (near), and one that is connected for it (far).

    A subclass says `first(data)` for what comes before a far end is chosen, and from there calls `connect`; `joined()`
    when that stands, `heard()` when it speaks, `unreachable(error)` when it does not stand; `timed_out(stage)` when a
    deadline has passed, and `over(error)` when all is closed: None, or the reset that ended it, by `broken`.

    idle    seconds without a byte in either direction, after which both are closed; 0 is for ever
    pipes   for the kernel's way, which is taken as soon as bytes come in bulk and nobody keeps them; None: never
    """

    __slots__ = (
        "_splice",
        "broken",
        "deadline",
        "down",
        "far",
        "idle",
        "near",
        "phase",
        "pipes",
        "poller",
        "stage",
        "up",
    )

    def __init__(self, poller: Poller, near: socket.socket, *, idle: float, pipes: Pipes | None = None) -> None:
        self.poller, self.near, self.idle, self.pipes = poller, near, idle or NEVER, pipes
        self.far: socket.socket | None = None
        self.up: Half
        self.down: Half
        self.phase = FIRST
        self.stage, self.deadline = "", NEVER
        self.broken: Side = "netlab"
        self._splice: Splice | None = None
        poller.watch(near.fileno(), self._near_ready, IN | ENDED)

    # -- what subclasses say -------------------------------------------------------------------------------------

    def first(self, data: bytes) -> None:
        """The client's bytes before there is a far end; b"" when it has ended."""

    def joined(self) -> None:
        """The far end is connected."""

    def heard(self) -> None:
        """The far end's first bytes have come."""

    def unreachable(self, error: OSError) -> None:
        """The far end could not be connected; another may be."""

    def timed_out(self, stage: str) -> None:
        """The deadline of a stage (first, connect, idle) has passed."""
        self.close()

    def over(self, error: OSError | None) -> None:
        """All is closed."""

    # -- what subclasses use -------------------------------------------------------------------------------------

    def set_deadline(self, stage: str, seconds: float) -> None:
        self.stage, self.deadline = stage, self.poller.now + (seconds or NEVER)

    def connect(self, target: SocketAddress, *, seconds: float, first: bytes = b"") -> None:
        """Connect the far end, and send it these bytes before others; `joined` or `unreachable` follows."""
        self.phase = CONNECTING
        try:
            far = self.far = socket.socket(socket.AF_INET6 if ":" in target.address else socket.AF_INET, STREAM)
        except OSError as error:  # no descriptor is left
            self.unreachable(error)
            return
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.up, self.down = Half(self, "client", self.near, far), Half(self, "server", far, self.near)
        self.up.pending = first
        self.set_deadline("connect", seconds)
        refused = far.connect_ex(target)
        if refused in (0, errno.EINPROGRESS):
            self.poller.watch(far.fileno(), self._far_ready, IN | OUT | ENDED)
        else:
            self._abandon(OSError(refused, os.strerror(refused)))

    def hold(self, stage: str, seconds: float) -> None:
        """Read nothing more of the client's before there is a far end to connect."""
        self.phase = CONNECTING
        self.set_deadline(stage, seconds)

    def close(self) -> None:
        """Close both now, with FIN; what was not passed on yet is lost."""
        self._end(None)

    def reset(self, error: OSError | None = None) -> None:
        """Close both now, with RST."""
        self._end(error or ConnectionResetError(errno.ECONNRESET, "reset"))

    def abort(self) -> None:
        """The same, as a gate says it."""
        self.reset()

    def drain(self) -> None:
        """End as soon as a moment has passed without a byte: only the ends know what is still under way."""
        self.idle = min(self.idle, QUIET)
        if self.stage != "connect":
            self.deadline = min(self.deadline, asyncio.get_running_loop().time() + QUIET)

    def expire(self, now: float) -> None:
        """The gate's sweep found the deadline passed."""
        stage, self.deadline = self.stage, NEVER
        if stage == "connect" and self.phase is CONNECTING:
            self._abandon(TimeoutError(errno.ETIMEDOUT, "no connection in time"))
        else:
            self.timed_out(stage)

    # -- what happens --------------------------------------------------------------------------------------------

    def _near_ready(self, events: int) -> None:
        phase = self.phase
        if phase is JOINED:
            self.deadline = self.poller.now + self.idle
            if events & OUT and self.down.pending:
                self.down.flush()
            if events & READABLE and self.phase is JOINED:
                self.up.pump(events)
        elif phase is FIRST:
            self._read_first()
        elif phase is CONNECTING and events & BROKEN and (error := error_of(self.near)) is not None:
            self.broke("client", error)

    def _far_ready(self, events: int) -> None:
        phase = self.phase
        if phase is JOINED:
            self.deadline = self.poller.now + self.idle
            if events & OUT and self.up.pending:
                self.up.flush()
            if events & READABLE and self.phase is JOINED:
                self.down.pump(events)
        elif phase is CONNECTING:
            self._connected(events)

    def _read_first(self) -> None:
        while self.phase is FIRST:
            try:
                size = self.near.recv_into(BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                self.broke("client", error)
                return
            self.first(bytes(VIEW[:size]))
            if not size:
                return

    def _connected(self, events: int) -> None:
        assert self.far is not None
        if events & BROKEN and (error := error_of(self.far)) is not None:
            self._abandon(error)
            return
        self.phase = JOINED
        self.stage, self.deadline = "idle", self.poller.now + self.idle
        self.joined()
        if self.up.pending:
            self.up.flush()
        else:
            self.up.pump(READABLE)
        if events & READABLE and self.phase is JOINED:
            self.down.pump(events)

    def _abandon(self, error: OSError) -> None:
        """This far end is none; the client's socket stays for another."""
        far, self.far = self.far, None
        assert far is not None
        self.poller.close_socket(far)
        self.unreachable(error)

    def blocked(self, half: Half) -> None:
        """A sink is full: its room shall be told."""
        self.poller.change(half.sink.fileno(), IN | OUT | ENDED)

    def go_on_later(self, half: Half) -> None:
        """There may be more to read, and others wait."""

        def go_on() -> None:
            if self.phase is JOINED:
                half.pump(READABLE)

        asyncio.get_running_loop().call_soon(go_on)

    def both_done(self) -> bool:
        """Whether both directions have come to their end."""
        up, down = self.up, self.down
        return up.ended and down.ended and not up.pending and not down.pending

    def broke(self, side: Side, error: OSError) -> None:
        """A side's connection was reset. What it had sent before goes to the other first, and then the reset."""
        if self.phase is OVER or self.phase is BREAKING:
            return
        joined, self.phase = self.phase is JOINED, BREAKING
        if joined:
            (self.up if side == "client" else self.down).pump(READABLE)
        self.broken = side
        self._end(error)

    # -- past us -------------------------------------------------------------------------------------------------

    def bulk(self) -> bool:
        """A full read has been passed on: the kernel does it from now on, if it can."""
        if self.pipes is None or self.up.tapes or self.up.pending or self.down.pending or self.phase is not JOINED:
            return False
        assert self.far is not None
        for sock in (self.near, self.far):
            self.poller.forget(sock.fileno())
        self.phase = SPLICED
        self._splice = Splice(
            self.near,
            self.far,
            self.pipes,
            self._moved,
            self._spliced,
            near_ended=self.up.ended,
            far_ended=self.down.ended,
        )
        return True

    def _moved(self, up: int, down: int) -> None:
        self.up.moved += up
        self.down.moved += down
        self.deadline = asyncio.get_running_loop().time() + self.idle

    def _spliced(self, error: OSError | None) -> None:
        self.phase, self.deadline = OVER, NEVER
        self.over(error)

    # -- ends ----------------------------------------------------------------------------------------------------

    def _end(self, error: OSError | None) -> None:
        if self.phase is OVER:
            return
        if self._splice is not None:
            self._splice.end(error)
            return
        self.phase, self.deadline = OVER, NEVER
        if self.far is not None:
            self.up.stop()
            self.down.stop()
        for sock in (self.near, self.far):
            if sock is not None:
                if error is not None:
                    will_reset(sock)
                self.poller.close_socket(sock)
        self.over(error)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.phase.value}>"


QUIET = 1.0
"""Seconds without a byte after which a connection that is to end is taken for done."""


def error_of(sock: socket.socket) -> OSError | None:
    """The error that has ended a socket's connection, if there is one; it is told once."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(number, os.strerror(number)) if number else None
