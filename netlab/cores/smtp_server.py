"""The server's side of SMTP on one connection: commands in, replies out, one at a time and in order (RFC 5321)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from netlab.cores import smtp_replies as replies
from netlab.cores.smtp_chunks import MOST_READ_PAST, ChunkReader, parse_bdat
from netlab.cores.smtp_commands import COMMANDS
from netlab.cores.smtp_data import ALONE, NO_END, TOO_LARGE, DotReader, remarks_on
from netlab.cores.smtp_events import (
    AUTHENTICATING,
    AuthResponse,
    Chunk,
    Closed,
    Command,
    Data,
    Hello,
    Mail,
    Message,
    Quit,
    Rcpt,
    StartTls,
)
from netlab.cores.smtp_replies import Reply
from netlab.cores.smtp_sasl_lines import MAX_RESPONSE, decode_response, encode_challenge
from netlab.cores.smtp_session import MAX_LINE, MAX_LINES, MAX_SKIPPED, ServerSettings, Session
from netlab.errors import LocalProtocolError, RemoteProtocolError

Event = Command | Closed | RemoteProtocolError


class State(Enum):
    """What the next octets are."""

    COMMAND = auto()
    DATA = auto()
    CHUNK = auto()
    RESPONSE = auto()  # a line that answers a challenge
    TLS = auto()  # not ours: `secured` brings it back
    CLOSED = auto()


class ServerCore(Session):
    """Reads one command at a time; each event waits for `answer`, then `resume` gives the next.

    What the client pipelines (RFC 2920) stays in the buffer meanwhile. Replies gather in `outgoing`.
    """

    __slots__ = (
        "_bdat",
        "_buffer",
        "_data",
        "_ended",
        "_errors",
        "_out",
        "_pending",
        "_skipped",
        "left",
        "state",
        "turned_away",
    )

    def __init__(self, settings: ServerSettings, *, secure: bool = False) -> None:
        super().__init__(settings, secure)
        self.state = State.COMMAND
        self._buffer = b""
        self._pending: Command | None = None  # waits for its answer
        self._data: DotReader | None = None
        self._bdat: ChunkReader | None = None
        self._errors = self._skipped = 0
        self._ended = False
        self.left = False  # the client has said QUIT
        self.turned_away = False  # by the greeting: only QUIT makes sense (RFC 5321 3.1)

    # -- in ------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """Bytes from the client, b"" at their end."""
        self.hold(data)
        return self.resume()

    def hold(self, data: bytes) -> None:
        """Likewise, to be read at the next `resume`."""
        if data:
            self._buffer = self._buffer + data if self._buffer else data
        else:
            self._ended = True

    def resume(self) -> list[Event]:
        """The next event, if it is complete and nothing waits for an answer; one at a time."""
        if self._pending is not None:
            return []
        event: Event | None = None
        if self._buffer:
            event = READERS[self.state](self)
        if event is None:
            return [self._end()] if self._ended and self.state is not State.CLOSED else []
        if isinstance(event, Command):
            self._pending = event
        return [event]

    @property
    def buffered(self) -> bool:
        """There may be more to read, without the client's saying more."""
        return bool(self._buffer) or self._ended

    def _end(self) -> Closed:
        inside = self.state is State.DATA or self._bdat
        unfinished = "a message" if inside else "a command" if self._buffer else ""
        self.state = State.CLOSED
        return Closed(unfinished)

    # -- commands ------------------------------------------------------------------------------------------------

    def _read_command(self) -> Event | None:
        line = self._line()
        if line is None or not isinstance(line, bytes):
            return line
        verb = line[:4].upper()
        if len(line) > MAX_LINE and len(line) > MAX_LINES.get(verb, MAX_LINE):
            return self.other("", line[:MAX_LINE], replies.LINE_TOO_LONG)
        if line[-2:] != b"\r\n" or b"\r" in line[:-2]:
            return self.other("", line, replies.BARE_NEWLINE)
        if self.turned_away and verb != b"QUIT":
            return self.other("", line, replies.NO_SERVICE)
        reader = COMMANDS.get(verb)
        if reader is not None:
            return reader(self, line, self.consumed - len(line))
        if verb == b"BDAT":
            return self._read_bdat(line)
        if verb == b"STAR":
            return self._read_starttls(line)
        return self.other("", line, replies.UNKNOWN if len(line) > 2 else replies.EMPTY_LINE)

    def _line(self) -> bytes | Event | None:
        """A line with its end; a bare LF ends one too, so that the same octets are the same lines in any split."""
        buffer = self._buffer
        end = buffer.find(b"\n") + 1
        if end and end + self._skipped <= MAX_RESPONSE:
            self.consumed += end
            if end == len(buffer):
                self._buffer = b""
                return buffer
            self._buffer = buffer[end:]
            return buffer[:end]
        if not end and len(buffer) + self._skipped <= MAX_RESPONSE:
            return None
        return self._read_past(end or len(buffer), complete=bool(end))

    def _read_past(self, octets: int, *, complete: bool) -> Event | None:
        """A line that is longer than any may be is not kept; one without an end ends the connection."""
        self._skipped += octets
        if self._skipped > MAX_SKIPPED:
            start = self.consumed + octets - self._skipped
            words = "the line does not end"
            return self._violation(words, "line.endless", "RFC 5321 4.5.3.1.4", replies.LINE_TOO_LONG, start)
        self.consumed += octets
        self._buffer = self._buffer[octets:]
        if not complete:
            return None
        start, self._skipped = self.consumed - self._skipped, 0
        return Command("", b"", replies.LINE_TOO_LONG, start, self.consumed)

    def _violation(self, reason: str, rule: str, section: str, farewell: Reply, at: int = -1) -> RemoteProtocolError:
        """The session cannot go on: the farewell is in `outgoing` already."""
        self._out.append(farewell.wire)
        self._buffer, self.state, self._data, self._bdat = b"", State.CLOSED, None, None
        offset = self.consumed if at < 0 else at
        return RemoteProtocolError(reason, offset=offset, rule=rule, section=section, status=farewell.code)

    def _read_bdat(self, line: bytes) -> Event | None:
        """The octets come right behind the command, whatever is thought of it (RFC 3030 2)."""
        asked = parse_bdat(line)
        if asked is None:
            return self.other("BDAT", line, replies.BDAT_SYNTAX)
        reader = self._bdat
        if reader is None:
            reader = self._bdat = ChunkReader(self.settings.max_message)
        most = self.settings.max_message
        if most and asked[0] > max(most, MOST_READ_PAST):  # nobody would wait for the end of it
            reason = f"a chunk of {asked[0]} octets was announced"
            return self._violation(reason, "bdat.length", "RFC 3030 2", replies.CHUNK_TOO_LARGE)
        if not self.recipients:
            reader.refusal = self.too_early()
        reader.begin(line, self.consumed - len(line), *asked)
        self.state = State.CHUNK
        return self._read_chunk()

    def _read_chunk(self) -> Command | None:
        reader = self._bdat
        assert reader is not None
        taken = reader.receive(self._buffer)
        self.consumed += taken
        self._buffer = self._buffer[taken:]
        if not reader.complete:
            return None
        self.state = State.COMMAND
        if reader.refusal is not None:
            return Command("BDAT", reader.line, reader.refusal, reader.start, self.consumed)
        if not reader.last:
            self.chunking = True
            reply = Reply(250, f"{reader.wanted} octets", enhanced="2.0.0")
            return Chunk("BDAT", reader.line, reply, reader.start, self.consumed, reader.wanted)
        return self._message("BDAT", reader.line, reader.start, reader.content())

    def _read_starttls(self, line: bytes) -> Event:
        if line[:-2].rstrip(b" ").upper() != b"STARTTLS":
            known = line[:9].upper() == b"STARTTLS "
            return self.other("STARTTLS" * known, line, replies.NO_ARGUMENT if known else replies.UNKNOWN)
        if self.secure:
            return self.other("STARTTLS", line, replies.TLS_ALREADY)
        if not self.settings.starttls:
            return self.other("STARTTLS", line, replies.NOT_IMPLEMENTED)
        if not self.helo or self.mail is not None:
            return self.other("STARTTLS", line, replies.IN_TRANSACTION if self.helo else replies.NO_HELLO)
        if self._buffer:  # somebody in between may have put it there, to be taken for something said inside TLS
            reason = "something was pipelined behind STARTTLS"
            return self._violation(reason, "starttls.early", "RFC 3207 4.2", replies.EARLY_TLS)
        return StartTls("STARTTLS", line[:-2], replies.START_TLS, self.consumed - len(line), self.consumed)

    def _read_response(self) -> Event | None:
        line = self._line()
        if line is None or isinstance(line, RemoteProtocolError | Closed):
            return line
        self.state = State.COMMAND
        if isinstance(line, Command):
            return Command("AUTH", b"...", replies.AUTH_TOO_LONG, line.start, line.end)
        data = decode_response(line)
        start = self.consumed - len(line)
        if isinstance(data, Reply):
            return Command("AUTH", b"...", data, start, self.consumed)
        return AuthResponse("AUTH", b"...", replies.AUTH_ENDED, start, self.consumed, data)

    # -- the content of DATA -------------------------------------------------------------------------------------

    def _read_content(self) -> Event | None:
        reader = self._data
        if reader is None:
            reader = self._data = DotReader(self.settings.max_message, self.consumed)
        taken = reader.receive(self._buffer)
        if reader.false_end >= 0:
            return self._violation(
                NO_END, "data.false_end", "RFC 5321 4.1.1.4", replies.SMUGGLED, reader.start + reader.false_end
            )
        if taken < 0:
            self.consumed += len(self._buffer)
            self._buffer = b""
            return None
        self.consumed += taken
        self._buffer = self._buffer[taken:]
        self._data, self.state = None, State.COMMAND
        start = reader.start
        if reader.over:
            return self._no_message(TOO_LARGE.format(self.settings.max_message), "5.3.4", 552, start)
        if reader.bare >= 0:
            return self._no_message(ALONE.format(reader.bare), "5.6.0", 550, start)
        return self._message("message", b".", start, reader.content())

    def _message(self, verb: str, line: bytes, start: int, content: bytes) -> Message:
        """A complete message; a strict server refuses what others only remark on."""
        assert self.mail is not None
        announced = self.mail.parameters
        reply, remarks = replies.OK, remarks_on(content, announced.body, announced.size)
        if remarks and self.settings.strict:
            reply = Reply(554, f"Refused: {'; '.join(remarks)}", enhanced="5.6.1")
        return Message(verb, line, reply, start, self.consumed, content, remarks)

    def _no_message(self, text: str, status: str, code: int, start: int) -> Message:
        return Message("message", b".", Reply(code, text, enhanced=status), start, self.consumed, b"", ())

    # -- out -----------------------------------------------------------------------------------------------------

    def answer(self, reply: Reply | None = None, *, user: str = "") -> Reply:
        """Reply to the event that waits, by default as the core would; what that changes here is done.

        A yes cannot be said where the core says no. `user` is who was let in, with a 235.
        """
        event = self._pending
        if event is None:
            raise LocalProtocolError("nothing waits for an answer")
        if reply is None or (reply.positive and not event.reply.positive and not isinstance(event, AUTHENTICATING)):
            reply = event.reply
        self._pending = None
        self._out.append(reply.wire)
        if reply.code == 421:
            self.state = State.CLOSED
        elif reply.positive:
            effect = EFFECTS.get(type(event))
            if effect is not None:
                effect(self, event)
            elif event.verb == "RSET":
                self._forget_mail()
            if user:
                self.user = user
        else:
            self._refuse(event, reply)
        return reply

    def _refuse(self, event: Command, reply: Reply) -> None:
        if event.stage == "message" or event.verb == "BDAT":
            self._forget_mail()
        if reply.code in (500, 501, 502, 503, 504, 535, 555):
            self._errors += 1
            if self.settings.max_errors and self._errors >= self.settings.max_errors:
                self._out.append(replies.TOO_MANY_ERRORS.wire)
                self._buffer, self.state = b"", State.CLOSED

    def _forget_mail(self) -> None:
        self.mail = self._bdat = None
        self.recipients, self.chunking = [], False

    def _hello(self, event: Hello) -> None:
        """A greeting ends what was begun (RFC 5321 4.1.4)."""
        self.helo, self.extended = event.name, event.verb == "EHLO"
        self._forget_mail()

    def _mail(self, event: Mail) -> None:
        self.mail = event

    def _rcpt(self, event: Rcpt) -> None:
        self.recipients.append(event)

    def _data_begins(self, event: Data) -> None:
        self.state = State.DATA

    def _message_done(self, event: Message) -> None:
        self._forget_mail()

    def _tls_begins(self, event: StartTls) -> None:
        self.state = State.TLS

    def _quit(self, event: Quit) -> None:
        self._buffer, self.state, self.left = b"", State.CLOSED, True
        self._forget_mail()

    def greet(self, reply: Reply | None = None) -> Reply:
        """The first words (RFC 5321 3.1); after a 554 or 421 only QUIT makes sense."""
        reply = reply or Reply(220, f"{self.settings.hostname} ESMTP netlab")
        self._out.append(reply.wire)
        if reply.code == 421:
            self.state = State.CLOSED
        self.turned_away = not reply.positive
        return reply

    def challenge(self, data: bytes) -> Reply:
        """Ask the client for more, as the mechanism wants (RFC 4954 4)."""
        if not isinstance(self._pending, AUTHENTICATING):
            raise LocalProtocolError("no authentication is under way")
        reply = encode_challenge(data)
        self._pending = None
        self._out.append(reply.wire)
        self.state = State.RESPONSE
        return reply

    def secured(self) -> None:
        """TLS is established: all that was said before is forgotten (RFC 3207 4.2)."""
        self.secure, self.state, self.consumed, self._buffer = True, State.COMMAND, 0, b""
        self.helo, self.extended, self.user = "", False, ""
        self._forget_mail()

    def close(self, farewell: Reply = replies.SHUTTING_DOWN) -> None:
        """End the session, with a reply that the client did not ask for (RFC 5321 3.8)."""
        if self.state is not State.CLOSED:
            self._out.append(farewell.wire)
            self.state, self._pending, self._buffer = State.CLOSED, None, b""

    @property
    def closed(self) -> bool:
        return self.state is State.CLOSED

    def __repr__(self) -> str:
        return (
            f"<ServerCore {self.state.name.lower()}{' tls' if self.secure else ''}, {len(self.recipients)} recipients>"
        )


READERS: dict[State, Callable[[ServerCore], Event | None]] = {
    State.COMMAND: ServerCore._read_command,
    State.DATA: ServerCore._read_content,
    State.CHUNK: ServerCore._read_chunk,
    State.RESPONSE: ServerCore._read_response,
    State.TLS: lambda core: None,
    State.CLOSED: lambda core: None,
}
EFFECTS: dict[type[Command], Callable[..., None]] = {  # what a positive reply to an event changes
    Hello: ServerCore._hello,
    Mail: ServerCore._mail,
    Rcpt: ServerCore._rcpt,
    Data: ServerCore._data_begins,
    Message: ServerCore._message_done,
    StartTls: ServerCore._tls_begins,
    Quit: ServerCore._quit,
}
