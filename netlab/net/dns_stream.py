"""DNS over TCP and TLS (RFC 1035 4.2.2, RFC 7766): messages behind their lengths, answered in any order."""

from __future__ import annotations

from collections.abc import Callable

from netlab.flow import FlowLog, Outcome
from netlab.net.connection import Connection
from netlab.net.gate import Gate

Handler = Callable[["DnsStream", bytes], None]
"""Called with each message; answers with `stream.send`, then or later, or says `stream.dropped()`."""

MOST_WAITING = 100
"""Messages of one connection that may wait for their answers; more are not read before some have left."""
IDLE = 10.0  # seconds (RFC 7766 6.2.3)
MESSAGE = 5.0  # seconds for a message from its first byte to its last


class DnsStream(Connection):
    """One client's connection: what one read brings is handled in one turn, and what is known leaves in one write."""

    def __init__(self, gate: Gate, flows: FlowLog, service: str, handler: Handler, *, idle: float = IDLE) -> None:
        super().__init__(gate, flows, service)
        self.handler, self.idle = handler, idle
        self.waiting = 0  # messages not answered yet
        self.messages = 0
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._turning = self._held = False

    def opened(self) -> None:
        self.set_deadline("idle", self.idle)

    def feed(self, data: bytes) -> None:
        self._buffer += data
        self._turn()

    def _turn(self) -> None:
        """Handle every whole message that is here."""
        buffer, at = self._buffer, 0
        self._turning = True
        while len(buffer) - at >= 2 and self.waiting < MOST_WAITING:
            end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
            if end > len(buffer):
                break
            self.waiting += 1
            self.messages += 1
            self.handler(self, bytes(buffer[at + 2 : end]))
            at = end
        del buffer[:at]
        self._turning = False
        self._flush()
        self._settle()

    def send(self, message: bytes) -> None:
        """One answer; what one turn produces leaves together."""
        self._out.append(len(message).to_bytes(2, "big") + message)
        self.dropped()

    def more(self, message: bytes) -> None:
        """One message of an answer that has several (a zone transfer); `send` is for the last."""
        self._out.append(len(message).to_bytes(2, "big") + message)
        self._flush()

    def dropped(self) -> None:
        """A message has been dealt with."""
        self.waiting -= 1
        if not self._turning:
            self._flush()
            self._turn()

    def _flush(self) -> None:
        if self._out and not self.transport.is_closing():
            self.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()

    def _settle(self) -> None:
        """Read on or not, close or not, and by when the next message must be here."""
        if self.peer_ended and not self.waiting:
            self.close()
            return
        held = self.waiting >= MOST_WAITING
        if held != self._held and not self.transport.is_closing():
            self._held = held
            (self.transport.pause_reading if held else self.transport.resume_reading)()
        if self.writing_paused:
            return
        if self._buffer and not held:
            if self.stage != "message":  # a drip does not move it
                self.set_deadline("message", MESSAGE)
        elif not self.waiting:
            self.set_deadline("idle", self.idle)
        else:
            self.set_deadline("", 0)

    def drain(self) -> None:
        self.peer_ended = True
        self._settle()

    def ended(self, error: Exception | None) -> None:
        if self._buffer and self.flow is not None and not self.flow.outcome:
            self.flow.outcome, self.flow.result = Outcome.CUT, "inside a message"
