"""One connection of a mail program that reads its mailbox by POP3."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from netlab.cores.pop3 import (
    Asked,
    Auth,
    AuthResponse,
    Drop,
    Event,
    Login,
    Pop3Core,
    Quit,
    Retrieve,
    StartTls,
    State,
)
from netlab.errors import NetlabError, RemoteProtocolError
from netlab.flow import Outcome
from netlab.policy.auth.sasl import Failed, Password, Proven, Script
from netlab.policy.mailboxes import mailbox_of
from servers.smtp.dialogue import Dialogue

if TYPE_CHECKING:
    from servers.smtp.server import Server

MOST_WAITING = 16 << 10
"""Bytes of commands that may come while an answer is waited for."""


class Pop3Session(Dialogue):
    """Plain; STLS puts TLS between, on a flow of its own."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, "pop3")
        self.core = Pop3Core(server.pop3_settings)
        self._script: Script | None = None
        self._mailbox: str | None = None  # that is open here, and nowhere else (RFC 1939 3)

    def opened(self) -> None:
        assert self.flow is not None
        if self.core.state is State.TLS:
            self.core.secured()
        else:
            self.core.greet()
        self.flow.label = self.flow.label or "POP3"
        self._flush()

    def feed(self, data: bytes) -> None:
        self._work(self.core.receive(data))
        if self._waiting and self.core.waiting_bytes > MOST_WAITING:
            self.transport.pause_reading()

    def _work(self, events: list[Event]) -> None:
        while True:
            for event in events:
                if isinstance(event, Asked):
                    self._note(event)
                    self._handle(event)
                elif isinstance(event, RemoteProtocolError):
                    self._violated(event)
            self._flush()
            if self._waiting or self.writing_paused or not (events := self.core.resume()):
                break

    def go_on(self) -> None:
        self._work(self.core.resume())

    def _note(self, asked: Asked) -> None:
        if self.flow is not None and self.flow.full:
            section = SECTIONS.get(asked.verb, "RFC 1939 3")
            self.flow.note(
                "command.received", "client", start=asked.start, end=asked.end, line=asked.line, section=section
            )

    def _handle(self, asked: Asked) -> None:
        match asked:
            case Login(user=user, password=password):
                self._settle(self.server.accounts.check(Password(user, password), self._address))
            case Auth():
                self._authenticate(asked)
            case AuthResponse(data=data) if self._script is not None:
                self._step(self._script, data)
            case Retrieve():
                self._wait_for(self._retrieve(asked))
            case Quit(deleted=deleted) if deleted:
                self._wait_for(self._delete(deleted))
            case Quit() | StartTls():
                self.core.accept()

    def _flush(self) -> None:
        data = self.core.outgoing()
        if data:
            first = data.partition(b"\r\n")[0].decode("utf-8", "replace")
            if self.flow is not None and self.flow.full:
                self.flow.note("reply.sent", "server", text=first, octets=len(data))
            self.write(data)
        if self.core.closed:
            self.linger()
        elif self.core.state is State.TLS:
            self.begin_tls("POP3 inside of STLS")
        elif not self._waiting and not self.writing_paused:
            self.set_deadline("command", self.server.config.pop3_timeout)

    # -- waiting -------------------------------------------------------------------------------------------------

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        self._waiting = True
        self.set_deadline("", 0)
        self.server.tasks.start(self._finish(work), "a mailbox")

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except NetlabError as error:
            self.core.refuse(f"[SYS/TEMP] {error}")
        self._waiting = False
        if self.inside and not self.transport.is_closing():
            self._flush()
            if not self.writing_paused:
                self.transport.resume_reading()
                self._work(self.core.resume())

    async def _retrieve(self, asked: Retrieve) -> None:
        content = await self.server.store.content(asked.uid)
        if content is None:
            self.core.refuse("that message is gone meanwhile")
        else:
            self.core.content(content)

    async def _delete(self, uids: Sequence[str]) -> None:
        await self.server.store.delete(uids)
        self.core.accept()

    # -- who it is -----------------------------------------------------------------------------------------------

    def _authenticate(self, asked: Auth) -> None:
        self._script = self.server.accounts.script(asked.mechanism)
        challenge = next(self._script)
        if asked.initial is None:
            self.core.challenge(challenge)
        else:
            self._step(self._script, asked.initial)

    def _step(self, script: Script, data: bytes) -> None:
        found = self.server.accounts.step(script, data, self._address)
        if isinstance(found, bytes):
            self.core.challenge(found)
        else:
            self._settle(found)

    def _settle(self, found: Proven | Failed | Awaitable[Proven | Failed]) -> None:
        if isinstance(found, Failed):
            self._turn_down(found)
        else:
            self._wait_for(self._let_in(found))

    def _turn_down(self, failed: Failed) -> None:
        assert self.flow is not None
        self.flow.note("authentication.refused", user=failed.user, reason=failed.reason)
        self.core.refuse(f"[AUTH] {failed.reason}")

    async def _let_in(self, found: Proven | Awaitable[Proven | Failed]) -> None:
        claim = found if isinstance(found, Proven) else await found
        if isinstance(claim, Failed):
            self._turn_down(claim)
            return
        mailbox, opened = mailbox_of(self.server.config.mailboxes, claim.user), self.server.opened
        if mailbox in opened:
            self.core.refuse("[IN-USE] this mailbox is open already (RFC 1939 3)")
            return
        opened.add(mailbox)
        self._mailbox = mailbox
        entries = await self.server.store.entries(mailbox)
        self.core.let_in(claim.user, [Drop(entry.id, entry.size) for entry in entries])
        if self.flow is not None:
            self.flow.label = f"POP3 {claim.user}"

    # -- TLS and the end -----------------------------------------------------------------------------------------

    def _violated(self, error: RemoteProtocolError) -> None:
        assert self.flow is not None
        self.flow.note("protocol.violated", "client", **error.facts())
        self.flow.outcome, self.flow.result = Outcome.VIOLATION, f"{error.reason} ({error.section})"

    def timed_out(self, stage: str) -> None:
        self.linger()  # without any response, and nothing is deleted (RFC 1939 3)

    def drain(self) -> None:
        if not self._waiting:
            self.core.close("[SYS/TEMP] shutting down")
            self._flush()

    def ended(self, error: Exception | None) -> None:
        super().ended(error)
        if self._mailbox is not None:
            self.server.opened.discard(self._mailbox)


SECTIONS = {
    **dict.fromkeys(("STAT", "LIST", "RETR", "DELE", "NOOP", "RSET"), "RFC 1939 5"),
    **dict.fromkeys(("USER", "PASS", "TOP", "UIDL"), "RFC 1939 7"),
    "QUIT": "RFC 1939 6",
    "CAPA": "RFC 2449 5",
    "STLS": "RFC 2595 4",
    "AUTH": "RFC 5034 4",
}
