"""What a mail sink keeps, and where: the messages with their envelopes and conversations, behind one small contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple, Protocol

from netlab.errors import NetlabError

Done = Callable[[NetlabError | None], None]
"""Called on the loop when it is settled: with nothing where the message is kept, or why it is not."""


class Line(NamedTuple):
    """One line of a conversation: who said it when, and the section of the RFC that it stands in."""

    time: float  # seconds since 1970
    side: Literal["client", "server", "netlab"]  # netlab: what happened in between, such as TLS
    text: str  # as it was said, without CR LF; secrets are left out, and of a message only its size is told
    section: str = ""  # "RFC 5321 4.1.1.2"


class Recipient(NamedTuple):
    """One forward path with its DSN parameters (RFC 3461 4.1, 4.2)."""

    address: str  # without angle brackets and source route; the local part as it was written
    notify: str = ""  # "NEVER", or "SUCCESS,FAILURE"
    original: str = ""  # ORCPT: "rfc822;ada@shop.test"


class Envelope(NamedTuple):
    """Who sends a message to whom, and how it came. Addresses of SMTPUTF8 sessions are Unicode (RFC 6531)."""

    sender: str  # "" is the null reverse path of bounces
    recipients: tuple[Recipient, ...]
    body: Literal["7BIT", "8BITMIME", "BINARYMIME"] = "7BIT"
    smtputf8: bool = False
    declared_size: int | None = None  # SIZE=
    ret: str = ""  # RET=, "FULL" or "HDRS"
    envelope_id: str = ""  # ENVID=
    helo: str = ""  # what the client calls itself
    client: str = ""  # its address and port, "127.0.0.1:51000"
    user: str = ""  # as whom it is authenticated
    tls: str = ""  # "TLSv1.3", or nothing
    protocol: str = "SMTP"  # SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, and UTF8SMTP… (RFC 3848, RFC 6531)

    @property
    def addresses(self) -> list[str]:
        """Of all recipients."""
        return [recipient.address for recipient in self.recipients]


class Delivery(NamedTuple):
    """A message to be kept: its bytes as they came, without the dots of the transfer."""

    id: str  # 22 digits and letters, later ones sort behind earlier ones
    received: float  # seconds since 1970, by the lab's clock
    mailboxes: tuple[str, ...]  # the names of the mailboxes it is in; ("",) where there is one for all
    envelope: Envelope
    content: bytes
    transcript: Sequence[Line] = ()  # the conversation to the reply that this message gets once it is kept


class Entry(NamedTuple):
    """A message in the listing of a mailbox."""

    id: str
    size: int  # bytes


class MailStore(Protocol):
    """Where messages are kept. All is called on the loop; what takes long is awaited."""

    keeps: bool  # False: nothing is, so that nobody need make up what would not be kept

    def deliver(self, delivery: Delivery, done: Done) -> bool:
        """Keep a message. True: it is kept, and `done` is not called. False: `done` will be, behind the commit."""

    async def entries(self, mailbox: str) -> Sequence[Entry]:
        """The messages of a mailbox, oldest first."""

    async def content(self, id: str) -> bytes | None:  # noqa: A002 - the word of the whole contract
        """A message's bytes; None where it is gone."""

    async def delete(self, ids: Iterable[str]) -> None:
        """Forget these; those that are gone already are no matter."""

    async def close(self) -> None:
        """What was accepted is kept before this returns."""


class NoStore:
    """Keeps nothing: messages are accepted and dropped."""

    keeps = False

    def deliver(self, delivery: Delivery, done: Done) -> bool:
        return True

    async def entries(self, mailbox: str) -> Sequence[Entry]:
        return ()

    async def content(self, id: str) -> bytes | None:  # noqa: A002 - the contract's
        return None

    async def delete(self, ids: Iterable[str]) -> None:
        return

    async def close(self) -> None:
        return


def new_id(microseconds: int, chance: int) -> str:
    """An id of 22 digits and letters that sorts by time: microseconds since 1970, then 32 bits of chance."""
    return f"{microseconds:014x}{chance & 0xFFFFFFFF:08x}"
