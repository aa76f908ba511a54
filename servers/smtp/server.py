"""The mail sink: what it listens on, who may come in, and where messages go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from netlab.config import Address
from netlab.cores.smtp import Reply
from netlab.http.listening import contexts_of
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.service import Context
from netlab.stores.mail import SqliteStore
from servers.smtp.accounts import Accounts
from servers.smtp.config import Config
from servers.smtp.keeping import open_mail
from servers.smtp.session import SmtpSession

if TYPE_CHECKING:
    from netlab.net.tls import ContextFor


class Server:
    """SMTP, plain and over TLS, into one store."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("smtp")
        self.gate = Gate(GateLimits(connections=config.max_connections))
        self.accounts = Accounts(config)
        self.settings = config.settings(self.accounts.mechanisms)
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
        if config.web and isinstance(self.store, SqliteStore):
            found.append(self._web(self.store))
        return found

    def _listener(self, scheme: str, address: Address, factory: Callable[[], asyncio.Protocol]) -> Listener:
        return Listener(
            name="smtp", scheme=scheme, host=address.host, port=address.port, factory=factory, gate=self.gate
        )

    def _web(self, store: SqliteStore) -> Listener:
        """The page and the API."""
        from netlab.http.mail.site import MailSite

        config = self.config
        site = MailSite(store, self.context.flows, self.tasks, any_name=config.expose)
        return site.listener(config.web_listen.host, config.web_listen.port if config.listen.port else 0)

    def _plain(self) -> SmtpSession:
        return SmtpSession(self, secure=False)

    def _secure(self) -> asyncio.Protocol:
        from netlab.net.tls import TlsLayer

        return TlsLayer(SmtpSession(self, secure=True), self.contexts, server_side=True)

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
