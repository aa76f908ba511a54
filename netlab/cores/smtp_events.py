"""What a client says to an SMTP server, as events; each has the reply that it gets if nobody objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netlab.cores.smtp_parameters import MailParameters, RecipientParameters
from netlab.cores.smtp_replies import Reply


@dataclass(slots=True)
class Command:
    """Any command; those that mean something to a server have a class of their own below.

    verb    in capitals, "" for what is none; line: as it came, without CR LF
    reply   the core's own answer; a server may give another one, but cannot turn a no into a yes
    start, end   where it stands in everything received on the connection
    """

    verb: str
    line: bytes
    reply: Reply
    start: int
    end: int

    stage: ClassVar[str] = "other"

    @property
    def text(self) -> str:
        return self.line.decode("utf-8", "replace")


@dataclass(slots=True)
class Hello(Command):
    """EHLO or HELO: what the client calls itself."""

    name: str

    stage: ClassVar[str] = "helo"


@dataclass(slots=True)
class Mail(Command):
    """MAIL: a message begins."""

    sender: str
    parameters: MailParameters

    stage: ClassVar[str] = "mail"


@dataclass(slots=True)
class Rcpt(Command):
    """RCPT: one who is to get it."""

    recipient: str
    parameters: RecipientParameters

    stage: ClassVar[str] = "rcpt"


@dataclass(slots=True)
class Data(Command):
    """DATA, before the content; the reply is 354."""

    stage: ClassVar[str] = "data"


@dataclass(slots=True)
class Message(Command):
    """The content is complete, by DATA or by the last BDAT, or why it is not taken stands in the reply.

    remarks   what a stricter server would refuse it for
    """

    content: bytes
    remarks: tuple[str, ...]

    stage: ClassVar[str] = "message"


@dataclass(slots=True)
class Chunk(Command):
    """A BDAT that is not the last; its octets were read."""

    size: int

    stage: ClassVar[str] = "data"


@dataclass(slots=True)
class StartTls(Command):
    """STARTTLS; behind a positive reply the core waits for `secured`."""

    stage: ClassVar[str] = "starttls"


@dataclass(slots=True)
class Auth(Command):
    """AUTH: a mechanism that was offered, and what the client already says (None: it waits to be asked).

    The server answers by `challenge`, or `answer` with how it ended (`user` where it is let in).
    """

    mechanism: str
    initial: bytes | None

    stage: ClassVar[str] = "auth"


@dataclass(slots=True)
class AuthResponse(Command):
    """What the client answers to a challenge."""

    data: bytes

    stage: ClassVar[str] = "auth"


AUTHENTICATING = (Auth, AuthResponse)


@dataclass(slots=True)
class Quit(Command):
    """QUIT; behind the reply the core is closed."""

    stage: ClassVar[str] = "quit"


@dataclass(slots=True)
class Closed:
    """The peer has ended; `unfinished` says in the middle of what."""

    unfinished: str = ""
