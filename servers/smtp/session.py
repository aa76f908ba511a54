"""One connection of a client that brings mail: commands to the core, messages to the store, replies back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netlab.cores.smtp import (
    SECTIONS,
    Auth,
    AuthResponse,
    Closed,
    Command,
    Event,
    ExpressCore,
    Mail,
    Message,
    Rcpt,
    Reply,
    StartTls,
    State,
    replies,
)
from netlab.errors import NetlabError, RemoteProtocolError, StoreFailed
from netlab.flow import Flow, Outcome
from netlab.net.connection import NEVER
from netlab.stores.mailbox import Delivery
from servers.smtp.delivery import label, make_delivery, not_kept
from servers.smtp.dialogue import Dialogue
from servers.smtp.login import Login
from servers.smtp.mischief import NO_TLS, goes_wrong
from servers.smtp.record import Record

if TYPE_CHECKING:
    from servers.smtp.server import Server

COMMAND, DATA, TLS, CLOSED = State.COMMAND, State.DATA, State.TLS, State.CLOSED
OK = Outcome.OK
MAIL_TAKEN, GO_AHEAD = replies.SENDER_OK.wire, replies.GO_AHEAD.wire
MESSAGE_TAKEN, BYE = replies.OK.wire, replies.BYE.wire
MOST_UNSENT = 256
"""Replies that are gathered before they are written, however many commands one read has brought."""
MOST_WAITING = 64 << 10
"""Bytes that may come while an answer is waited for, before the client is not read any more."""


class SmtpSession(Dialogue):
    """A plain one, or inside of TLS from the first byte; STARTTLS makes the former the latter."""

    __slots__ = (
        "_at_once",
        "_draining",
        "_held",
        "_login",
        "_message",
        "_patience",
        "_timer",
        "broken_tls",
        "core",
        "record",
        "tarpit",
    )

    def __init__(self, server: Server, *, secure: bool) -> None:
        super().__init__(server, "smtp")
        self.core = ExpressCore(server.settings, secure=secure)
        self.record: Record | None = None  # where somebody will read it
        self._message: Flow | None = None  # of the transaction that is under way
        self._login: Login | None = None  # the authentication that is under way
        self._draining = False
        self.broken_tls = secure and server.strikes_tls()
        self.tarpit = 0.0  # seconds before each answer
        self._timer: asyncio.TimerHandle | None = None  # of an answer that is to be late
        self._patience = server.config.command_timeout or NEVER
        self._at_once: Callable[[bytes], bytes | None] | None = None  # the core's, where nobody decides, or follows
        self._held = 0  # bytes that came while waiting

    # -- what the connection says --------------------------------------------------------------------------------

    def opened(self) -> None:
        core, server, flow = self.core, self.server, self.flow
        assert flow is not None
        if core.state is TLS:
            self.set_deadline("command", server.config.command_timeout)
            self._secured()
            return
        if server.store.keeps or flow.full:
            self.record = Record()
            core.takes = False
        if server.chaos is None:
            if not flow.full:
                self._at_once = core.at_once
            self.greet(server.greeting)
            return
        self.set_deadline("command", server.config.command_timeout)
        if not self.broken_tls and not goes_wrong(self, server.chaos, None):
            self.greet(server.greeting)

    def greet(self, greeting: Reply) -> None:
        """The first words, or why there is no more to be said."""
        reply = self.core.greet(greeting)
        if self.record is not None and self.flow is not None:
            self.record.reply(self.flow, reply, SECTIONS["connect"])
        self._flush()

    def feed(self, data: bytes) -> None:
        core = self.core
        if self.broken_tls:
            self.write(NO_TLS)
            self.linger()
            return
        if self._waiting:
            core.hold(data)
            self._held += len(data)
            if self._held > MOST_WAITING:
                self.transport.pause_reading()
            return
        self._work(core.receive(data))

    def data_received(self, data: bytes) -> None:
        """The short way first: what nobody decides on is on no tape, and all there is to do is to keep the words where
        they are kept, to count a message, and to know what comes next.
        """
        at_once = self._at_once
        if at_once is None or self.writing_paused or (reply := at_once(data)) is None:
            super().data_received(data)
            return
        self.deadline = self.loop.time() + self._patience
        if self.record is not None and self.flow is not None:
            self.record.exchanged(self.flow, data, reply)
        if reply is GO_AHEAD:
            self.set_deadline("message", self.server.config.message_timeout)
        elif reply is MAIL_TAKEN:
            self._begin_message(self.core.mail)
        elif reply is MESSAGE_TAKEN:
            self.stage = "command"
            self._taken(*self.core.taken)
        self.written += len(reply)
        self.transport.write(reply)  # behind the deadlines: a client that does not read gets another one in this call
        if reply is BYE:
            self._leave()

    def _work(self, events: list[Event]) -> None:
        """Everything that can be answered now, and all of it in one write."""
        core = self.core
        while events:
            event = events[0]
            if isinstance(event, Command):
                if self.server.chaos is None or not goes_wrong(self, self.server.chaos, event):
                    self.handle(event)
                if self._waiting:
                    break
            else:
                self._over(event)
            if core.unsent > MOST_UNSENT:
                self.write(core.outgoing())
                if self.writing_paused:  # a client that asks and does not read: `resume_writing` goes on
                    return
            events = core.resume() if core.buffered else []
        self._flush()

    def handle(self, event: Command) -> None:
        HANDLERS.get(type(event), SmtpSession._other)(self, event)

    def _flush(self) -> None:
        core = self.core
        data, state = core.outgoing(), core.state
        if data:
            self.write(data)
        if state is CLOSED:
            self._leave()
        elif state is TLS:
            if not self.broken_tls:
                self.begin_tls("inside of STARTTLS")
        elif not self._waiting and data:
            self.wait_for_more()

    def wait_for_more(self) -> None:
        config = self.server.config
        if self.writing_paused:
            return  # that has a deadline of its own
        if self.core.state is DATA:
            self.set_deadline("message", config.message_timeout)
        elif self._draining and self.core.mail is None:
            self.end(replies.SHUTTING_DOWN)
        else:
            self.set_deadline("command", config.command_timeout)

    def _leave(self) -> None:
        self._at_once = None
        if self.peer_ended or self.core.left:
            self.close()
        else:
            self.linger()

    def end(self, farewell: Reply) -> None:
        """Say why, and close."""
        self.core.close(farewell)
        self._flush()

    def timed_out(self, stage: str) -> None:
        self.end(replies.TOO_SLOW)

    def drain(self) -> None:
        self._draining, self._at_once = True, None
        if not self._waiting and self.core.mail is None and self.core.state is COMMAND:
            self.end(replies.SHUTTING_DOWN)

    def turn_away(self) -> None:
        self.transport.write(replies.TOO_MANY_CONNECTIONS.wire)
        self.transport.close()

    def ended(self, error: Exception | None) -> None:
        if self._carrier is not None:
            super().ended(error)
        if self.flow is not None:
            self.flow.received = max(self.flow.received, self.core.consumed)  # what was answered at once is in it, too
        self._waiting = True  # for nothing: what is still to come is not answered
        if self._message is not None:
            self._end_message(Outcome.CUT, "the client left before it was complete")
        if self._timer is not None:
            self._timer.cancel()

    # -- events --------------------------------------------------------------------------------------------------

    def answer(self, event: Command, reply: Reply | None = None, *, user: str = "") -> Reply:
        reply = self.core.answer(reply, user=user)
        flow = self._message or self.flow
        if self.record is not None and flow is not None:
            self.record.reply(flow, reply, SECTIONS[event.verb])
        return reply

    def _heard(self, event: Command) -> None:
        flow = self._message or self.flow
        if self.record is not None and flow is not None:
            self.record.command(flow, event)

    def _other(self, event: Command) -> None:
        self._heard(event)
        reply = self.answer(event)
        if self._message is not None and not reply.positive:
            self._message.result = reply.text  # why there was no message, if none comes
        if self._message is not None and self.core.mail is None:
            self._end_message(Outcome.CANCELLED, f"{event.verb} before the message was complete")
        if self.flow is not None and not self.flow.label and reply.code >= 500:
            self.flow.outcome, self.flow.result = Outcome.REFUSED, str(reply.code)

    def _mail(self, event: Mail) -> None:
        if event.reply.positive:
            self._begin_message(event)
        self._other(event)

    def _begin_message(self, mail: Mail | None) -> None:
        carrier = self.flow
        if carrier is not None and mail is not None:
            label = f"<{mail.sender}>"
            self._message = self.flows.open("smtp", "smtp", carrier, None, label, carrier.client, carrier.server)

    def _taken(self, mail: Mail, recipients: list[Rcpt], size: int) -> None:
        flow = self._message
        if flow is not None:
            self._message = None
            flow.label, flow.received = label(mail, recipients), size
            flow.end(OK, "250")

    def _auth(self, event: Auth) -> None:
        self._heard(event)
        self._login = Login(self, event)

    def _respond(self, event: AuthResponse) -> None:
        self._heard(event)
        if self._login is not None:
            self._login.step(event, event.data)

    def challenge(self, data: bytes) -> None:
        reply = self.core.challenge(data)
        if self.record is not None and self.flow is not None:
            self.record.reply(self.flow, reply, SECTIONS["AUTH"])

    def _whole(self, event: Message) -> None:
        """A message is complete: its 250 leaves when it is kept."""
        self._heard(event)
        flow, core, server = self._message, self.core, self.server
        if flow is not None:
            assert core.mail is not None  # or there would be no flow
            flow.label = label(core.mail, core.recipients)
            flow.received = len(event.content)
        if not event.reply.positive or not server.store.keeps:
            self._done(event, None)
            return
        delivery, reply = make_delivery(self, event)
        try:
            kept = server.store.deliver(delivery, lambda error: self._kept(event, delivery, reply, error))
        except StoreFailed as error:
            self._done(event, not_kept(error))
            return
        if kept:
            server.kept(delivery)
            self._done(event, reply)
        else:
            self.hold()

    def _kept(self, event: Message, delivery: Delivery, reply: Reply, error: NetlabError | None) -> None:
        """The store has settled it; the client may have gone meanwhile."""
        if error is None:
            self.server.kept(delivery)
        if self.transport.is_closing() or not self.inside:
            return
        self._done(event, reply if error is None else not_kept(error))
        self.go_on()

    def _done(self, event: Message, reply: Reply | None) -> None:
        said = self.answer(event, reply)
        self._end_message(
            Outcome.OK if said.positive else Outcome.REFUSED, str(said.code) if said.positive else said.text
        )

    def _end_message(self, outcome: str, result: str) -> None:
        flow, self._message = self._message, None
        if flow is None:
            return
        if outcome in (Outcome.CUT, Outcome.CANCELLED) and flow.result:
            outcome, result = Outcome.REFUSED, flow.result
        flow.end(outcome, result)

    # -- waiting -------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        self._waiting, self._held = True, 0
        self.set_deadline("store", self.server.config.message_timeout)

    def go_on(self) -> None:
        """What was waited for is there; so may be what the client has said since."""
        if self._held > MOST_WAITING and not self.writing_paused:
            self.transport.resume_reading()
        self._waiting = False
        self._work(self.core.resume())

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Do it then, and until then nothing else."""
        self.hold()
        self.set_deadline("", 0)
        self._timer = self.loop.call_later(seconds, self._due, work)

    def _due(self, work: Callable[[], None]) -> None:
        self._timer, self._waiting = None, False
        work()
        if not self._waiting and not self.transport.is_closing():
            self.go_on()

    # -- TLS and the end -----------------------------------------------------------------------------------------

    def _secured(self) -> None:
        self.core.secured()
        if self.flow is not None and self.flow.full:  # more may be wanted of it than of what was in the clear
            self._at_once, self.core.takes = None, False
            self.record = self.record or Record()
        if self.record is not None and self.flow is not None:
            self.record.begin_stream()
            version = self.transport.get_extra_info("ssl_object").version()
            self.record.happened(
                self.flow, f"{version} is established; what was said before is forgotten", "RFC 3207 4.2"
            )

    def _over(self, event: Closed | RemoteProtocolError) -> None:
        assert self.flow is not None
        if isinstance(event, RemoteProtocolError):
            flow = self._message or self.flow
            flow.note("protocol.violated", "client", start=event.offset, **event.facts())
            self._end_message(Outcome.VIOLATION, f"{event.reason} ({event.section})")
            self.flow.outcome, self.flow.result = Outcome.VIOLATION, f"{event.reason} ({event.section})"
        elif event.unfinished:
            self.flow.outcome = self.flow.outcome or Outcome.CUT
            self.flow.result = self.flow.result or f"the client left in the middle of {event.unfinished}"


HANDLERS: dict[type[Command], Any] = {
    Mail: SmtpSession._mail,
    Rcpt: SmtpSession._other,
    Message: SmtpSession._whole,
    Auth: SmtpSession._auth,
    AuthResponse: SmtpSession._respond,
    StartTls: SmtpSession._other,
}
