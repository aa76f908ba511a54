"""A client's WebSocket: messages to send and to wait for, every frame to be seen."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import TracebackType

from netlab.cores.websocket import (
    BINARY,
    TEXT,
    Close,
    Event,
    Frame,
    Limits,
    Message,
    Ping,
    Pong,
    WebSocketCore,
)
from netlab.cores.websocket_close import ABNORMAL, NORMAL
from netlab.cores.websocket_handshake import Accepted
from netlab.errors import ConnectionLost, DeadlineExceeded
from netlab.flow import Flow, Outcome
from netlab.http.websocket.recording import Recorder, sent_message
from netlab.net.outgoing import Outgoing

QUEUE = 1 << 20
"""Bytes of messages that nobody has asked for yet; more pauses the server."""
LAST_WORDS = 1.0
"""Seconds that a server which broke a rule has to read why, and to end the connection."""
OnFrame = Callable[[Frame], None]


class Wire(Outgoing):
    """The connection below: bytes for the socket, and what becomes of it."""

    __slots__ = ("socket",)

    def __init__(self, flow: Flow, socket: WebSocket) -> None:
        super().__init__(flow)
        self.socket = socket

    def feed(self, data: bytes) -> None:
        self.socket.feed(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.socket.tell()

    def end(self) -> None:
        """Say no more, and let the server end: closing with bytes unread would reset it before it read our reason."""
        try:
            self.transport.write_eof()
        except OSError:  # the server has reset the connection, and the loop has not said so yet
            self.abort()

    def lost(self, error: Exception | None) -> None:
        self.socket.lost(error)


class WebSocket:
    """An open WebSocket; `clients.ws.connect` makes it. Leaving its context closes it.

    subprotocol  what the server has chosen
    closing      the close frame that ended it: the server's, or what stands for none (1006); None while it is open
    seconds      how long pongs and the server's close frame are waited for
    on_frame     is shown every frame, ours and the server's, before what it leads to
    """

    __slots__ = (
        "_leaving",
        "_news",
        "_pings",
        "_queue",
        "_queued",
        "_recorder",
        "_rounds",
        "_talk",
        "accepted",
        "closing",
        "core",
        "error",
        "heard",
        "loop",
        "on_frame",
        "seconds",
        "wire",
    )

    def __init__(
        self, flow: Flow, talk: Flow, accepted: Accepted, *, limits: Limits, seconds: float, on_frame: OnFrame | None
    ) -> None:
        self.wire = Wire(flow, self)
        self.loop = self.wire.loop
        self.accepted, self.seconds, self.on_frame = accepted, seconds, on_frame
        self.core = WebSocketCore(limits=limits, deflate=accepted.deflate, mask=partial(os.urandom, 4))
        self.closing: Close | None = None
        self.error: Exception | None = None
        self.heard = 0.0  # loop time: when a message last came
        self._talk = talk  # the conversation's flow
        self._recorder = Recorder(talk)
        self._queue: deque[Message] = deque()
        self._queued = 0
        self._leaving = False
        self._news = asyncio.Event()
        self._pings: dict[bytes, float] = {}  # on their way
        self._rounds: dict[bytes, float] = {}  # answered, in seconds
        if on_frame is not None or talk.events is not None:
            self.core.frames = []

    @property
    def subprotocol(self) -> str | None:
        return self.accepted.subprotocol

    @property
    def is_open(self) -> bool:
        return self.closing is None and self.core.close_sent is None

    async def __aenter__(self) -> WebSocket:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.close()

    # -- what is said ------------------------------------------------------------------------------------------------

    async def send(self, message: str | bytes) -> None:
        """Send text or bytes; waits while the server does not read. ConnectionLost if it is not open any more."""
        if not self.is_open:
            raise ConnectionLost(f"the WebSocket is closed ({self.ending})")
        opcode, data = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
        self.core.send(opcode, data)
        if self._talk.events is not None and self.core.frames:
            frames = [frame for frame in self.core.frames if frame.sent and not frame.opcode & 8]
            self._recorder.note("client", sent_message(opcode, data, frames))
        self._flush()
        await self._until(lambda: not self.wire.writing_paused or self.closing is not None)

    async def ping(self, data: bytes | None = None) -> float:
        """Ask for a sign of life; the seconds until it came. DeadlineExceeded, or ConnectionLost."""
        data = os.urandom(4) if data is None else data
        self.core.ping(data)
        self._recorder.note("client", Ping(data, 0, 0))
        self._pings[data] = self._talk.log.now()
        self._flush()
        await self._until(lambda: data in self._rounds or self.closing is not None, "pong", self.seconds)
        if data not in self._rounds:
            raise ConnectionLost(f"the WebSocket was closed before the pong ({self.ending})")
        return self._rounds.pop(data)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close, and wait for the server's close frame and end, at most `seconds`."""
        if self.core.close_sent is None and self.closing is None:
            self.core.close(code, reason)
            self._recorder.note("client", Close(code, reason))
            self._flush()
        self._leaving = True  # nobody asks for messages any more
        self._queue.clear()
        self._queued = 0
        self._resume()
        failed = self.core.failed is not None
        try:
            await self._until(self._is_over, "close", min(self.seconds, LAST_WORDS) if failed else self.seconds)
        except DeadlineExceeded:
            if not failed:
                self._talk.outcome = Outcome.TIMEOUT
            self.abort()
            await self._until(lambda: self.closing is not None)

    def _is_over(self) -> bool:
        return self.closing is not None and self.wire.transport.is_closing()

    # -- what is heard -----------------------------------------------------------------------------------------------

    async def receive(self, seconds: float | None = None) -> str | bytes | None:
        """The next message; None when the WebSocket is closed, DeadlineExceeded where none comes in time."""
        message = await self.message(seconds)
        return None if message is None else message.text if message.opcode == TEXT else message.data

    async def message(self, seconds: float | None = None) -> Message | None:
        """The same with what is known of it: opcode, bytes on the wire, frames."""
        await self._until(lambda: bool(self._queue) or self.closing is not None, "message", seconds)
        if not self._queue:
            return None
        message = self._queue.popleft()
        self._queued -= len(message.data)
        self._resume()
        return message

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self.receive()) is not None:
            yield message

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.closing is None:
            return "it is open" if self.core.close_sent is None else "we have closed it"
        return f"{self.closing.code}{' ' + self.closing.reason if self.closing.reason else ''}"

    # -- what the wire tells -----------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        for event in self.core.receive(data):
            self._take(event)
        self._flush()
        if self.core.more:
            self.wire.transport.pause_reading()
            if self._queued <= QUEUE:
                self.loop.call_soon(self._resume)
        if self.wire.peer_ended:
            self.wire.transport.close()
        elif self.core.failed is not None and not self.wire.transport.is_closing():
            self.wire.end()
        self._news.set()

    def _take(self, event: Event) -> None:
        self._recorder.note("server", event)
        self.core.answer(event)
        if isinstance(event, Message):
            self.heard = self.loop.time()
            if self._leaving:
                return
            self._queue.append(event)
            self._queued += len(event.data)
            if self._queued > QUEUE:
                self.wire.transport.pause_reading()
        elif isinstance(event, Pong):
            began = self._pings.pop(event.data, None)
            if began is not None:
                self._rounds[event.data] = self._talk.log.now() - began
                self._talk.detail(round_trip=round(self._rounds[event.data], 6))
        elif isinstance(event, Close):
            self.closing = event
            if self.core.peer_began and self.core.close_sent is not None:
                self._recorder.note("client", self.core.close_sent)
        elif not isinstance(event, Ping):
            self.error = event
            self.closing = self.closing or Close(event.status, event.reason)

    def tell(self) -> None:
        """Something changed: who waits looks whether it is what they wait for."""
        self._news.set()

    def abort(self) -> None:
        """End the connection now."""
        self.wire.abort()

    def lost(self, error: Exception | None) -> None:
        self.error = self.error or error
        self.closing = self.closing or Close(ABNORMAL, "the connection was reset" if error is not None else "")
        core, talk = self.core, self._talk
        talk.received, talk.sent = self.wire.written, core.received
        if core.close_received is not None:
            talk.detail(closed_by="server" if core.peer_began else "client")
        outcome = Outcome.VIOLATION if core.failed else Outcome.OK if core.close_received else Outcome.CUT
        talk.end(talk.outcome or outcome, str(self.closing.code))
        self._news.set()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        frames = self.core.frames
        if frames:
            if self.on_frame is not None:
                for frame in frames:
                    self.on_frame(frame)
            frames.clear()
        if data := self.core.outgoing():
            self.wire.write(data)

    def _resume(self) -> None:
        if self._queued > QUEUE or self.wire.transport.is_closing():
            return
        if self.core.more:
            self.feed(self.core.rest())
        if not self.core.more and self._queued <= QUEUE:
            self.wire.transport.resume_reading()

    async def _until(self, happened: Callable[[], bool], what: str = "", seconds: float | None = None) -> None:
        """Wait for something that `_news` tells of."""
        try:
            async with asyncio.timeout(seconds):
                while not happened():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise DeadlineExceeded(what, seconds or 0.0) from None
