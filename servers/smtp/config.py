"""What can be set for the mail sink."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from netlab.config import Address, Count, Duration, Kind, Size
from netlab.cores.smtp import ServerSettings
from netlab.errors import UsageError
from netlab.http.listening import CertificateFiles
from netlab.policy.auth.names import UserName
from netlab.policy.mail_chaos import ChaosRule, parse_chaos
from netlab.policy.mailboxes import By
from servers.smtp.keeping import Keeping


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password, written NAME:PASSWORD."""

    name: str
    password: str

    @classmethod
    def parse(cls, text: str) -> Login:
        name, colon, password = text.partition(":")
        if not colon or not password:
            raise ValueError
        return cls(UserName(name), password)

    def __str__(self) -> str:
        return f"{self.name}:***"


LoginRule = Annotated[Login, Kind(parse=Login.parse, allowed="NAME:PASSWORD", metavar="NAME:PASSWORD")]


@dataclass(frozen=True, kw_only=True)
class Where:
    """What is listened on."""

    listen: Address = Address("127.0.0.1", 1025)
    """Where to take mail; port 0 takes a free one."""
    tls: bool = False
    """Take mail over TLS as well, from the first byte (RFC 8314 3), with certificates of the local CA."""
    tls_listen: Address | None = None
    """Where to do so; port 1465 of the host of --listen, or a free port when that has port 0."""
    starttls: bool = False
    """Offer STARTTLS; many clients then insist on a certificate they trust (see `netlab ca`)."""
    certificate: tuple[CertificateFiles, ...] = ()
    """A certificate of your own (PEM, with chain and key), shown to who asks for a name in it."""
    expose: bool = False
    """Let other machines reach it: without this, only loopback is listened on."""


@dataclass(frozen=True, kw_only=True)
class Who:
    """Whose mail is taken, and into which mailbox."""

    users: Path | None = None
    """A file of users (see `netlab passwd`); only they may send mail, and open mailboxes."""
    user: tuple[LoginRule, ...] = ()
    """A user and a password that is known here, which CRAM-MD5 needs; may be given several times."""
    auth: bool = True
    """Offer AUTH; where there are no users, any user and password are right."""
    mailboxes: By = "one"
    """One mailbox for all, or one for each recipient, each domain of recipients, or each user."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much, and how long."""

    hostname: str = "netlab.test"
    """What the server calls itself."""
    max_message: Size = 32 << 20
    """Bytes of a message; larger ones are refused, early where their size is told."""
    max_recipients: Count = 1000
    """Recipients of a message."""
    max_errors: Count = 50
    """Commands of a session that are none, or out of order, until it is ended."""
    max_connections: int = 1000
    """Connections open at once; 0 is no limit."""
    command_timeout: Duration = 300.0
    """How long the next command may take to arrive (RFC 5321 4.5.3.2.7)."""
    message_timeout: Duration = 600.0
    """How long a message may take to arrive."""
    engine: Literal["netlab", "aiosmtpd"] = "netlab"
    """Whose SMTP is spoken: ours, or aiosmtpd's (pip install 'netlab[engines]'), to tell whose fault it is. That one
    goes with --tls and --user, and without --starttls, --users and --chaos."""
    received: bool = False
    """Put Return-Path and Received before each message (RFC 5321 4.4); else it is kept to the byte as it was sent."""
    strict: bool = False
    """Refuse what is remarked on otherwise: unannounced 8-bit content, lines over 998 octets, addresses like <root>."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How mail programs read the mailboxes."""

    pop3: bool = True
    """Let mail programs open the mailboxes by POP3, where messages are kept; a login opens what --mailboxes says."""
    pop3_listen: Address = Address("127.0.0.1", 1110)
    """Where to do so; a free port when that of --listen is free."""
    pop3_timeout: Duration = 600.0
    """How long a mail program may stay without a command (RFC 1939 3)."""


ChaosOption = Annotated[
    ChaosRule,
    Kind(
        parse=parse_chaos,
        allowed="a stage, what goes wrong, to whom and how often, such as 'rcpt refuse=450 to=*@busy.test'",
        metavar="'STAGE WHAT [to=PATTERN] [from=PATTERN] [probability=SHARE]'",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """What goes wrong on purpose."""

    chaos: tuple[ChaosOption, ...] = ()
    """'STAGE WHAT': at connect, tls, helo, starttls, auth, mail, rcpt, data, message or quit; refuse=CODE, delay=TIME,
    tarpit=TIME, greylist=TIME, drop, 421 or broken-tls; to=PATTERN, from=PATTERN, probability=20% behind it."""


@dataclass(frozen=True, kw_only=True)
class Onward:
    """Where messages may go from here; nowhere, unless a server is named."""

    release_to: Address | None = None
    """A real server, to which messages may be released, on the page and by the API."""
    release_tls: Literal["none", "starttls", "tls"] = "none"
    """How to speak with it: plainly, inside TLS after STARTTLS, or from the first byte."""
    release_login: LoginRule | None = None
    """As whom to log in there, NAME:PASSWORD."""
    release_allow: tuple[str, ...] = ("*",)
    """Who may get released messages: a pattern such as *@example.com."""
    release_timeout: Duration = 60.0
    """How long to wait for each of its replies."""
    forward: tuple[str, ...] = ()
    """Release a message to --release-to by itself, to those of its recipients that fit this pattern."""


@dataclass(frozen=True, kw_only=True)
class Config(Onward, Wrong, Limits, Reading, Keeping, Who, Where):
    """What can be set for the mail sink."""

    def __post_init__(self) -> None:
        if not self.expose:
            self.listen.refuse_exposure("--listen", "this server")
            self.tls_address.refuse_exposure("--tls-listen", "this server")
            self.pop3_listen.refuse_exposure("--pop3-listen", "the mailboxes")
            self.web_listen.refuse_exposure("--web-listen", "this server")
        if self.release_to is None and (self.forward or self.release_login or self.release_tls != "none"):
            raise UsageError("--forward, --release-login and --release-tls need --release-to HOST:PORT")
        if self.certificate and not (self.tls or self.starttls):
            raise UsageError("--certificate needs --tls or --starttls")
        if self.engine == "aiosmtpd" and (self.starttls or self.users is not None or self.chaos):
            what = "--starttls" if self.starttls else "--chaos" if self.chaos else "--users"
            raise UsageError(f"--engine aiosmtpd goes without {what}: that is for the engine of our own")
        if self.mailboxes == "user" and not self.auth:
            raise UsageError("--mailboxes user needs --auth: without it no user is known")

    @property
    def tls_address(self) -> Address:
        return self.tls_listen or self.beside(1465)

    def beside(self, port: int) -> Address:
        """Another port of the same host; a free one where that of --listen is free, too."""
        return Address(self.listen.host, port if self.listen.port else 0)

    def settings(self, mechanisms: tuple[str, ...]) -> ServerSettings:
        """What the core is told."""
        return ServerSettings(
            hostname=self.hostname,
            max_message=self.max_message,
            max_recipients=self.max_recipients,
            max_errors=self.max_errors,
            starttls=self.starttls,
            mechanisms=mechanisms,
            auth_required=self.users is not None or bool(self.user),
            auth_over_plain=self.listen.here_only,
            strict=self.strict,
        )
