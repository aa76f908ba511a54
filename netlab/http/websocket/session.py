"""One WebSocket of a server: a core on an HTTP connection, its deadlines, its flow, and who speaks on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.cores.websocket import TEXT, Close, Event, Message, Ping, Pong, WebSocketCore
from netlab.cores.websocket_close import ABNORMAL, GOING_AWAY, INTERNAL_ERROR, NORMAL, POLICY
from netlab.cores.websocket_handshake import Accepted
from netlab.errors import RemoteProtocolError
from netlab.flow import Flow, Outcome
from netlab.http.websocket.at_once import AtOnce
from netlab.http.websocket.recording import Recorder, sent_message
from netlab.http.websocket.settings import WebSocketSettings
from netlab.http.websocket.speaker import Answering, Speaker
from netlab.net.plain import plain_socket
from netlab.tape import Side

if TYPE_CHECKING:
    from netlab.http.connection import HttpConnection
    from netlab.http.websocket.audience import Line

POLITE = frozenset((1000, 1001, 1005))
"""Codes with which a conversation ended as it should; the application's own (3000 and up) are no failure either."""

LEFT_OVER = 64 << 20
"""Bytes that may still come behind our close frame: of a message that was refused as too big, say."""


class Session:
    """The delegate of an HTTP connection after a handshake. What one read asks for is answered by one write."""

    __slots__ = (
        "_before",
        "_began",
        "_flushing",
        "_left",
        "_next_ping",
        "_pinged",
        "_pings",
        "_reading_on",
        "_recorder",
        "_seen",
        "_since",
        "_turning",
        "accepted",
        "connection",
        "core",
        "flow",
        "line",
        "messages",
        "path",
        "query",
        "settings",
        "speaker",
        "write",
    )

    connection: HttpConnection
    core: WebSocketCore
    write: Callable[[bytes], None]  # the connection's, unless the speaker, or who answers for it, stands between

    def __init__(
        self, flow: Flow, accepted: Accepted, settings: WebSocketSettings, speaker: Speaker, path: str, query: str = ""
    ) -> None:
        self.flow, self.accepted, self.settings, self.speaker = flow, accepted, settings, speaker
        self.path, self.query = path, query
        self.messages = 0  # received
        self.line: Line | None = None  # where it stands in an audience
        self._recorder = Recorder(flow, settings.kept) if flow.events is not None else None
        self._turning = self._flushing = self._reading_on = False
        self._pings = 0
        self._before = (0, 0, 0)  # bytes received and sent by the core, and written by the connection
        self._left = 0.0
        self._pinged = 0.0  # when the last ping left that was not answered; 0: none is under way
        self._next_ping = 0.0
        self._seen = 0  # bytes received when the last ping left
        self._began, self._since = -1, 0.0  # the message under way: where it began, and when that was noticed

    # -- what speakers use -------------------------------------------------------------------------------------------

    def send(self, opcode: int, data: bytes) -> None:
        """A whole message; dropped where the closing handshake has begun."""
        core = self.core
        if core.close_sent is not None:
            return
        core.send(opcode, data)
        if core.frames is not None:
            self._note_sent(opcode, data)
        if not self._turning:
            self.flush_soon()

    def say(self, text: str) -> None:
        self.send(TEXT, text.encode())

    def send_fragmented(self, opcode: int, pieces: list[bytes]) -> None:
        if self.core.close_sent is None:
            self.core.send_fragmented(opcode, pieces)
            if self.core.frames is not None:
                self._note_sent(opcode, b"".join(pieces))
            if not self._turning:
                self.flush_soon()

    def ping(self) -> None:
        """Ask for a sign of life; the speaker is told of the answer."""
        if self.core.close_sent is None:
            self._pings += 1
            if not self._pinged or self.core.received != self._seen:  # else the one that was not answered counts
                self._pinged, self._seen = self.connection.loop.time(), self.core.received
            self._left = self.flow.log.now()  # uvloop's own clock stands still within a turn
            data = self._pings.to_bytes(4, "big")
            self.core.ping(data)
            self._note(Ping(data, 0, 0))
            if not self._turning:
                self.flush_soon()

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Begin the closing handshake."""
        if self.core.close_sent is None:
            self.core.close(code, reason)
            self._note(self.core.close_sent)
            self._wait()
            if not self._turning:
                self.flush_soon()

    def raw(self, data: bytes) -> None:
        """Bytes past the core, for those who speak wrongly on purpose."""
        self.flush()
        self.write(data)

    def flush(self, *, hold: bool = True) -> None:
        """Write what is ready; with `hold`, who does not take it is read no more: they would be answered, too."""
        self._flushing = False
        data = self.core.outgoing()
        if data and not self.connection.transport.is_closing():  # an abort in this turn leaves nobody to be told
            self.write(data)
            if hold and self.connection.writing_paused:
                self.connection.hold()

    def flush_soon(self) -> None:
        """What one turn of the loop has to say leaves in one write."""
        if not self._flushing:
            self._flushing = True
            self.connection.loop.call_soon(self.flush)
        if self.line is not None:
            self.line.leave(self)

    def go_on(self) -> None:
        """Read again, where a speaker has held the connection up."""
        if not self.connection.held or self.connection.writing_paused:
            return
        if self.core.more:
            self._read_on_soon()
        else:
            self.connection.release()
            self._wait()

    def note_sent(self, message: Message) -> None:
        """What was sent past `send`."""
        self._note(message)

    # -- the connection's delegate -----------------------------------------------------------------------------------

    def begin(self, connection: HttpConnection) -> None:
        self.connection, self.write = connection, connection.write
        core = connection.core
        self.core = WebSocketCore(
            limits=self.settings.limits, deflate=self.accepted.deflate, offset=core.received - core.buffered
        )
        if self.flow.events is not None:
            self.core.frames = []
            if connection.tape is not None:
                self.core.sent = connection.tape.offsets["server"]
        self._before = (self.core.received, self.core.sent, connection.written)
        if self.settings.ping_interval:
            self._next_ping = connection.loop.time() + self.settings.ping_interval
        self._wait()
        past = self.core.at_rest and connection.tape is None and plain_socket(connection.transport) is not None
        if past and isinstance(self.speaker, Answering):
            at_once = AtOnce(self, self.speaker)
            connection.transport.set_protocol(at_once)
            self.write = at_once.write
        self._turning = True
        self.speaker.begin(self)
        self._turning = False
        self.flush()

    def feed(self, data: bytes) -> None:
        core = self.core
        self._turning = True
        try:
            for event in core.receive(data):
                if type(event) is Message:
                    self.messages += 1
                    if core.frames is not None:
                        self._note(event, "client")
                    self.speaker.message(self, event)
                else:
                    self._told(event)
        except Exception as error:  # the edge of the connection: a speaker's bug becomes 1011
            self._failed(error)
        finally:
            self._turning = False
        if out := core.outgoing():
            connection = self.connection
            if self.line is not None:
                self.line.leave(self)
            self.write(out)
            if connection.writing_paused:
                connection.hold()
        if core.frames:
            core.frames.clear()
        if core.more and not self.connection.held:  # else who holds it calls `go_on`
            self.connection.hold()
            self._read_on_soon()
        if core.close_sent is not None:
            self._closing()

    def writable(self) -> None:
        self.go_on()
        self._wait()
        self.speaker.writable(self)
        if self.core.close_sent is not None:
            self._closing()

    def timed_out(self, stage: str) -> None:
        """Something may be due: our ping, the peer's answer to it, the rest of its message, its close frame."""
        core, settings, now = self.core, self.settings, self.connection.loop.time()
        if core.close_sent is not None:
            self.flow.outcome = self.flow.outcome or Outcome.TIMEOUT
            self.connection.abort()
            return
        if self.connection.held:
            self._pinged, self._since = 0.0, now  # who is not read cannot be late
        elif self._pinged and core.received != self._seen:
            self._pinged = 0.0  # whatever it was: the peer is there
        if self._pinged and settings.ping_timeout and now >= self._pinged + settings.ping_timeout:
            self._give_up(INTERNAL_ERROR, f"no answer to a ping in {settings.ping_timeout:g} s")
        elif self._dawdles(now):
            self._give_up(POLICY, f"a message was not complete in {settings.message_timeout:g} s")
        elif settings.ping_interval and now >= self._next_ping:
            self._next_ping = now + settings.ping_interval
            if not self._pinged and not self.connection.held:
                self.ping()
        if core.close_sent is None:
            self._wait()

    def drain(self) -> None:
        self.close(GOING_AWAY, "the server is stopping")
        self.flush()

    def ended(self, error: Exception | None) -> None:
        self.speaker.over(self)
        core, flow = self.core, self.flow
        close = core.close_received or (core.close_sent if core.failed is not None else None)
        code = close.code if close is not None else ABNORMAL
        received, sent, written = self._before
        flow.received, flow.sent = core.received - received, core.sent - sent
        flow.detail(messages_received=self.messages + core.replies, messages_sent=core.messages + core.replies)
        if core.replies:  # what went past the connection
            self.connection.written = written + core.sent - sent
            self.connection.flow.received = core.received  # type: ignore[union-attr]  # open since attach
        if core.close_received is not None:
            flow.detail(closed_by="client" if core.peer_began else "server")
        if core.close_received is None and core.failed is None:
            outcome = Outcome.TIMEOUT if self.connection.stage == "write" else Outcome.CUT
        elif core.failed is not None:
            outcome = Outcome.VIOLATION
        else:
            outcome = Outcome.OK if code in POLITE or code >= 3000 else Outcome.REFUSED
        flow.end(flow.outcome or outcome, str(code))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        """What is not a message."""
        self.core.answer(event)
        if self.core.frames is not None:
            self._note(event, "client")
        if isinstance(event, Ping):
            self._note(Pong(event.data, 0, 0))
        elif isinstance(event, Close):
            if self.core.peer_began:
                self._note(self.core.close_sent)
        elif isinstance(event, Pong):
            if self._pinged and event.data == self._pings.to_bytes(4, "big"):
                self._pinged, seconds = 0.0, self.flow.log.now() - self._left
                self.flow.detail(round_trip=round(seconds, 6))
                self.speaker.pong(self, event, seconds)
        elif isinstance(event, RemoteProtocolError) and event.status == ABNORMAL:
            self.connection.close()
        else:
            self._note(self.core.close_sent)

    def _read_on_soon(self) -> None:
        """A read became more than is done in one turn: the next brings the rest, once the answers so far are taken."""
        if not self._reading_on:
            self._reading_on = True
            self.connection.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._reading_on = False
        connection = self.connection
        if not (connection.writing_paused or connection.transport.is_closing()):
            connection.release()
            self._wait()
            self.feed(self.core.rest())

    def _closing(self) -> None:
        """The closing handshake is under way, or over: then our side ends first (RFC 6455 7.1.1), and has all the time
        of a writer for what still waits to be read.
        """
        connection = self.connection
        if self.core.closed and not (
            connection.writing_paused or connection.lingering or connection.transport.is_closing()
        ):
            connection.linger(room=LEFT_OVER, seconds=self.settings.close_timeout or 5.0)

    def _failed(self, error: Exception) -> None:
        self.flow.outcome = Outcome.ERROR
        loop = self.connection.loop
        loop.call_exception_handler({"message": f"speaking on {self.path} failed", "exception": error})
        self.close(INTERNAL_ERROR, "something went wrong here; the server's log says what")

    def _give_up(self, code: int, why: str) -> None:
        self.flow.outcome = Outcome.TIMEOUT
        self.flow.note("deadline.passed", reason=why)
        self.close(code, why)
        self.flush()

    def _dawdles(self, now: float) -> bool:
        """Whether the message under way takes longer than it may."""
        core, settings = self.core, self.settings
        if not settings.message_timeout or not core.in_message:
            self._began = -1
            return False
        if core.began != self._began:
            self._began, self._since = core.began, now
            return False
        return now >= self._since + settings.message_timeout + core.progress / (settings.minimum_rate or 1)

    def _wait(self) -> None:
        """Set the deadline for what is due next."""
        connection, settings = self.connection, self.settings
        if connection.writing_paused or connection.lingering:
            return  # the deadline is one of theirs
        if self.core.close_sent is not None:
            connection.set_deadline("idle", settings.close_timeout)
            return
        waits = [settings.message_timeout / 4] if settings.message_timeout else []
        if settings.ping_interval:
            waits.append(self._next_ping - connection.loop.time())
        if self._pinged and settings.ping_timeout:
            waits.append(self._pinged + settings.ping_timeout - connection.loop.time())
        connection.set_deadline("idle", max(min(waits), 0.001) if waits else 0)

    def _note(self, event: Event | None, side: Side = "server") -> None:
        if self._recorder is not None and event is not None:
            self._recorder.note(side, event)

    def _note_sent(self, opcode: int, data: bytes) -> None:
        """A message of ours, from the frames it left in."""
        frames = self.core.frames
        assert frames is not None
        ours = [frame for frame in frames if frame.sent and not frame.opcode & 8]
        if ours:
            self._note(sent_message(opcode, data, ours))
        frames.clear()
