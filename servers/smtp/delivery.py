"""A message as the store gets it: its envelope, its mailboxes, the conversation, and the reply that says it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from netlab.cores.smtp import SECTIONS, Mail, Message, Rcpt, Reply
from netlab.errors import NetlabError, StoreFailed
from netlab.policy.mailboxes import mailboxes
from netlab.stores.mailbox import Delivery, Envelope, Line, Recipient, new_id
from netlab.text import peer_text

if TYPE_CHECKING:
    from servers.smtp.session import SmtpSession

SHOWN = 3
"""Recipients whose addresses are in a flow's label."""


def make_delivery(session: SmtpSession, event: Message) -> tuple[Delivery, Reply]:
    """The reply is in the transcript already: where the message is kept, that was said."""
    core, server = session.core, session.server
    assert session.flow is not None
    log = session.flow.log
    now = log.wall(log.now())
    number = new_id(int(now * 1e6), server.context.random.getrandbits(32))
    remarks = f", though with {'; '.join(event.remarks)}" if event.remarks else ""
    reply = Reply(250, f"Ok: kept as {number}{remarks}", enhanced="2.0.0")
    transcript = session.record.transcript() if session.record is not None else []
    kept, traced = envelope(session), server.config.received
    delivery = Delivery(
        id=number,
        received=server.context.clock.now(),
        mailboxes=mailboxes(server.config.mailboxes, (each.recipient for each in core.recipients), core.user),
        envelope=kept,
        content=trace(kept, server.config.hostname, number, now) + event.content if traced else event.content,
        transcript=[*transcript, Line(now, "server", reply.text, SECTIONS[event.verb])],
    )
    return delivery, reply


def trace(envelope: Envelope, hostname: str, number: str, now: float) -> bytes:
    """What a server that delivers puts before a message: the reverse path, and how it came (RFC 5321 4.4)."""
    address = envelope.client.rpartition(":")[0].strip("[]")
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    date = format_datetime(datetime.fromtimestamp(now).astimezone())
    whom = f"\r\n\tfor <{envelope.addresses[0]}>" if len(envelope.addresses) == 1 else ""  # others are not told of
    return (
        f"Return-Path: <{envelope.sender}>\r\nReceived: from {envelope.helo} ({literal})\r\n"
        f"\tby {hostname} with {envelope.protocol} id {number}{whom}; {date}\r\n"
    ).encode()


def envelope(session: SmtpSession) -> Envelope:
    """What the client has said about the message."""
    core = session.core
    mail, flow = core.mail, session.flow
    assert mail is not None
    assert flow is not None
    parameters = mail.parameters
    tls = session.transport.get_extra_info("ssl_object")
    return Envelope(
        sender=mail.sender,
        recipients=tuple(map(recipient, core.recipients)),
        body=parameters.body,
        smtputf8=parameters.smtputf8,
        declared_size=parameters.size,
        ret=parameters.ret,
        envelope_id=parameters.envelope_id,
        helo=core.helo,
        client=peer_text(flow.client) or "",
        user=core.user,
        tls=tls.version() if tls is not None else "",
        protocol=core.protocol,
    )


def recipient(event: Rcpt) -> Recipient:
    return Recipient(address=event.recipient, notify=event.parameters.notify, original=event.parameters.original)


def label(mail: Mail, recipients: list[Rcpt]) -> str:
    """A flow's: from whom to whom, in a line."""
    if len(recipients) == 1:
        return f"<{mail.sender}> → {recipients[0].recipient}"
    return label_of(mail.sender, [each.recipient for each in recipients])


def label_of(sender: str, recipients: Sequence[str]) -> str:
    if len(recipients) == 1:
        return f"<{sender}> → {recipients[0]}"
    more = f" and {len(recipients) - SHOWN} more" if len(recipients) > SHOWN else ""
    return f"<{sender}> → {', '.join(recipients[:SHOWN])}{more}"


def not_kept(error: NetlabError) -> Reply:
    """The store has failed: the client may try again later (RFC 3463 3.4)."""
    full = isinstance(error, StoreFailed) and error.full
    return Reply(452 if full else 451, f"Not kept: {error}", enhanced="4.3.1" if full else "4.3.0")
