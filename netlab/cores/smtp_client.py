"""The client's side of SMTP on one connection: commands out, in groups where that is allowed, and their replies in."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from netlab.cores.smtp_data import stuff
from netlab.cores.smtp_parameters import to_xtext
from netlab.cores.smtp_replies import Reply
from netlab.errors import LocalProtocolError, RemoteProtocolError, Truncated

REPLY_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])([^\r\n]*))?\r?\n")  # RFC 5321 4.2
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
MAX_REPLY = 64 << 10
"""Octets of one reply, all of its lines together."""


@dataclass(frozen=True, slots=True)
class Replied:
    """The reply to a command, in the order in which they were given; `connect` is what the greeting answers.

    start, end   where it stands in everything received on the connection
    """

    verb: str
    line: str  # what was said, without secrets
    reply: Reply
    start: int
    end: int


ClientEvent = Replied | RemoteProtocolError


class ClientState(Enum):
    """What may be said."""

    COMMANDS = auto()
    CONTENT = auto()  # behind a 354
    RESPONSE = auto()  # behind a 334
    TLS = auto()  # behind the 220 to STARTTLS, until `secured`
    CLOSED = auto()


ALONE = frozenset(("EHLO", "HELO", "DATA", "VRFY", "EXPN", "QUIT", "NOOP", "STARTTLS", "AUTH"))
"""What must be the last of a group of pipelined commands (RFC 2920 3.1)."""


class ClientCore:
    """`extensions` is what EHLO's reply listed: keyword in capitals → parameters."""

    def __init__(self) -> None:
        self.state = ClientState.COMMANDS
        self.extensions: dict[str, str] = {}
        self._waiting: deque[tuple[str, str]] = deque([("connect", "")])
        self._buffer, self._consumed = b"", 0
        self._lines: list[str] = []
        self._begun = 0  # where the reply begins whose lines are coming
        self._out: list[bytes] = []

    # -- what may be said ----------------------------------------------------------------------------------------

    def command(self, verb: str, line: str, shown: str = "") -> None:
        """Any command; LocalProtocolError for what would be two lines, or has to wait for a reply."""
        if CONTROLS.search(line):
            raise LocalProtocolError(f"a command is one line: {line[:60]!r}")
        last = self._waiting[-1][0] if self._waiting else ""
        if self.state is not ClientState.COMMANDS or last in ALONE or last == "connect":
            raise LocalProtocolError(f"{verb} has to wait for the reply to {last or 'what was said'} (RFC 2920 3.1)")
        self._waiting.append((verb, shown or line))
        self._out.append(line.encode() + b"\r\n")

    def hello(self, name: str, *, extended: bool = True) -> None:
        self.command("EHLO" if extended else "HELO", f"{'EHLO' if extended else 'HELO'} {name}")

    def mail(self, sender: str, *, size: int = 0, body: str = "", utf8: bool = False) -> None:
        """With the parameters that the server knows of."""
        line = f"MAIL FROM:<{sender}>"
        line += f" SIZE={size}" * (size > 0 and "SIZE" in self.extensions)
        line += f" BODY={body}" * bool(body)
        self.command("MAIL", line + " SMTPUTF8" * utf8)

    def rcpt(self, recipient: str, *, notify: str = "") -> None:
        dsn = f" NOTIFY={notify}" if notify and "DSN" in self.extensions else ""
        if dsn and recipient.isascii():  # xtext has no other characters (RFC 3461 4)
            dsn += f" ORCPT=rfc822;{to_xtext(recipient)}"
        self.command("RCPT", f"RCPT TO:<{recipient}>{dsn}")

    def data(self) -> None:
        self.command("DATA", "DATA")

    def content(self, content: bytes) -> None:
        """The whole message, behind the 354; dots are taken care of (RFC 5321 4.5.2)."""
        if self.state is not ClientState.CONTENT:
            raise LocalProtocolError("content comes behind DATA and its 354")
        if re.search(rb"(?<!\r)\n|\r(?!\n)", content):
            raise LocalProtocolError("a message's lines end in CR LF, and neither stands alone (RFC 5321 2.3.8)")
        self.state = ClientState.COMMANDS
        self._waiting.append(("message", f"({len(content)} octets)"))
        self._out.append(stuff(content))

    def chunk(self, content: bytes, *, last: bool) -> None:
        """A part of the message, of any octets (RFC 3030)."""
        self.command("BDAT", f"BDAT {len(content)}{' LAST' if last else ''}")
        self._out.append(content)

    def start_tls(self) -> None:
        self.command("STARTTLS", "STARTTLS")

    def auth(self, mechanism: str, initial: bytes | None = None) -> None:
        first = "" if initial is None else f" {b64encode(initial).decode() or '='}"
        self.command("AUTH", f"AUTH {mechanism}{first}", f"AUTH {mechanism}{' ...' if first else ''}")

    def respond(self, data: bytes | None) -> None:
        """Answer a challenge; None gives the authentication up (RFC 4954 4)."""
        if self.state is not ClientState.RESPONSE:
            raise LocalProtocolError("nothing was asked")
        self.state = ClientState.COMMANDS
        self._waiting.append(("AUTH", "*" if data is None else "..."))
        self._out.append(b"*\r\n" if data is None else b64encode(data) + b"\r\n")

    def quit(self) -> None:
        self.command("QUIT", "QUIT")

    def secured(self) -> None:
        """TLS is established: what the server said before may have been somebody else's words (RFC 3207 4.2)."""
        self.state, self.extensions, self._consumed, self._buffer = ClientState.COMMANDS, {}, 0, b""

    # -- what is replied -----------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[ClientEvent]:
        """Bytes from the server, b"" at their end."""
        events: list[ClientEvent] = []
        self._buffer += data
        while self.state is not ClientState.CLOSED and (end := self._buffer.find(b"\n") + 1):
            line, self._buffer = self._buffer[:end], self._buffer[end:]
            event = self._line(line)
            if event is not None:
                events.append(event)
        if self.state is ClientState.CLOSED:
            return events
        if self._consumed - self._begun + len(self._buffer) > MAX_REPLY:
            events.append(self._violation("the reply does not end", "reply.length", "RFC 5321 4.5.3.1.5"))
        elif not data:
            events += self._end()
        return events

    def _end(self) -> Iterable[ClientEvent]:
        self.state = ClientState.CLOSED
        if self._waiting or self._buffer or self._lines:
            said = self._waiting[0][0] if self._waiting else "what was said"
            words = f"the server has ended without a reply to {said}"
            yield Truncated(words, offset=self._consumed, rule="reply.missing", section="RFC 5321 4.2")

    def _line(self, line: bytes) -> ClientEvent | None:
        if not self._lines:
            self._begun = self._consumed
        match = REPLY_LINE.fullmatch(line)
        if match is None:
            return self._violation("that is no reply: three digits, then a space or -", "reply.syntax", "RFC 5321 4.2")
        code = match[1].decode()
        if self._lines and not self._lines[0].startswith(code):
            return self._violation("the lines of a reply have different codes", "reply.codes", "RFC 5321 4.2.1")
        self._consumed += len(line)
        self._lines.append(code + (match[3] or b"").decode("utf-8", "replace"))
        if match[2] == b"-":
            return None if len(self._lines) < 1000 else self._violation("endless", "reply.length", "RFC 5321 4.2.1")
        texts, self._lines = [text[3:] for text in self._lines], []
        return self._replied(Reply(int(code), *texts))

    def _replied(self, reply: Reply) -> ClientEvent:
        if not self._waiting:
            if reply.code != 421:  # RFC 5321 3.8: this one may come at any time
                return self._violation("a reply to nothing", "reply.unasked", "RFC 5321 4.2")
            self._waiting.append(("", ""))
        verb, line = self._waiting.popleft()
        if verb == "EHLO" and reply.positive:
            words = (text.partition(" ") for text in reply.lines[1:])
            self.extensions = {keyword.upper(): parameters for keyword, _, parameters in words}
        if reply.code == 354 and verb == "DATA":
            self.state = ClientState.CONTENT
        elif reply.code == 334 and verb == "AUTH":
            self.state = ClientState.RESPONSE
        elif reply.code == 220 and verb == "STARTTLS":
            if self._buffer:  # what is not inside TLS must not be taken for what is
                return self._violation("something came behind the 220 to STARTTLS", "starttls.early", "RFC 3207 4.2")
            self.state = ClientState.TLS
        elif reply.code == 421 or (verb == "QUIT" and reply.positive):
            self.state = ClientState.CLOSED
        return Replied(verb, line, reply, self._begun, self._consumed)

    def _violation(self, reason: str, rule: str, section: str) -> RemoteProtocolError:
        self.state = ClientState.CLOSED
        return RemoteProtocolError(reason, offset=self._consumed, rule=rule, section=section, status=500)

    @staticmethod
    def challenge(reply: Reply) -> bytes:
        """What a 334 asks; ValueError where it is not base64."""
        return b64decode(reply.lines[0], validate=True)

    def outgoing(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        return data

    @property
    def said(self) -> str:
        """The last command as it was given, without secrets; before its reply has come."""
        return self._waiting[-1][1]

    @property
    def waiting(self) -> int:
        """Replies that are still to come."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        return self.state is ClientState.CLOSED
