"""SMTP's replies: three digits, an enhanced code, text; and where each command stands in the RFCs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

LONGEST_LINE = 512
"""Octets of a reply line with its CR LF (RFC 5321 4.5.3.1.5)."""


class Reply:
    """A reply of one line or more (RFC 5321 4.2), with its wire form made once."""

    __slots__ = ("code", "enhanced", "lines", "wire")

    def __init__(self, code: int, *lines: str, enhanced: str = "") -> None:
        """`enhanced` is the code of RFC 3463 that each line begins with (RFC 2034 4)."""
        self.code, self.enhanced = code, enhanced
        self.lines = lines or ("Ok",)
        before = f"{enhanced} " if enhanced else ""
        if len(lines) == 1:
            self.wire = f"{code} {before}{lines[0]}".encode("utf-8", "replace")[: LONGEST_LINE - 2] + b"\r\n"
            return
        last = len(self.lines) - 1
        self.wire = b"".join(
            f"{code}{' ' if number == last else '-'}{before}{line}".encode("utf-8", "replace")[: LONGEST_LINE - 2]
            + b"\r\n"
            for number, line in enumerate(self.lines)
        )

    @property
    def text(self) -> str:
        """Its lines as they are on the wire, with LF between."""
        return text_of(self.wire)

    @property
    def positive(self) -> bool:
        """Whether it says yes, or go on (RFC 5321 4.2.1)."""
        return self.code < 400

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and other.wire == self.wire

    def __hash__(self) -> int:
        return hash(self.wire)

    def __repr__(self) -> str:
        return f"<Reply {self.text!r}>"


@lru_cache(1000)
def text_of(wire: bytes) -> str:
    """A reply's text, of its wire form."""
    return wire[:-2].decode("utf-8", "replace").replace("\r\n", "\n")


class Refused(NamedTuple):
    """Why something that was read is not taken, and what to reply."""

    reply: Reply


def refused(code: int, enhanced: str, text: str) -> Refused:
    return Refused(Reply(code, text, enhanced=enhanced))


SENDER_OK = Reply(250, "Ok", enhanced="2.1.0")
RECIPIENT_OK = Reply(250, "Ok", enhanced="2.1.5")
OK = Reply(250, "Ok", enhanced="2.0.0")
GO_AHEAD = Reply(354, "End the message with <CR><LF>.<CR><LF>")
BYE = Reply(221, "Bye", enhanced="2.0.0")
START_TLS = Reply(220, "Ready to start TLS", enhanced="2.0.0")
CANNOT_VERIFY = Reply(252, "Cannot tell, but mail for it is taken (RFC 5321 3.5.3)", enhanced="2.5.2")
NO_LISTS = Reply(550, "There are no mailing lists here (RFC 5321 3.5.2)", enhanced="5.2.4")
AUTHENTICATED = Reply(235, "Authenticated", enhanced="2.7.0")

NO_SERVICE = Reply(503, "No mail is taken here; all that is left is QUIT (RFC 5321 3.1)", enhanced="5.5.1")
NO_HELLO = Reply(503, "Say EHLO or HELO first (RFC 5321 4.1.4)", enhanced="5.5.1")
NO_MAIL = Reply(503, "MAIL comes first (RFC 5321 4.1.4)", enhanced="5.5.1")
NO_RECIPIENT = Reply(503, "RCPT comes first: nobody is to get this yet (RFC 5321 4.1.4)", enhanced="5.5.1")
MAIL_TWICE = Reply(503, "MAIL was said already; RSET begins anew (RFC 5321 4.1.4)", enhanced="5.5.1")
IN_TRANSACTION = Reply(503, "Not between MAIL and the end of the message (RFC 5321 4.1.4)", enhanced="5.5.1")
BINARY_NEEDS_BDAT = Reply(503, "BODY=BINARYMIME goes with BDAT, not DATA (RFC 3030 3)", enhanced="5.5.1")
DATA_AFTER_BDAT = Reply(503, "DATA cannot follow BDAT in one message (RFC 3030 2)", enhanced="5.5.1")
TLS_ALREADY = Reply(503, "TLS is established already (RFC 3207 4)", enhanced="5.5.1")
AUTH_ALREADY = Reply(503, "Authenticated already (RFC 4954 4)", enhanced="5.5.1")
AUTH_NEEDED = Reply(530, "Authentication is needed first (RFC 4954 6)", enhanced="5.7.0")
AUTH_ENDED = Reply(501, "Authentication was ended by the client (RFC 4954 4)", enhanced="5.7.0")
AUTH_BASE64 = Reply(501, "That is not base64 (RFC 4954 4)", enhanced="5.5.2")
AUTH_TOO_LONG = Reply(500, "An authentication line has at most 12288 octets (RFC 4954 4)", enhanced="5.5.6")
AUTH_MECHANISM = Reply(504, "This mechanism is not one that EHLO lists (RFC 4954 4)", enhanced="5.5.4")
NO_INITIAL = Reply(501, "With this mechanism the server speaks first (RFC 4954 4)", enhanced="5.5.2")
ENCRYPTION_NEEDED = Reply(538, "Say STARTTLS first: this would show the password (RFC 4954 4)", enhanced="5.7.11")
NOT_IMPLEMENTED = Reply(502, "Not implemented here (RFC 5321 4.2.4)", enhanced="5.5.1")
UNKNOWN = Reply(500, "There is no such command (RFC 5321 4.2.4)", enhanced="5.5.1")
NO_ARGUMENT = Reply(501, "This command takes no argument (RFC 5321 4.1.1)", enhanced="5.5.4")
LINE_TOO_LONG = Reply(500, "The line is too long (RFC 5321 4.5.3.1.4)", enhanced="5.5.2")
BARE_NEWLINE = Reply(500, "Only CR LF ends a line, and neither stands alone (RFC 5321 2.3.8)", enhanced="5.5.2")
TOO_MANY_ERRORS = Reply(421, "Too many errors; closing", enhanced="4.7.0")
EARLY_TLS = Reply(554, "Something came behind STARTTLS, where TLS has to begin (RFC 3207 4.2)", enhanced="5.5.1")
SHUTTING_DOWN = Reply(421, "Shutting down (RFC 5321 3.8)", enhanced="4.3.2")
TOO_MANY_CONNECTIONS = Reply(421, "Too many connections; try again later (RFC 5321 3.8)", enhanced="4.3.2")
TOO_SLOW = Reply(421, "Nothing came in time; closing (RFC 5321 4.5.3.2)", enhanced="4.4.2")
TOO_MANY_RECIPIENTS = Reply(452, "Too many recipients; send these first (RFC 5321 4.5.3.1.10)", enhanced="4.5.3")

SMUGGLED = Reply(
    521, "Only <CR><LF>.<CR><LF> ends a message; this looks like smuggling (RFC 5321 4.1.1.4)", enhanced="5.5.2"
)
EMPTY_LINE = Reply(500, "An empty line is no command (RFC 5321 4.2.4)", enhanced="5.5.2")
CHUNK_TOO_LARGE = Reply(552, "That is more than is read past; closing (RFC 1870 6.3)", enhanced="5.3.4")
BDAT_SYNTAX = Reply(501, "It is BDAT and a number of octets, perhaps LAST (RFC 3030 2)", enhanced="5.5.4")

HELP = Reply(
    214,
    "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT STARTTLS AUTH",
    "Each stands in RFC 5321 4.1.1, BDAT in RFC 3030, STARTTLS in RFC 3207, AUTH in RFC 4954.",
    enhanced="2.0.0",
)

SECTIONS = {
    "connect": "RFC 5321 3.1",
    "EHLO": "RFC 5321 4.1.1.1",
    "HELO": "RFC 5321 4.1.1.1",
    "MAIL": "RFC 5321 4.1.1.2",
    "RCPT": "RFC 5321 4.1.1.3",
    "DATA": "RFC 5321 4.1.1.4",
    "message": "RFC 5321 4.5.2",
    "BDAT": "RFC 3030 2",
    "RSET": "RFC 5321 4.1.1.5",
    "VRFY": "RFC 5321 4.1.1.6",
    "EXPN": "RFC 5321 4.1.1.7",
    "HELP": "RFC 5321 4.1.1.8",
    "NOOP": "RFC 5321 4.1.1.9",
    "QUIT": "RFC 5321 4.1.1.10",
    "STARTTLS": "RFC 3207 4",
    "AUTH": "RFC 4954 4",
    "": "RFC 5321 4.2.4",
}
"""Where each command stands; what is none, under "" (RFC 5321 4.2.4: what to reply to it)."""
