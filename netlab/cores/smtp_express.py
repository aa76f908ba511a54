"""The usual commands of a usual session, each alone in a read, answered without the making of an event.

Nine messages of ten are brought in the same words, and where nobody has to decide on them and nobody keeps them, what
is left to do is to see that they are these words, and to know what comes next. A line is read once, however many
sessions say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from netlab.cores import smtp_replies as replies
from netlab.cores.smtp_commands import PLAIN_MAIL, PLAIN_RCPT
from netlab.cores.smtp_data import END
from netlab.cores.smtp_events import Mail, Rcpt
from netlab.cores.smtp_grammar import MAX_LOCAL_PART
from netlab.cores.smtp_parameters import MailParameters, RecipientParameters
from netlab.cores.smtp_server import ServerCore, State
from netlab.cores.smtp_session import ServerSettings

PLAIN_HELLO = re.compile(rb"(EHLO|HELO) ([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)\r\n", re.IGNORECASE)
COMMAND, DATA, LEFT = State.COMMAND, State.DATA, State.CLOSED
SENDER_OK, RECIPIENT_OK, GO_AHEAD = replies.SENDER_OK.wire, replies.RECIPIENT_OK.wire, replies.GO_AHEAD.wire
OK, BYE = replies.OK.wire, replies.BYE.wire
NO_PARAMETERS, NO_NOTIFY = MailParameters(), RecipientParameters()
SHORT = 250
"""A line so long cannot hold a domain or path that is too long."""
EMPTY = b".\r\n"
"""The end of a message without content, before which there is the end of DATA's own line."""


class ExpressCore(ServerCore):
    """A server core that can be asked for an answer `at_once`; what it does not know goes the usual way."""

    __slots__ = ("taken", "takes")

    taken: tuple[Mail, list[Rcpt], int]  # the last message that was answered so: from whom, to whom, octets

    def __init__(self, settings: ServerSettings, *, secure: bool = False) -> None:
        super().__init__(settings, secure=secure)
        self.takes = True  # messages, too: nobody else has to say whether they are kept

    def at_once(self, data: bytes) -> bytes | None:
        """The reply to a whole command or message; None: nothing was done, `receive` it."""
        if self._buffer or self._pending is not None:
            return None
        if self.state is COMMAND and len(data) <= SHORT and (known := usual(data)) is not None:
            reply = known[0](self, known[1])
        elif self.state is DATA and self.takes:
            reply = self._take(data)
        else:
            return None
        if reply is not None:
            self.consumed += len(data)
        return reply

    def _greet(self, said: tuple[str, bool]) -> bytes | None:
        if self.mail is not None:
            return None
        self.helo, self.extended = said
        settings = self.settings
        return (settings.hello(self.secure, bool(self.user)) if self.extended else settings.plain_hello).wire

    def _begin(self, mail: Mail) -> bytes | None:
        if self.mail is not None or not self.helo or self.settings.auth_required:
            return None
        self.mail = mail
        return SENDER_OK

    def _add(self, recipient: Rcpt) -> bytes | None:
        recipients = self.recipients
        if self.mail is None or self.chunking or len(recipients) >= self.settings.max_recipients:
            return None
        recipients.append(recipient)
        return RECIPIENT_OK

    def _go_ahead(self, said: None) -> bytes | None:
        if not self.recipients or self.chunking or self.mail is None or self.mail.parameters.body == "BINARYMIME":
            return None
        self.state = DATA
        return GO_AHEAD

    def _leave(self, said: None) -> bytes | None:
        if self.mail is not None:
            return None
        self.state, self.left = LEFT, True
        return BYE

    def _take(self, data: bytes) -> bytes | None:
        """A whole message in one read, in which no CR or LF stands alone."""
        settings, size, mail = self.settings, len(data), self.mail
        if self._data is not None or mail is None or settings.strict or 0 < settings.max_message < size:
            return None
        if not data.endswith(END) or data.find(END) != size - len(END) or data.startswith(EMPTY):
            return None
        if data.replace(b"\r", b"").replace(b"\n", b"\r\n") != data:  # twice as fast as to count them
            return None
        self.taken = mail, self.recipients, size - 3
        self.state, self.mail, self.recipients = COMMAND, None, []
        return OK


@lru_cache(1000)
def usual(line: bytes) -> tuple[Callable[[ExpressCore, Any], bytes | None], Any] | None:
    """What a command of the usual form is for, and what it says, if it is one. The events of MAIL and RCPT stand for
    all of the same words, and have no places.
    """
    if line == b"DATA\r\n":
        return ExpressCore._go_ahead, None
    if line == b"QUIT\r\n":
        return ExpressCore._leave, None
    if (match := PLAIN_MAIL.fullmatch(line)) and len(match[1]) <= MAX_LOCAL_PART:
        sender = line[11:-3].decode("ascii")
        return ExpressCore._begin, Mail("MAIL", line[:-2], replies.SENDER_OK, 0, 0, sender, NO_PARAMETERS)
    if (match := PLAIN_RCPT.fullmatch(line)) and len(match[1]) <= MAX_LOCAL_PART:
        recipient = line[9:-3].decode("ascii")
        return ExpressCore._add, Rcpt("RCPT", line[:-2], replies.RECIPIENT_OK, 0, 0, recipient, NO_NOTIFY)
    if match := PLAIN_HELLO.fullmatch(line):
        return ExpressCore._greet, (match[2].decode("ascii"), match[1].upper() == b"EHLO")
    return None
