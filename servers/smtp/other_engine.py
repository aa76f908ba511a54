"""The sink on aiosmtpd instead of our own core: the same listeners, store and flows, to tell whose fault it is."""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from netlab.cores.smtp import SECTIONS
from netlab.errors import NetlabError, StoreFailed
from netlab.flow import Flow, Outcome
from netlab.net.connection import Connection
from netlab.policy.auth.sasl import Password, Proven
from netlab.policy.mailboxes import mailboxes
from netlab.stores.mailbox import Delivery, Line, Recipient, new_id
from netlab.stores.mailbox import Envelope as KeptEnvelope
from netlab.text import peer_text
from servers.smtp.delivery import label_of, not_kept

if TYPE_CHECKING:
    from servers.smtp.server import Server

logging.getLogger("mail.log").setLevel(logging.ERROR)  # where aiosmtpd warns whoever maintains it of its own attributes


class AiosmtpdSession(Connection):
    """aiosmtpd reads and writes through this connection, so that gate, deadlines, tapes and drain are as ever."""

    def __init__(self, server: Server, *, secure: bool) -> None:
        super().__init__(server.gate, server.context.flows, "smtp")
        self.server = server
        self._lines: list[Line] = []
        self._message: Flow | None = None
        self._in_content = False
        self._partial = b""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that passwords without TLS can be read: here they may
            self._engine = self._made()

    def _made(self) -> SMTP:
        server, settings = self.server, self.server.settings
        return SMTP(
            self,
            hostname=server.config.hostname,
            data_size_limit=settings.max_message,
            enable_SMTPUTF8=True,
            timeout=server.config.command_timeout,
            auth_required=settings.auth_required,
            auth_require_tls=False,
            auth_exclude_mechanism=None if settings.mechanisms else ("PLAIN", "LOGIN"),
            authenticator=self._authenticate,
            loop=self.loop,
        )

    # -- the connection ------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self._engine.connection_made(Through(self))

    def feed(self, data: bytes) -> None:
        if data:
            self._hear(data)
            self._engine.data_received(data)
        elif not self._engine.eof_received():
            self.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._engine.pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._engine.resume_writing()

    def ended(self, error: Exception | None) -> None:
        self._end_message(Outcome.CUT, "the client left before it was complete")
        if self._engine.session is not None:
            self._engine.connection_lost(error)

    def say(self, data: bytes) -> None:
        """What the engine replies."""
        self._keep("server", data.decode("utf-8", "replace").rstrip("\r\n"), "")
        self._in_content = data.startswith(b"354")
        self.write(data)

    def _hear(self, data: bytes) -> None:
        """Lines of commands, as they arrive; content is told when it is complete."""
        *lines, self._partial = (self._partial + data[-1000:] if self._in_content else self._partial + data).split(
            b"\n"
        )
        for line in lines if not self._in_content else ():
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            verb = text.partition(" ")[0].upper()
            shown = f"{verb} ..." if verb == "AUTH" else text
            self._keep("client", shown, SECTIONS.get(verb, SECTIONS[""]))

    def _keep(self, side: str, text: str, section: str) -> None:
        flow = self._message or self.flow
        if flow is None:
            return
        log, client = flow.log, side == "client"
        self._lines.append(Line(log.wall(log.now()), "client" if client else "server", text, section))
        if flow.full:
            name = "command.received" if client else "reply.sent"
            flow.note(name, "client" if client else "server", text=text, section=section)

    # -- aiosmtpd's hooks ----------------------------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names and arguments
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        assert self.flow is not None
        self._message = flow = self.flows.open("smtp", "smtp", self.flow)
        flow.client, flow.server, flow.label = self.flow.client, self.flow.server, f"<{address}>"
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        content = cast("bytes", envelope.content)
        flow = self._message
        self._keep("client", f"({len(content)} octets)", SECTIONS["message"])
        if flow is not None:
            flow.label, flow.received = label_of(envelope.mail_from or "", envelope.rcpt_tos), len(content)
        reply = "250 2.0.0 Ok"
        if self.server.store.keeps:
            reply = await self._deliver(session, envelope, content)
        self._end_message(Outcome.OK if reply.startswith("2") else Outcome.REFUSED, reply[:3])
        return reply

    async def _deliver(self, session: Session, envelope: Envelope, content: bytes) -> str:
        delivery = self._delivery(session, envelope, content)
        settled: asyncio.Future[NetlabError | None] = self.loop.create_future()

        def settle(error: NetlabError | None) -> None:
            if not settled.done():  # the client has gone meanwhile
                settled.set_result(error)

        try:
            if not self.server.store.deliver(delivery, settle):
                error = await settled
                if error is not None:
                    return not_kept(error).text
        except StoreFailed as error:
            return not_kept(error).text
        return f"250 2.0.0 Ok: kept as {delivery.id}"

    def _delivery(self, session: Session, envelope: Envelope, content: bytes) -> Delivery:
        context = self.server.context
        now = self.flows.wall(self.flows.now())
        user = str(session.auth_data) if session.authenticated else ""
        return Delivery(
            id=new_id(int(now * 1e6), context.random.getrandbits(32)),
            received=context.clock.now(),
            mailboxes=mailboxes(self.server.config.mailboxes, envelope.rcpt_tos, user),
            envelope=KeptEnvelope(
                sender=envelope.mail_from or "",
                recipients=tuple(Recipient(address=address) for address in envelope.rcpt_tos),
                smtputf8=envelope.smtp_utf8,
                helo=session.host_name or "",
                client=peer_text(session.peer) or "",
                user=user,
                protocol="ESMTP" if session.extended_smtp else "SMTP",
            ),
            content=content,
            transcript=list(self._lines),
        )

    def _end_message(self, outcome: str, result: str) -> None:
        flow, self._message = self._message, None
        if flow is not None:
            flow.end(outcome, result)

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        """Only what can be told at once: a file's passwords cannot, and are refused with the settings."""
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        claim = Password(data.login.decode("utf-8", "replace"), data.password.decode("utf-8", "replace"))
        found = self.server.accounts.check(claim, self._address)
        right = isinstance(found, Proven)
        return AuthResult(success=right, handled=False, auth_data=claim.user if right else None)


class Through(asyncio.Transport):
    """What aiosmtpd takes for its transport: the connection it is on."""

    def __init__(self, session: AiosmtpdSession) -> None:
        super().__init__()
        self._session = session

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._session.say(bytes(data))

    def close(self) -> None:
        self._session.close()

    def abort(self) -> None:
        self._session.abort()

    def is_closing(self) -> bool:
        closing: bool = self._session.transport.is_closing()
        return closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._session.transport.pause_reading()

    def resume_reading(self) -> None:
        self._session.transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._session.transport.get_extra_info(name, default)
