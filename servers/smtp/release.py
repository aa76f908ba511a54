"""Sending kept messages on to a real server: off unless one is named, and to nobody but who may get them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from netlab.errors import NetlabError, PeerUnreachable
from netlab.net.mail import MailSession, Sending
from netlab.net.secure import TlsOptions
from netlab.net.tls_context import client_context
from netlab.service import Context
from servers.smtp.config import Config


class Releases:
    """`release` sends one message on; `forward` says which are sent on by themselves."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config = config
        self._dialer = context.dialer("smtp")
        login = config.release_login
        tls = TlsOptions(context=client_context(alpn=())) if config.release_tls != "none" else None
        self._sending = Sending(
            hello=config.hostname,
            tls=tls,
            starttls=config.release_tls == "starttls",
            user=login.name if login is not None else "",
            password=login.password if login is not None else "",
            seconds=config.release_timeout,
        )

    async def release(self, content: bytes, sender: str, recipients: Sequence[str]) -> None:
        """NetlabError says who may not get it, or why the server has not taken it."""
        for address in recipients:
            if not self.allowed(address):
                allowed = ", ".join(self.config.release_allow)
                raise NetlabError(f"{address} may get nothing from here; --release-allow has {allowed}")
        where = self.config.release_to
        assert where is not None  # or there would be no Releases
        sent = await MailSession(self._sending).send(
            self._dialer, where.host, where.port, sender, list(recipients), content
        )
        if sent.refused:
            address, reply = next(iter(sent.refused.items()))
            raise PeerUnreachable(f"{where} refused {address}: {reply.text}", stage="beyond")

    def allowed(self, address: str) -> bool:
        return any(fnmatch.fnmatchcase(address.lower(), pattern.lower()) for pattern in self.config.release_allow)

    def forwarded(self, recipients: Sequence[str]) -> list[str]:
        """To whom of these a message is sent on without anybody's asking."""
        patterns = [pattern.lower() for pattern in self.config.forward]
        return [each for each in recipients if any(fnmatch.fnmatchcase(each.lower(), one) for one in patterns)]
