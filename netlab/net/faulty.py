"""A connection on which faults happen: between a transport and its protocol, both ways, and gone when they are over."""

from __future__ import annotations

import asyncio
import errno
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from netlab.net.reset import will_reset
from netlab.policy.faults import End, Line, Notice, Piece, Strike

HIGH, LOW = 64 << 10, 16 << 10
"""Bytes on their way above which whoever writes has to wait, and below which it may go on."""
TURN = 256
"""Pieces that arrive before other connections have their turn."""
PATIENCE = 60.0
"""Seconds after which a connection that was closed is given up, if what is on its way never arrives."""
TOLERANCE = 0.001
"""Seconds: loops wake no more exactly."""


def link_of(protocol: Any) -> FaultyLink | None:
    """The faulty link that a protocol object is on, if it is."""
    transport = protocol.transport
    return transport.link if isinstance(transport, FaultyTransport) else None


class FaultyLink(asyncio.Protocol):
    """Stands between `protocol` and its transport from now until `leave` and the last byte on its way; takes the
    place of both for the other. On a tape stands what our end of it sends and receives: it is the network that fails.

    cut   called when a fault has ended what we send with FIN: to end the connection in the protocol's own manner
    """

    def __init__(self, protocol: Any, cut: Callable[[], None] | None = None) -> None:
        raw = self._raw = protocol.transport
        self._protocol, self._cut = protocol, cut
        loop = self._loop = asyncio.get_running_loop()
        self._patience: asyncio.TimerHandle | None = None  # for what is on its way when the protocol closes
        self._outgoing, self._incoming = Direction(loop, self._send), Direction(loop, self._receive)
        self._full = self._told = bool(protocol.writing_paused)  # the transport is; the protocol knows of one or other
        self._outgoing.paused = self._full
        self._reading = raw.is_reading()
        self._incoming.paused = not self._reading
        self._leaving = self._stays = self._closing = False
        self._error: OSError | None = None  # the reset that a fault made
        self._slow: tuple[dict[str, Strike], dict[str, Strike]] = ({}, {})  # still to come, at the connection's end
        self._notice: Notice = _unnoticed
        self._transport = protocol.transport = FaultyTransport(self, raw)
        raw.set_protocol(self)

    def begin(self, outgoing: Sequence[Strike], incoming: Sequence[Strike], notice: Notice) -> None:
        """What happens from the next byte on, behind those that are on their way already."""
        self._leaving, self._notice = False, notice
        self._outgoing.begin(Line(outgoing, notice))
        self._incoming.begin(Line(incoming, notice))
        for slow, strikes in zip(self._slow, (outgoing, incoming), strict=True):
            for strike in strikes:
                if strike.fault.slow_close:
                    slow[strike.fault.name] = strike._replace(fault=strike.fault.at_the_end())

    def leave(self) -> None:
        """Nothing happens any more to what comes next, but to the end; the link goes when nothing is left on it."""
        outgoing, incoming = self._slow
        self._leaving = not (outgoing or incoming)
        self._outgoing.begin(Line(list(outgoing.values()), self._notice))
        self._incoming.begin(Line(list(incoming.values()), self._notice))
        self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if not self._leaving or self._stays or self._outgoing.busy or self._incoming.busy or self._raw.is_closing():
            return
        self._leaving = False
        self._protocol.transport = self._raw
        self._raw.set_protocol(self._protocol)

    # -- what the transport calls --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._closing:
            self._incoming.put(data)
            self._moved()

    def eof_received(self) -> bool:
        if not self._closing:
            self._incoming.put(b"", End.CLOSED)
            self._moved()
        return True  # the protocol says what becomes of it when it hears of it

    def pause_writing(self) -> None:
        self._full = self._outgoing.paused = True
        self._moved()

    def resume_writing(self) -> None:
        self._full = self._outgoing.paused = False
        self._outgoing.run()
        self._moved()

    def connection_lost(self, error: Exception | None) -> None:
        self._outgoing.stop()
        self._incoming.stop()
        if self._patience is not None:
            self._patience.cancel()
        self._protocol.connection_lost(self._error or error)

    # -- what arrives --------------------------------------------------------------------------------------------

    def _send(self, piece: Piece) -> None:
        """Something arrives at our end of the real connection."""
        if piece.end is None:
            self._raw.write(piece.data)
        elif piece.end is End.RESET:
            self._reset()
        elif piece.end is End.CUT and self._cut is not None:
            self._cut()
        elif self._closing:
            self._raw.close()
        else:
            self._raw.write_eof()
        self._moved()

    def _receive(self, piece: Piece) -> None:
        """Something arrives at the protocol."""
        if piece.end is None:
            self._protocol.data_received(piece.data)
        elif piece.end is End.RESET:
            self._reset()
        elif not self._protocol.eof_received():
            self._transport.close()
        self._moved()

    def _reset(self) -> None:
        self._error = ConnectionResetError(errno.ECONNRESET, "reset by a fault that was injected")
        will_reset(self._raw)
        self._raw.abort()

    def _moved(self) -> None:
        """Back-pressure, both ways, as what is on its way has it now."""
        waiting = self._outgoing.waiting
        if not self._told and (self._full or waiting > HIGH):
            self._told = True
            self._protocol.pause_writing()
        elif self._told and not self._full and waiting <= LOW:
            self._told = False
            self._protocol.resume_writing()
        reading = not self._incoming.paused and self._incoming.waiting <= HIGH
        if reading != self._reading and not self._raw.is_closing():
            self._reading = reading
            if reading:
                self._raw.resume_reading()
            else:
                self._raw.pause_reading()
        self._leave_if_idle()

    # -- what the protocol asks for, through its transport -------------------------------------------------------

    def write(self, data: bytes) -> None:
        self._outgoing.put(data)
        self._moved()

    def write_eof(self) -> None:
        if self._outgoing.over:
            self._raw.write_eof()  # a fault has ended what we say: now the peer hears that it was all
        else:
            self._outgoing.put(b"", End.CLOSED)
            self._moved()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._incoming.stop()
        if self._outgoing.over:
            self._raw.close()
            return
        self._outgoing.put(b"", End.CLOSED)
        if not self._raw.is_closing():
            self._patience = self._loop.call_later(PATIENCE, self._lose_patience)

    def _lose_patience(self) -> None:
        """What a stall holds back for ever does not hold the connection open for ever."""
        if self._outgoing.stuck:
            self.abort()
        else:
            self._patience = self._loop.call_later(PATIENCE, self._lose_patience)

    def abort(self) -> None:
        self._closing = True
        self._outgoing.stop()
        self._incoming.stop()
        self._raw.abort()

    def read(self, wanted: bool) -> None:
        self._incoming.paused = not wanted
        if wanted:
            self._incoming.run_soon()
        self._moved()

    def hand_over(self, protocol: Any) -> None:
        """Another protocol has the connection, for as long as it lasts."""
        self._protocol, self._stays = protocol, True

    @property
    def protocol(self) -> Any:
        return self._protocol

    @property
    def closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    @property
    def on_its_way(self) -> int:
        """Bytes that were written and have not arrived."""
        return self._outgoing.waiting


class Direction:
    """Bytes on their way: through the lines that they were put into, to `arrive` when each piece is due."""

    __slots__ = ("_arrive", "_ends", "_head", "_lines", "_loop", "_timer", "over", "paused", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, arrive: Callable[[Piece], None]) -> None:
        self._loop, self._arrive = loop, arrive
        self._lines: deque[Line] = deque()
        self._head: Piece | None = None  # the next to arrive
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._ends = False  # its end was put in
        self.paused = self.over = False
        self.waiting = 0

    @property
    def busy(self) -> bool:
        return not self.over and (self.waiting > 0 or self._ends)

    @property
    def stuck(self) -> bool:
        """Whether what is next never arrives."""
        return self._head is not None and self._head.due == math.inf

    def begin(self, line: Line) -> None:
        self._lines.append(line)

    def put(self, data: bytes, end: End | None = None) -> None:
        if self.over or self._ends:
            return
        self.waiting += len(data)
        self._ends = end is not None
        self._lines[-1].put(self._loop.time(), bytes(data), end)
        self.run()

    def run(self) -> None:
        """Let arrive what is due."""
        for _ in range(TURN):
            if self.paused or self.over:
                return
            head = self._head = self._head or self._pull()
            if head is None:
                return
            now = self._loop.time()
            if head.due > now + TOLERANCE:
                self._wait(head.due - now)
                return
            self._head = None
            self.waiting -= len(head.data)
            if head.end is not None:
                self.stop()
            self._arrive(head)
        self.run_soon()

    def run_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_soon(self._woken)

    def stop(self) -> None:
        """Nothing arrives any more."""
        self.over, self.waiting, self._head = True, 0, None
        self._lines.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pull(self) -> Piece | None:
        lines = self._lines
        while (piece := lines[0].pull()) is None and len(lines) > 1:
            lines.popleft()
        return piece

    def _wait(self, seconds: float) -> None:
        if self._timer is None and seconds < math.inf:
            self._timer = self._loop.call_later(seconds, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.run()


class FaultyTransport(asyncio.Transport):
    """What the protocol has for its transport meanwhile. Bytes cannot go past it: it gives nobody its socket."""

    def __init__(self, link: FaultyLink, raw: Any) -> None:
        super().__init__()
        self.link, self.raw = link, raw

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.link.write(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.link.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self.link.write_eof()

    def can_write_eof(self) -> bool:
        return bool(self.raw.can_write_eof())

    def close(self) -> None:
        self.link.close()

    def abort(self) -> None:
        self.link.abort()

    def is_closing(self) -> bool:
        return self.link.closing

    def pause_reading(self) -> None:
        self.link.read(False)

    def resume_reading(self) -> None:
        self.link.read(True)

    def is_reading(self) -> bool:
        return bool(self.raw.is_reading())

    def get_write_buffer_size(self) -> int:
        size: int = self.raw.get_write_buffer_size()
        return size + self.link.on_its_way

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.raw.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if name == "socket" else self.raw.get_extra_info(name, default)

    def set_protocol(self, protocol: Any) -> None:
        self.link.hand_over(protocol)

    def get_protocol(self) -> Any:
        return self.link.protocol

    def __repr__(self) -> str:
        return f"<FaultyTransport {self.link.on_its_way} bytes on their way over {self.raw!r}>"


def _unnoticed(_strike: Strike, _effect: str, _facts: dict[str, Any]) -> None:
    """Nothing strikes, so that there is nothing to notice."""
