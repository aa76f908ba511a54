"""One direction of a relay on which faults happen: bytes take a struck line between the two sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from netlab.net.faulty import HIGH, Direction
from netlab.net.relay import BUFFER, JOINED, OTHER, VIEW, Half, Relay
from netlab.policy.faults import End, Line, Notice, Piece, Strike


def strike_relay(relay: Relay, down: Sequence[Strike], up: Sequence[Strike], notice: Notice) -> None:
    """Have a relay that is just joined struck from its first byte on; nothing of it goes past us then."""
    relay.pipes = None
    relay.up = FaultyHalf(relay.up, up, notice)
    relay.down = FaultyHalf(relay.down, down, notice)


class FaultyHalf(Half):
    """Stands in the place of a half that has moved nothing yet."""

    __slots__ = ("_direction",)

    def __init__(self, half: Half, strikes: Sequence[Strike], notice: Notice) -> None:
        super().__init__(half.relay, half.side, half.source, half.sink)
        self.tapes = half.tapes
        self._direction = Direction(asyncio.get_running_loop(), self._arrive)
        self._direction.begin(Line(strikes, notice))
        if half.pending:
            self._direction.put(half.pending)

    def pump(self, events: int) -> None:
        """Read until the source has nothing more, or enough is on its way."""
        relay, direction = self.relay, self._direction
        while direction.over or direction.waiting <= HIGH:
            try:
                size = self.source.recv_into(BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                relay.broke(self.side, error)
                return
            if not size:
                direction.put(b"", End.CLOSED)
                return
            if not self.moved and self.side == "server":
                relay.heard()
            self.moved += size
            if self.tapes:
                self._record(bytes(VIEW[:size]))
            direction.put(bytes(VIEW[:size]))
            if relay.phase is not JOINED:
                return

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
        if not self.pending:
            self._direction.paused = False
            if self.ended:
                self._pass_end()
            else:
                self._direction.run()
                self._read_on()

    def stop(self) -> None:
        self._direction.stop()

    def _arrive(self, piece: Piece) -> None:
        relay = self.relay
        if relay.phase is not JOINED:
            return
        relay.deadline = asyncio.get_running_loop().time() + relay.idle
        if piece.end is End.RESET:
            relay.reset()
        elif piece.end is not None:
            self.ended = True
            if not self.pending:
                self._pass_end()
        else:
            self._send(piece.data)
            self._read_on()

    def _send(self, data: bytes) -> None:
        try:
            sent = self.sink.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.relay.broke(OTHER[self.side], error)
            return
        if sent < len(data):
            self.pending, self._direction.paused = data[sent:], True
            self.relay.blocked(self)

    def _read_on(self) -> None:
        """There may be more to read, now that there is room for it."""
        if self.relay.phase is JOINED and not self._direction.over and self._direction.waiting <= HIGH // 2:
            self.relay.go_on_later(self)
