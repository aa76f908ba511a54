"""Messages that come by HTTP: whole ones that are imported, and those that Mailpit's `send` describes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

from netlab.errors import BodyTooLarge, NetlabError, UsageError
from netlab.http.exchange import Exchange
from netlab.http.mail.arguments import Query, answer_json, told
from netlab.http.mail.composing import compose
from netlab.http.routes import Routes
from netlab.stores.mail import SqliteStore
from netlab.stores.mailbox import Delivery, Envelope, Recipient, new_id

LARGEST = 64 << 20
Into = Callable[[Sequence[str]], tuple[str, ...]]
"""The mailboxes of a message to these addresses."""


class Arrivals:
    """They are kept as if they had come by SMTP, without a conversation."""

    def __init__(self, store: SqliteStore, into: Into) -> None:
        self.store, self.into = store, into

    def register(self, routes: Routes) -> None:
        routes.add("POST", "/api/v1/import", self.import_one)
        routes.add("POST", "/api/v1/send", self.send)

    async def import_one(self, exchange: Exchange) -> None:
        """Ours: the content is a message; `mailbox`, `from`, `to`, `received` add to it."""
        query = Query(exchange)
        try:
            content = await exchange.body(LARGEST)
        except BodyTooLarge as error:
            raise UsageError(str(error)) from None
        received = query.seconds("received", time.time(), 1e11)
        recipients = [address for address in query.text("to").split(",") if address]
        delivery = _delivery("import", query.text("from"), recipients, (query.text("mailbox"),), content, received)
        await self._keep(delivery, exchange)
        answer_json(exchange, {"ID": delivery.id})

    async def send(self, exchange: Exchange) -> None:
        """Mailpit's: JSON with From, To, Subject, Text, HTML, Attachments …; what is wrong is told as JSON, too."""
        try:
            made = compose(await told(exchange, LARGEST))
        except UsageError as error:
            answer_json(exchange, {"Error": str(error)}, 400)
            return
        into = self.into(made.recipients)
        delivery = _delivery("HTTP", made.sender, made.recipients, into, made.content, time.time())
        await self._keep(delivery, exchange)
        answer_json(exchange, {"ID": delivery.id})

    async def _keep(self, delivery: Delivery, exchange: Exchange) -> None:
        """Wait until it is kept."""
        done = exchange.connection.loop.create_future()

        def settle(error: NetlabError | None) -> None:
            if not done.done():
                done.set_result(error)

        if not self.store.deliver(delivery, settle) and (error := await done) is not None:
            raise error


def _delivery(
    protocol: str, sender: str, to: Sequence[str], mailboxes: tuple[str, ...], content: bytes, received: float
) -> Delivery:
    return Delivery(
        id=new_id(time.time_ns() // 1000, secrets.randbits(32)),
        received=received,
        mailboxes=mailboxes,
        envelope=Envelope(
            sender=sender, recipients=tuple(Recipient(address=address) for address in to), protocol=protocol
        ),
        content=content,
    )
