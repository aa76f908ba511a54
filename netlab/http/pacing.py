"""The pace of an HTTP connection: writes gathered, a slow client or handler holding the other side back."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from netlab.errors import ConnectionLost
from netlab.flow import FlowLog
from netlab.http.settings import Core
from netlab.net.connection import NEVER, Connection
from netlab.net.gate import Gate

T = TypeVar("T")


class PacedConnection(Connection):
    """A connection around an HTTP core that knows when to write, when not to read, and how to wait for either."""

    __slots__ = ("_drained", "_flushing", "_pause", "core", "draining", "held", "turning")

    def __init__(self, gate: Gate, flows: FlowLog, service: str, core: Core, *, write_timeout: float) -> None:
        super().__init__(gate, flows, service, write_timeout=write_timeout)
        self.core = core
        self.draining = False  # the server asks its connections to end
        self.turning = False  # inside the call that brought bytes: its end flushes
        self.held = False  # reading is paused: what the client sends has nowhere to go
        self._flushing = False  # a flush is scheduled
        self._drained: asyncio.Future[None] | None = None  # a handler waits for the client to read
        self._pause: asyncio.Future[bool] | None = None  # a handler waits for time to pass

    # -- bytes out -----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what the core has ready."""
        self._flushing = False
        if data := self.core.outgoing():
            self.write(data)

    def flush_soon(self) -> None:
        """At the end of this turn of the loop, everything it produced leaves in one write."""
        if not self.turning and not self._flushing:
            self._flushing = True
            self.loop.call_soon(self.flush)

    async def drained(self) -> None:
        """Wait until the client has read enough; ConnectionLost if it never will."""
        self.flush()
        if self.transport.is_closing() and not self.core.closed:
            raise ConnectionLost("the client is gone")
        if self.writing_paused:
            self._drained = self.loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._drained is not None:
            settle(self._drained, None)

    # -- bytes in ------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Read no more from the client for now."""
        if not self.held:
            self.held = True
            self.transport.pause_reading()
            if self.stage == "body":
                self.deadline = NEVER  # it is not the client who is slow

    def release(self) -> None:
        """There is room again."""
        if not self.held:
            return
        self.held = False
        if not self.writing_paused:  # else the deadline is the writer's
            self.deadline, self.stage = NEVER, ""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # -- who is there ------------------------------------------------------------------------------------------

    @property
    def secure(self) -> bool:
        """Whether TLS is between us and the client."""
        return self.transport.get_extra_info("ssl_object") is not None

    def client_certificate(self) -> bytes:
        """What the client has shown in TLS and was verified, in DER; nothing without."""
        tls = self.transport.get_extra_info("ssl_object")
        return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""

    # -- time ----------------------------------------------------------------------------------------------------

    async def pause(self, seconds: float) -> bool:
        """Wait; False, and at once, when the server is to end. What was sent so far leaves before."""
        self.flush()
        if self.draining:
            return False
        pause = self._pause = self.loop.create_future()
        timer = self.loop.call_later(seconds, settle, pause, True)
        try:
            went_by: bool = await pause
            return went_by
        finally:
            timer.cancel()
            self._pause = None

    def begin_drain(self) -> None:
        """From now on nobody pauses here."""
        self.draining = True
        if self._pause is not None:
            settle(self._pause, False)

    def give_up_waiting(self) -> None:
        """The client is gone: nobody waits for it any more."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(ConnectionLost("the client is gone"))


def settle(future: asyncio.Future[T], result: T) -> None:
    """Give a future its result, unless it was cancelled or has one."""
    if not future.done():
        future.set_result(result)
