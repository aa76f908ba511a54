"""Send a message over SMTP, and see the conversation: each command with its time and the section it stands in."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, make_msgid
from mimetypes import guess_type
from pathlib import Path
from typing import Annotated

from netlab.config import Address, Count, Duration, Flag, Size, positional
from netlab.errors import NetlabError, UsageError
from netlab.flow import FlowLog
from netlab.net.addresses import AddressMap
from netlab.net.certs import Authority, has_authority
from netlab.net.dial import Dialer
from netlab.net.mail import MailSession, Sending, Sent
from netlab.net.secure import TlsOptions
from netlab.net.tls_context import client_context
from netlab.stores.mailbox import Line
from netlab.text import duration, escape

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

EXAMPLES = (
    ("netlab mail send bob@shop.test --subject Hello --text 'How are you?'", "to the sink on 127.0.0.1:1025"),
    ("netlab mail send bob@shop.test --file letter.eml -q", "a whole message from a file; `-` is standard input"),
    ("netlab mail send bob@shop.test --attach photo.jpg --html page.html", "with a page and an attachment"),
    ("netlab mail send bob@shop.test --starttls --user ada --password secret", "inside TLS, logged in"),
    ("netlab mail send bob@shop.test --chunks 64KiB --count 100", "by BDAT, a hundred times"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    to: Annotated[tuple[str, ...], positional]
    """To whom."""
    server: Annotated[Address, Flag("-s", "--server")] = Address("127.0.0.1", 1025)
    """The server to bring it to."""
    sender: Annotated[str, Flag("-f", "--from")] = "netlab@localhost"
    """From whom; nothing is the null sender of bounces."""
    subject: str = "A message from netlab"
    """Its subject."""
    text: str = "Sent by netlab mail send.\n"
    """Its text."""
    html: Path | None = None
    """A file with the same as HTML."""
    attach: tuple[Path, ...] = ()
    """A file to be attached."""
    file: Annotated[str, Flag("--file")] = ""
    """A file that is the whole message (.eml), - for standard input; it is sent as it is, but for its ends of lines."""
    tls: bool = False
    """Speak TLS from the first byte."""
    starttls: bool = False
    """Begin TLS by STARTTLS."""
    cacert: Path | None = None
    """The only authorities to trust, in PEM; by default the system's and the lab's own."""
    insecure: Annotated[bool, Flag("-k", "--insecure")] = False
    """Take any certificate."""
    user: str = ""
    """Log in as this user."""
    password: str = ""
    """The password."""
    mechanism: str = ""
    """How to log in: PLAIN, LOGIN, CRAM-MD5 or SCRAM-SHA-256; by default the best that the server offers."""
    chunks: Size = 0
    """Bring it by BDAT, in chunks of this size."""
    notify: str = ""
    """Ask for delivery status notifications: NEVER, or SUCCESS,FAILURE,DELAY."""
    hello: str = ""
    """What to call ourselves."""
    count: Count = 1
    """How often to send it, a session each."""
    timeout: Duration = 30.0
    """The longest wait for each step."""
    quiet: Annotated[bool, Flag("-q")] = False
    """Do not show the conversation."""
    json: bool = False
    """Print it as JSON."""

    def __post_init__(self) -> None:
        if not self.to:
            raise UsageError("to whom? netlab mail send ADDRESS")
        for address in (*self.to, self.sender):
            if re.search(r"[\x00-\x20\x7f<>]", address):
                raise UsageError(f"{address!r} is no address")
        if self.tls and self.starttls:
            raise UsageError("--tls begins with the first byte, --starttls later: one of the two")


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """Send and show; 0 where the server has taken it for every recipient."""
    lab = AddressMap() if addresses is None else AddressMap.from_json(await addresses())
    content = whole_message(config)
    code = 0
    for _ in range(config.count):
        code = max(code, await send_once(config, lab, content))
    return code


async def send_once(config: Config, lab: AddressMap, content: bytes) -> int:
    lines: list[Line] = []
    show = config.json or config.quiet

    def heard(line: Line) -> None:
        lines.append(line)
        if not show:
            print(shown(line, lines[0].time), flush=True)

    session = MailSession(sending(config), heard)
    dialer = Dialer(FlowLog(), addresses=lab)
    try:
        sent = await session.send(dialer, config.server.host, config.server.port, config.sender, config.to, content)
    except NetlabError as error:
        if config.json:
            print(json.dumps({"sent": False, "error": str(error), "transcript": [line._asdict() for line in lines]}))
            return 1
        raise
    report(config, sent, lines)
    return 1 if sent.refused else 0


def report(config: Config, sent: Sent, lines: list[Line]) -> None:
    """How it ended."""
    if config.json:
        refused = {address: reply.text for address, reply in sent.refused.items()}
        transcript = [line._asdict() for line in lines]
        print(json.dumps({"sent": True, "reply": sent.reply.text, "refused": refused, "transcript": transcript}))
    for address, reply in sent.refused.items():
        sys.stderr.write(f"netlab: {address} was refused: {escape(reply.text)}\n")


def shown(line: Line, began: float) -> str:
    """A line of the conversation, and where the command stands."""
    mark = {"client": ">", "server": "<", "netlab": "*"}[line.side]
    text = f"\n{'':13}".join(map(escape, line.text.split("\n")))
    where = f"   ({line.section})" if line.section else ""
    return f"{duration(line.time - began):>10} {mark} {text}{where}"


def sending(config: Config) -> Sending:
    """How, as the core wants it said."""
    tls = None
    if config.tls or config.starttls:
        known = has_authority() and not config.insecure and config.cacert is None
        authority = Authority.load() if known else None
        context = client_context(cafile=config.cacert, authority=authority, insecure=config.insecure, alpn=())
        tls = TlsOptions(context=context)
    return Sending(
        hello=config.hello or own_name(),
        tls=tls,
        starttls=config.starttls,
        user=config.user,
        password=config.password,
        mechanism=config.mechanism.upper(),
        chunks=config.chunks,
        notify=config.notify,
        seconds=config.timeout,
    )


def own_name() -> str:
    """This machine's, where it can stand in EHLO."""
    name = platform.node()
    return name if re.fullmatch(r"[A-Za-z0-9.-]+", name) else "localhost"


def whole_message(config: Config) -> bytes:
    """What is sent: a file as it is, with CR LF, or a message made of the parts."""
    if config.file:
        return with_cr_lf(read(config.file))
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = config.sender, ", ".join(config.to), config.subject
    message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid(domain="netlab.test")
    message.set_content(config.text)
    if config.html is not None:
        message.add_alternative(read(str(config.html)).decode("utf-8", "replace"), subtype="html")
    for path in config.attach:
        main, _, sub = (guess_type(path.name)[0] or "application/octet-stream").partition("/")
        message.add_attachment(read(str(path)), maintype=main, subtype=sub, filename=path.name)
    ascii_only = all(address.isascii() for address in (config.sender, *config.to))
    return with_cr_lf(message.as_bytes(policy=SMTP if ascii_only else SMTPUTF8))  # attached messages keep their own


def with_cr_lf(content: bytes) -> bytes:
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content)


def read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from None
