"""Sending a message to a mail server: dial, greet, TLS, authentication, envelope, content; each step with its time."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from netlab.cores.smtp import SECTIONS, ClientCore, ClientState, Replied, Reply
from netlab.errors import ConnectionLost, DeadlineExceeded, NetlabError
from netlab.flow import Flow
from netlab.net.dial import Dialer
from netlab.net.outgoing import Outgoing
from netlab.net.secure import TlsOptions
from netlab.net.within import secure_within
from netlab.policy.auth.sasl_client import answers, choose
from netlab.stores.mailbox import Line
from netlab.tape import Side


class NotTaken(NetlabError):
    """The server has refused the message, or would not talk."""

    def __init__(self, step: str, reply: Reply) -> None:
        self.step, self.reply = step, reply
        super().__init__(f"{step} was refused: {reply.text}")


@dataclass(frozen=True, kw_only=True)
class Sending:
    """How to send. Seconds are for each reply (RFC 5321 4.5.3.2)."""

    hello: str = "localhost"
    tls: TlsOptions | None = None
    starttls: bool = False  # begin TLS by STARTTLS, else, with `tls`, from the first byte
    user: str = ""
    password: str = field(default="", repr=False)
    mechanism: str = ""  # empty: the best that both know
    chunks: int = 0  # octets of each BDAT; 0: DATA
    notify: str = ""  # of DSN
    seconds: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What came of it: the reply to the message, and of each recipient that was refused."""

    reply: Reply
    refused: dict[str, Reply]


class MailCall(Outgoing):
    """The connection: commands are given, and their replies waited for."""

    def __init__(self, flow: Flow, heard: Callable[[Line], None]) -> None:
        super().__init__(flow)
        self.core = ClientCore()
        self._heard = heard
        self.greeting: asyncio.Future[Reply] = self.loop.create_future()
        self._replies = deque([self.greeting])
        self._failure: NetlabError | None = None

    def feed(self, data: bytes) -> None:
        for event in self.core.receive(data):
            if isinstance(event, Replied):
                self._replied(event)
            else:
                self._fail(event)

    def _replied(self, event: Replied) -> None:
        reply = event.reply
        self.say("server", reply.text, "")
        self.flow.note("reply.sent", "server", start=event.start, end=event.end, code=reply.code, text=reply.text)
        if self._replies and not (waiting := self._replies.popleft()).done():
            waiting.set_result(reply)

    def lost(self, error: Exception | None) -> None:
        self._fail(ConnectionLost("the server has ended the connection"))

    def _fail(self, error: NetlabError) -> None:
        self._failure = self._failure or error
        for waiting in self._replies:
            _fail(waiting, self._failure)
        self._replies.clear()

    def say(self, side: Side, text: str, section: str) -> None:
        """A line for the transcript."""
        log = self.flow.log
        self._heard(Line(log.wall(log.now()), side, text, section))

    def tell(self, verb: str, act: Callable[[], None]) -> asyncio.Future[Reply]:
        """Give a command; the future has its reply. It leaves with the next `flush`."""
        if self._failure is not None:
            raise self._failure
        act()
        shown = self.core.said
        self.say("client", shown, SECTIONS.get(verb, ""))
        self.flow.note("command.received", "client", line=shown, verb=verb, section=SECTIONS.get(verb, ""))
        waiting: asyncio.Future[Reply] = self.loop.create_future()
        self._replies.append(waiting)
        return waiting

    def flush(self) -> None:
        self.write(self.core.outgoing())


def _fail(waiting: asyncio.Future[Reply], error: NetlabError) -> None:
    if not waiting.done():
        waiting.set_exception(error)
        waiting.exception()  # of many replies that do not come, one is waited for


class MailSession:
    """One conversation with a server, from the dial to QUIT."""

    def __init__(self, sending: Sending, heard: Callable[[Line], None] = lambda _line: None) -> None:
        self.sending, self._heard = sending, heard
        self._call: MailCall

    async def send(self, dialer: Dialer, host: str, port: int, sender: str, to: Sequence[str], content: bytes) -> Sent:
        """Bring one message. NotTaken, RemoteProtocolError, PeerUnreachable or ConnectionLost say why not.

        Recipients that are refused do not keep the others from it.
        """
        sending = self.sending
        tls = None if sending.starttls else sending.tls
        _, call, _ = await dialer.dial(host, port, lambda flow: MailCall(flow, self._heard), tls=tls)
        self._call = call
        try:
            await self._greet(host)
            if sending.user:
                await self._authenticate()
            return await self._transfer(sender, to, content)
        finally:
            self._leave()

    def _leave(self) -> None:
        """Say so where the server can hear it (RFC 5321 4.1.1.10); its reply to that is not waited for."""
        call = self._call
        if call.core.state is ClientState.COMMANDS and not call.core.waiting:
            call.core.quit()
            call.flush()
        call.close()

    async def _greet(self, host: str) -> None:
        greeting = await self._wait(self._call.greeting)
        if greeting.code != 220:
            raise NotTaken("the connection", greeting)
        await self._hello()
        if self.sending.starttls and self.sending.tls is not None:
            await self._start_tls(host, self.sending.tls)
            await self._hello()

    async def _hello(self) -> None:
        """EHLO, or HELO to who does not know it (RFC 5321 3.2)."""
        core, name = self._call.core, self.sending.hello
        reply = await self._ask("EHLO", lambda: core.hello(name))
        if reply.code in (500, 502):
            reply = await self._ask("HELO", lambda: core.hello(name, extended=False))
        if not reply.positive:
            raise NotTaken("EHLO", reply)

    async def _start_tls(self, host: str, tls: TlsOptions) -> None:
        call = self._call
        reply = await self._ask("STARTTLS", call.core.start_tls)
        if reply.code != 220:
            raise NotTaken("STARTTLS", reply)
        await secure_within(call.transport, call.flow, lambda _flow: call, host, tls, seconds=self.sending.seconds)
        call.core.secured()
        call.say("netlab", f"{call.transport.get_extra_info('ssl_object').version()} is established", "RFC 3207 4.2")

    async def _authenticate(self) -> None:
        sending, core = self.sending, self._call.core
        offered = core.extensions.get("AUTH", "").upper().split()
        secure = self._call.transport.get_extra_info("ssl_object") is not None
        mechanism = sending.mechanism or choose(offered, secure=secure)
        if not mechanism:
            raise NetlabError(f"the server offers no way to log in that is known here ({', '.join(offered) or 'none'})")
        script = answers(mechanism, sending.user, sending.password, secrets.token_urlsafe(18))
        initial = next(script)
        reply = await self._ask("AUTH", lambda: core.auth(mechanism, initial))
        while core.state is ClientState.RESPONSE:
            try:
                answer = script.send(core.challenge(reply))
            except (StopIteration, ValueError, KeyError) as error:
                await self._ask("AUTH", lambda: core.respond(None))
                raise NetlabError(f"{mechanism}: {str(error) or 'the server asks more than there is to say'}") from None
            reply = await self._ask("AUTH", partial(core.respond, answer))
        if reply.code != 235:
            raise NotTaken(f"the login as {sending.user}", reply)

    async def _transfer(self, sender: str, to: Sequence[str], content: bytes) -> Sent:
        """The envelope in one write where the server has PIPELINING (RFC 2920), then the content."""
        core = self._call.core
        utf8 = not all(address.isascii() for address in (sender, *to))
        body = "" if content.isascii() or "8BITMIME" not in core.extensions else "8BITMIME"
        steps = [("MAIL", partial(core.mail, sender, size=len(content), body=body, utf8=utf8))]
        steps += [("RCPT", partial(core.rcpt, each, notify=self.sending.notify)) for each in to]
        replies = await self._group(steps)
        if not replies[0].positive:
            raise NotTaken(f"the sender <{sender}>", replies[0])
        refused = {each: reply for each, reply in zip(to, replies[1:], strict=True) if not reply.positive}
        if len(refused) == len(to):
            raise NotTaken(f"<{to[0]}>" if len(to) == 1 else "every recipient", replies[-1])
        reply = await (self._chunks(content) if self.sending.chunks else self._data(content))
        if not reply.positive:
            raise NotTaken("the message", reply)
        with suppress(NetlabError):  # the message is taken, whatever becomes of the farewell
            await self._ask("QUIT", core.quit)
        return Sent(reply=reply, refused=refused)

    async def _group(self, steps: Sequence[tuple[str, Callable[[], None]]]) -> list[Reply]:
        if "PIPELINING" not in self._call.core.extensions:
            return [await self._ask(*step) for step in steps]
        waiting = [self._call.tell(*step) for step in steps]
        self._call.flush()
        return [await self._wait(each) for each in waiting]

    async def _data(self, content: bytes) -> Reply:
        core = self._call.core
        reply = await self._ask("DATA", core.data)
        if reply.code != 354:
            raise NotTaken("DATA", reply)
        return await self._ask("message", lambda: core.content(content))

    async def _chunks(self, content: bytes) -> Reply:
        size, core, reply = self.sending.chunks, self._call.core, Reply(250)
        for at in range(0, max(len(content), 1), size):
            piece, last = content[at : at + size], at + size >= len(content)
            reply = await self._ask("BDAT", partial(core.chunk, piece, last=last))
            if not reply.positive:
                break
        return reply

    async def _ask(self, verb: str, act: Callable[[], None]) -> Reply:
        waiting = self._call.tell(verb, act)
        self._call.flush()
        return await self._wait(waiting)

    async def _wait(self, waiting: asyncio.Future[Reply]) -> Reply:
        try:
            async with asyncio.timeout(self.sending.seconds):
                return await waiting
        except TimeoutError:
            raise DeadlineExceeded("reply", self.sending.seconds) from None
