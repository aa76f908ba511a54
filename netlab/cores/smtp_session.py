"""What a server offers, and what has been said so far: by these a command is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from netlab.cores import smtp_replies as replies
from netlab.cores.smtp_events import Command, Mail, Rcpt
from netlab.cores.smtp_replies import Reply
from netlab.cores.smtp_sasl_lines import MAX_RESPONSE

MAX_LINE = 512  # RFC 5321 4.5.3.1.4, with CR LF
MAX_LINES = {
    b"MAIL": 512 + 26 + 17 + 10 + 508 + 9 + 107,  # SIZE, BODY, SMTPUTF8, AUTH, RET, ENVID: as each RFC adds to it
    b"RCPT": 512 + 28 + 507,  # NOTIFY, ORCPT: RFC 3461 5
    b"AUTH": MAX_RESPONSE,
}
MAX_SKIPPED = 1 << 20
"""Octets of a line without an end that are read past, before the connection is ended."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What a server offers and allows, for all its connections."""

    hostname: str = "netlab.test"
    max_message: int = 32 << 20  # octets; 0: no bound
    max_recipients: int = 1000
    max_errors: int = 50  # commands in a session that were refused as such; then 421
    starttls: bool = False
    mechanisms: tuple[str, ...] = ()
    auth_required: bool = False  # before MAIL
    auth_over_plain: bool = True  # mechanisms that show the password do so without TLS, too
    strict: bool = (
        False  # refuse what is only remarked on otherwise: 8-bit content that was not announced, long lines …
    )
    _hellos: dict[tuple[bool, bool], Reply] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def plain_hello(self) -> Reply:
        """The reply to HELO."""
        return Reply(250, self.hostname)

    def offered(self, secure: bool) -> tuple[str, ...]:
        """The SASL mechanisms that may be used now."""
        if secure or self.auth_over_plain:
            return self.mechanisms
        return tuple(name for name in self.mechanisms if name not in ("PLAIN", "LOGIN"))

    def hello(self, secure: bool, authenticated: bool) -> Reply:
        """The reply to EHLO: the extensions (RFC 5321 4.1.1.1)."""
        known = self._hellos.get((secure, authenticated))
        if known is None:
            lines = [self.hostname, "PIPELINING", f"SIZE {self.max_message}", "8BITMIME", "SMTPUTF8"]
            lines += ["DSN", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME"]
            lines += ["STARTTLS"] * (self.starttls and not secure)
            mechanisms = () if authenticated else self.offered(secure)
            lines += [f"AUTH {' '.join(mechanisms)}"] * bool(mechanisms)
            known = self._hellos[secure, authenticated] = Reply(250, *lines, "VRFY", "EXPN", "HELP")
        return known


class Session:
    """Where a conversation stands."""

    __slots__ = ("_out", "chunking", "consumed", "extended", "helo", "mail", "recipients", "secure", "settings", "user")

    def __init__(self, settings: ServerSettings, secure: bool) -> None:
        self.settings, self.secure = settings, secure
        self.helo, self.extended, self.user = "", False, ""  # what the client calls itself; EHLO; as whom it is let in
        self.mail: Mail | None = None  # the transaction's, once it was accepted
        self.recipients: list[Rcpt] = []  # those that were accepted
        self.chunking = False  # a BDAT has come that was not the last
        self.consumed = 0  # octets read
        self._out: list[bytes] = []  # replies

    def other(self, verb: str, line: bytes, reply: Reply) -> Command:
        """The command whose line was just read, where it is refused, or means nothing more."""
        return Command(verb, line.rstrip(b"\r\n"), reply, self.consumed - len(line), self.consumed)

    def too_early(self) -> Reply:
        """What has to be said before a message (RFC 5321 4.1.4)."""
        return replies.NO_RECIPIENT if self.mail else replies.NO_MAIL if self.helo else replies.NO_HELLO

    @property
    def protocol(self) -> str:
        """How a message came, for `with` in a Received field (RFC 3848; RFC 6531 4.3)."""
        if not self.extended:
            return "SMTP"
        utf8 = "UTF8" if self.mail is not None and self.mail.parameters.smtputf8 else "E"
        return f"{utf8}SMTP{'S' * self.secure}{'A' * bool(self.user)}"

    def outgoing(self) -> bytes:
        out = self._out
        if len(out) == 1:
            return out.pop()
        data = b"".join(out)
        out.clear()
        return data

    @property
    def unsent(self) -> int:
        """Replies in `outgoing`."""
        return len(self._out)
