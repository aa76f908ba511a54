"""The usual commands of a usual session, each alone in a read, answered without the making of an event.

Nine messages of ten are brought in the same words, and where nobody has to decide on them and nobody keeps them, what
is left to do is to see that they are these words, and to know what comes next.
"""

from __future__ import annotations

import re

from netlab.cores import smtp_replies as replies
from netlab.cores.smtp_commands import PLAIN_MAIL, PLAIN_RCPT
from netlab.cores.smtp_data import END, DotReader
from netlab.cores.smtp_events import Mail, Rcpt
from netlab.cores.smtp_grammar import MAX_LOCAL_PART
from netlab.cores.smtp_parameters import MailParameters, RecipientParameters
from netlab.cores.smtp_server import ServerCore, State
from netlab.cores.smtp_session import ServerSettings

PLAIN_HELLO = re.compile(rb"(EHLO|HELO) ([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)\r\n", re.IGNORECASE)
COMMAND, DATA = State.COMMAND, State.DATA
DATA_LINE = b"DATA\r\n"
NO_PARAMETERS, NO_NOTIFY = MailParameters(), RecipientParameters()
NO_ENDS = bytes(octet for octet in range(256) if octet not in b"\r\n")
SHORT = 250
"""A line so long cannot hold a domain or path that is too long."""


class ExpressCore(ServerCore):
    """A server core that can be asked for an answer `at_once`; what it does not know goes the usual way."""

    __slots__ = ("_unused", "taken", "takes")

    taken: tuple[Mail, list[Rcpt], int]  # the last message that was answered so: from whom, to whom, octets

    def __init__(self, settings: ServerSettings, *, secure: bool = False) -> None:
        super().__init__(settings, secure=secure)
        self._unused: DotReader | None = None
        self.takes = True  # messages, too: nobody else has to say whether they are kept

    def at_once(self, data: bytes) -> bytes | None:
        """The reply to a whole command or message; None: nothing was done, `receive` it."""
        if self._buffer or self._pending is not None:
            return None
        state = self.state
        if state is DATA:
            return self._take(data) if self.takes else None
        if state is not COMMAND or len(data) > SHORT:
            return None
        if self.mail is None:
            return self._begin(data) or self._greet_or_leave(data)
        return self._go_ahead() if data == DATA_LINE else self._add(data)

    def _begin(self, line: bytes) -> bytes | None:
        match = PLAIN_MAIL.fullmatch(line)
        if match is None or not self.helo or match.end(1) > 11 + MAX_LOCAL_PART or self.settings.auth_required:
            return None
        start, self.consumed = self.consumed, self.consumed + len(line)
        address = line[11:-3].decode("ascii")
        self.mail = Mail("MAIL", line, replies.SENDER_OK, start, self.consumed, address, NO_PARAMETERS)
        return replies.SENDER_OK.wire

    def _add(self, line: bytes) -> bytes | None:
        match = PLAIN_RCPT.fullmatch(line)
        if match is None or self.chunking or match.end(1) > 9 + MAX_LOCAL_PART:
            return None
        if len(self.recipients) >= self.settings.max_recipients:
            return None
        start, self.consumed = self.consumed, self.consumed + len(line)
        address = line[9:-3].decode("ascii")
        self.recipients.append(Rcpt("RCPT", line, replies.RECIPIENT_OK, start, self.consumed, address, NO_NOTIFY))
        return replies.RECIPIENT_OK.wire

    def _go_ahead(self) -> bytes | None:
        if not self.recipients or self.chunking or self.mail is None or self.mail.parameters.body == "BINARYMIME":
            return None
        self.consumed += len(DATA_LINE)
        reader = self._unused  # of the last message, which it has not seen
        if reader is None or not reader.fresh:
            reader = self._unused = DotReader(self.settings.max_message)
        reader.start = self.consumed
        self._data, self.state = reader, DATA
        return replies.GO_AHEAD.wire

    def _take(self, data: bytes) -> bytes | None:
        """A whole message in one read, in which no CR or LF stands alone."""
        reader, settings = self._data, self.settings
        if (
            reader is None
            or self.mail is None
            or not reader.fresh
            or data.find(END) != len(data) - len(END)
            or settings.strict
        ):
            return None
        ends = data.translate(None, NO_ENDS)
        if data.count(b"\r\n") * 2 != len(ends) or 0 < settings.max_message < len(data):
            return None
        self.taken = self.mail, self.recipients, len(data) - 3
        self.consumed += len(data)
        self._data, self.state, self.mail, self.recipients = None, COMMAND, None, []
        return replies.OK.wire

    def _greet_or_leave(self, line: bytes) -> bytes | None:
        if line == b"QUIT\r\n":
            self.consumed += 6
            self.state, self.left = State.CLOSED, True
            return replies.BYE.wire
        match = PLAIN_HELLO.fullmatch(line)
        if match is None:
            return None
        self.consumed += len(line)
        self.helo, self.extended = match[2].decode("ascii"), match[1].upper() == b"EHLO"
        if not self.extended:
            return self.settings.plain_hello.wire
        return self.settings.hello(self.secure, bool(self.user)).wire
