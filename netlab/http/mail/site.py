"""The mail sink's page and API on netlab's own HTTP server: which path leads where, and who may change something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from netlab.errors import NetlabError, StoreFailed, UsageError
from netlab.flow import FlowLog
from netlab.http.assets import Assets
from netlab.http.engine import HttpService
from netlab.http.exchange import Exchange, Work
from netlab.http.mail.arriving import Arrivals, Into
from netlab.http.mail.listing import Listings
from netlab.http.mail.mailhog import MailHog
from netlab.http.mail.messages import Messages
from netlab.http.own_origin import is_local_name, stranger
from netlab.http.routes import Routes
from netlab.http.settings import HttpSettings
from netlab.net.gate import Gate
from netlab.net.listen import Listener
from netlab.net.tasks import Tasks
from netlab.stores.mail import SqliteStore

Release = Callable[[bytes, str, Sequence[str]], Awaitable[None]]
"""Sends content, sender and recipients on to a real server; NetlabError says why it could not."""


class MailSite:
    """`/` is the page, `/api/v1/…` the API with Mailpit's names, `/view/…` a message alone."""

    def __init__(
        self,
        store: SqliteStore,
        flows: FlowLog,
        tasks: Tasks,
        *,
        any_name: bool = False,
        release: Release | None = None,
        into: Into = lambda recipients: ("",),
    ) -> None:
        """`any_name`: other machines may ask, by whatever name they know this one. `into`: where what is sent goes."""
        self.any_name = any_name
        self.gate = Gate()
        self.routes = Routes()
        Assets("netlab.http.mail").register(self.routes)
        Listings(store, releases=release is not None).register(self.routes)
        Messages(store, release).register(self.routes)
        Arrivals(store, into).register(self.routes)
        MailHog(store).register(self.routes)
        self.http = HttpService("mail", self.handle, HttpSettings(), flows, tasks)

    def listener(self, host: str, port: int) -> Listener:
        return Listener(
            name="mail",
            scheme="http",
            host=host,
            port=port,
            factory=lambda: self.http.connection(self.gate),
            gate=self.gate,
        )

    def handle(self, exchange: Exchange) -> Work:
        request = exchange.request
        if not self.any_name and not is_local_name(request.authority):
            exchange.refuse(421, f"this is not {request.authority[:100]}: ask for it by address or as localhost")
        elif request.method not in ("GET", "HEAD", "OPTIONS") and (page_of := stranger(exchange)):
            exchange.refuse(403, f"pages of {page_of} may not change this mailbox")
        else:
            known, work = self.routes.answer(exchange, request.path.partition("?")[0])
            if not known:
                exchange.refuse(404, "there is nothing at this path; the page is at /, the API below /api/v1/")
            elif work is not None:
                return _guarded(exchange, work)
        return None


async def _guarded(exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
    """What cannot be answered is told, if the answer has not begun."""
    try:
        await work
    except UsageError as error:
        exchange.refuse(400, str(error))
    except StoreFailed as error:
        exchange.refuse(507 if error.full else 503, str(error))
    except NetlabError as error:
        if exchange.started:
            raise
        exchange.refuse(502, str(error))
