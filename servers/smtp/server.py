"""The mail sink: what it listens on, who may come in, and where messages go."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Sequence
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from netlab.config import Address
from netlab.cores.pop3 import Settings
from netlab.cores.smtp import Reply
from netlab.errors import NetlabError, PeerUnreachable, UsageError
from netlab.flow import Outcome
from netlab.http.listening import contexts_of
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.policy.mail_chaos import Chaos
from netlab.policy.mailboxes import mailboxes
from netlab.service import Context
from netlab.stores.mail import SqliteStore
from netlab.stores.mailbox import Delivery
from servers.smtp.accounts import Accounts
from servers.smtp.config import Config
from servers.smtp.keeping import open_mail
from servers.smtp.pop3 import Pop3Session
from servers.smtp.session import SmtpSession

if TYPE_CHECKING:
    from netlab.net.tls import ContextFor
    from servers.smtp.other_engine import AiosmtpdSession
    from servers.smtp.release import Releases


class Server:
    """SMTP, plain and over TLS, into one store."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("smtp")
        self.gate = Gate(GateLimits(connections=config.max_connections))
        self.accounts = Accounts(config)
        self.settings = config.settings(self.accounts.mechanisms)
        if config.engine == "aiosmtpd" and importlib.util.find_spec("aiosmtpd") is None:
            raise UsageError("--engine aiosmtpd needs aiosmtpd: pip install 'netlab[engines]'")
        self.releases = self._releases() if config.release_to is not None else None
        self.opened: set[str] = set()  # mailboxes that a mail program has open
        self.chaos = Chaos(config.chaos, Random(context.random.getrandbits(64)).random) if config.chaos else None
        self.greeting = Reply(220, f"{config.hostname} ESMTP netlab: mail is kept here, and goes nowhere")
        if config.tls or config.starttls:
            assert self.contexts is not None  # what is wrong with certificates shows now
        self.store = open_mail(config, context)

    def listeners(self) -> Sequence[Listener]:
        """SMTP first; what shows the mail to people and programs comes behind it."""
        config = self.config
        found = [self._listener("smtp", config.listen, self._plain)]
        if config.tls:
            found.append(self._listener("smtps", config.tls_address, self._secure))
        if config.pop3 and self.store.keeps:
            where = Address(config.pop3_listen.host, config.pop3_listen.port if config.listen.port else 0)
            found.append(self._listener("pop3", where, lambda: Pop3Session(self)))
        if config.web and isinstance(self.store, SqliteStore):
            found.append(self._web(self.store))
        return found

    def _releases(self) -> Releases:
        from servers.smtp.release import Releases

        return Releases(self.config, self.context)

    def kept(self, delivery: Delivery) -> None:
        """A message is in the store; it may be one that is sent on."""
        if self.releases is not None and (to := self.releases.forwarded(delivery.envelope.addresses)):
            self.tasks.start(self._forward(self.releases, delivery, to), "forwarding")

    async def _forward(self, releases: Releases, delivery: Delivery, to: list[str]) -> None:
        """What cannot be sent on stays where it is; its flow says why."""
        flow = self.context.flows.open("smtp", "smtp")
        flow.label = f"{delivery.id} forwarded to {', '.join(to)}"
        try:
            await releases.release(delivery.content, delivery.envelope.sender, to)
        except NetlabError as error:
            flow.end(Outcome.UNREACHABLE if isinstance(error, PeerUnreachable) else Outcome.REFUSED, str(error))
        else:
            flow.end(Outcome.OK, "250")

    def _listener(self, scheme: str, address: Address, factory: Callable[[], asyncio.Protocol]) -> Listener:
        return Listener(
            name="smtp", scheme=scheme, host=address.host, port=address.port, factory=factory, gate=self.gate
        )

    def _web(self, store: SqliteStore) -> Listener:
        """The page and the API."""
        from netlab.http.mail.site import MailSite

        config = self.config
        release = self.releases.release if self.releases is not None else None
        site = MailSite(
            store,
            self.context.flows,
            self.tasks,
            any_name=config.expose,
            release=release,
            into=lambda recipients: mailboxes(config.mailboxes, recipients, ""),
        )
        return site.listener(config.web_listen.host, config.web_listen.port if config.listen.port else 0)

    def _plain(self) -> asyncio.Protocol:
        return self._session(secure=False)

    def _session(self, *, secure: bool) -> SmtpSession | AiosmtpdSession:
        if self.config.engine == "netlab":
            return SmtpSession(self, secure=secure)
        from servers.smtp.other_engine import AiosmtpdSession

        return AiosmtpdSession(self, secure=secure)

    def _secure(self) -> asyncio.Protocol:
        from netlab.net.tls import TlsLayer

        session = self._session(secure=True)
        return (
            session
            if isinstance(session, SmtpSession) and session.broken_tls
            else TlsLayer(session, self.contexts, server_side=True)
        )

    def strikes_tls(self) -> bool:
        """Whether a connection over TLS is to find none."""
        rule = self.chaos.strike("tls", "", "", "", 0.0) if self.chaos is not None else None
        return rule is not None

    @cached_property
    def pop3_settings(self) -> Settings:
        config, settings = self.config, self.settings
        return Settings(
            hostname=config.hostname,
            stls=config.starttls,
            mechanisms=settings.mechanisms,
            passwords=settings.auth_over_plain,
        )

    @cached_property
    def contexts(self) -> ContextFor:
        """TLS for the name that a client asks for."""
        return contexts_of(self.context.state, self.config.certificate, alpn=())

    async def background(self) -> None:
        """Nothing to do but to be there at the end: what was accepted is kept before the process goes."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.store.close()

    def closed(self) -> None:
        self.accounts.close()
