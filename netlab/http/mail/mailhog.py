"""MailHog's paths and names for reading and deleting, beside Mailpit's: for tests that were written for it."""

from __future__ import annotations

from typing import Any

from netlab.cores.mail_message import Part, parse
from netlab.errors import UsageError
from netlab.http.exchange import Exchange
from netlab.http.mail.arguments import FRESH, TEXT, Query, answer_json
from netlab.http.routes import Routes
from netlab.stores.mail import EVERYTHING, Kept, SqliteStore, rfc3339
from netlab.stores.mail_search import Search, parse_search

MOST_LISTED = 250
KINDS = {"from": "from:", "to": "recipient:", "containing": ""}
"""What may be searched, and how a search of ours begins for it."""


class MailHog:
    """`/api/v2/…`, and what its `/api/v1/messages/{id}` does."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store

    def register(self, routes: Routes) -> None:
        routes.add("GET", "/api/v2/messages", self.list)
        routes.add("GET", "/api/v2/search", self.search)
        routes.add("GET", "/api/v1/messages/{id}", self.message)
        routes.add("DELETE", "/api/v1/messages/{id}", self.delete)

    async def list(self, exchange: Exchange) -> None:
        await self._answer(exchange, Query(exchange), EVERYTHING)

    async def search(self, exchange: Exchange) -> None:
        query = Query(exchange)
        begin = KINDS.get(query.text("kind"))
        if begin is None:
            raise UsageError(f"kind={query.text('kind')[:40]} is none; there are {', '.join(KINDS)}")
        words = query.text("query").replace('"', " ")
        await self._answer(exchange, query, parse_search(f'{begin}"{words}"'))

    async def _answer(self, exchange: Exchange, query: Query, search: Search) -> None:
        start = query.whole("start", 0, 1 << 40)
        listing = await self.store.list(search, start=start, limit=query.whole("limit", 50, MOST_LISTED))
        several = [await self.store.get(summary["ID"]) for summary in listing.summaries]
        items = [message_json(kept) for kept in several if kept is not None]  # it may be gone by now
        answer_json(exchange, {"total": listing.matching, "count": len(items), "start": start, "items": items})

    async def message(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        if kept := await self.store.get(id):
            answer_json(exchange, message_json(kept))
        else:
            exchange.refuse(404, f"no message has the id {id[:60]}: it was deleted, or never was")

    async def delete(self, exchange: Exchange, id: str) -> None:  # noqa: A002 - the path's own name for it
        await self.store.delete([id])
        exchange.respond(200, [TEXT, FRESH])


def message_json(kept: Kept) -> dict[str, Any]:
    delivery = kept.delivery
    content, envelope = delivery.content, delivery.envelope
    whole = parse(content)
    return {
        "ID": delivery.id,
        "From": _path(envelope.sender),
        "To": [_path(address) for address in envelope.addresses],
        "Content": _part(whole, content) | {"MIME": None},
        "Created": rfc3339(delivery.received),
        "MIME": _parts(whole, content),
        "Raw": {
            "From": envelope.sender,
            "To": envelope.addresses,
            "Data": content.decode("utf-8", "replace"),
            "Helo": envelope.helo,
        },
    }


def _path(address: str) -> dict[str, Any]:
    local, _, domain = address.rpartition("@")
    return {"Relays": None, "Mailbox": local or domain, "Domain": domain if local else "", "Params": ""}


def _part(part: Part, content: bytes) -> dict[str, Any]:
    """Fields and body as they are in the source: its clients decode them."""
    headers: dict[str, list[str]] = {}
    for field in part.fields:
        headers.setdefault(field.name, []).append(field.value)
    body = content[part.body : part.end].decode("utf-8", "replace")
    return {"Headers": headers, "Body": body, "Size": part.end - part.start, "MIME": _parts(part, content)}


def _parts(part: Part, content: bytes) -> dict[str, Any] | None:
    if not part.type.startswith("multipart/"):
        return None
    return {"Parts": [_part(each, content) for each in part.parts]}
