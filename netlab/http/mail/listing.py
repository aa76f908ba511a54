"""The mailbox as a whole: listed, searched, waited on, marked, emptied; Mailpit's `/messages` and `/search`."""

from __future__ import annotations

import os
import resource
import time
from typing import Any

from netlab import __version__
from netlab.errors import UsageError
from netlab.http.exchange import Exchange
from netlab.http.mail.arguments import FRESH, TEXT, Query, answer_json, answer_ok, texts, told
from netlab.http.mail.events import stream, wait_for
from netlab.http.routes import Routes
from netlab.stores.mail import Listing, SqliteStore
from netlab.stores.mail_search import parse_search

MOST_LISTED = 1000
RELAY = ("SMTPServer", "ReturnPath", "AllowedRecipients", "BlockedRecipients", "OverrideFrom")
LONGEST_WAIT = 600.0


class Listings:
    """What is done to many messages at once."""

    def __init__(self, store: SqliteStore, *, releases: bool) -> None:
        self.store, self.releases = store, releases
        self.begun = time.monotonic()

    def register(self, routes: Routes) -> None:
        routes.add("GET", "/api/v1/messages", self.list)
        routes.add("PUT", "/api/v1/messages", self.mark)
        routes.add("DELETE", "/api/v1/messages", self.delete)
        routes.add("GET", "/api/v1/search", self.search)
        routes.add("DELETE", "/api/v1/search", self.delete_found)
        routes.add("GET", "/api/v1/wait", self.wait)
        routes.add("GET", "/api/v1/events", self.events)
        routes.add("GET", "/api/v1/tags", self.tags)
        routes.add("PUT", "/api/v1/tags", self.tag)
        routes.add("PUT", "/api/v1/tags/{tag}", self.rename_tag)
        routes.add("DELETE", "/api/v1/tags/{tag}", self.delete_tag)
        routes.add("GET PUT", "/api/v1/chaos", self.chaos)
        routes.add("GET", "/api/v1/info", self.info)
        routes.add("GET", "/api/v1/webui", self.webui)
        routes.add("GET", "/livez", self.alive)
        routes.add("GET", "/readyz", self.alive)

    async def list(self, exchange: Exchange) -> None:
        """`start`, `limit`, and ours: `mailbox`."""
        query = Query(exchange)
        answer_json(exchange, _shape(*await self._find(query), query))

    async def search(self, exchange: Exchange) -> None:
        query = Query(exchange)
        if not query.text("query").strip():
            raise UsageError("a search needs ?query= and words, or fields such as from:ada subject:invoice")
        answer_json(exchange, _shape(*await self._find(query), query))

    async def _find(self, query: Query) -> tuple[Listing, int]:
        start = query.whole("start", 0, 1 << 40)
        return await self.store.list(query.search(), start=start, limit=query.whole("limit", 50, MOST_LISTED)), start

    async def mark(self, exchange: Exchange) -> None:
        """The messages that `IDs` names; else those that `Search` finds, or all."""
        arguments = await told(exchange)
        read = arguments.get("read", False)
        if str(read).lower() not in ("true", "false"):
            raise UsageError("Read is to be true or false")
        search = parse_search(str(arguments.get("search") or ""), Query(exchange).text("tz"))
        await self.store.mark(texts(arguments, "IDs") or None, read=str(read).lower() == "true", search=search)
        answer_ok(exchange)

    async def delete(self, exchange: Exchange) -> None:
        """Those named, or all where none is."""
        ids = texts(await told(exchange), "IDs")
        await (self.store.delete(ids) if ids else self.store.delete_all())
        if ids or "accept" in exchange.request.fields:
            answer_ok(exchange)
        else:  # MailHog says nothing here, and its client for Node.js, which accepts nothing, takes all else for JSON
            exchange.respond(200, [TEXT, FRESH])

    async def delete_found(self, exchange: Exchange) -> None:
        query = Query(exchange)
        if not query.text("query").strip():
            raise UsageError("what is to be deleted? ?query= is empty; DELETE /api/v1/messages empties the mailbox")
        await self.store.delete_matching(query.search())
        answer_ok(exchange)

    async def wait(self, exchange: Exchange) -> None:
        """Ours: the newest match of `query`, as soon as there is one; `after=ID` leaves out what was there before."""
        query = Query(exchange)
        seconds = query.seconds("timeout", 10.0, LONGEST_WAIT)
        found = await wait_for(exchange, self.store, query.search(), query.text("after"), seconds)
        if found is None:
            exchange.refuse(404, f"no message matched within {seconds:g} s")
        else:
            answer_json(exchange, found)

    async def events(self, exchange: Exchange) -> None:
        await stream(exchange, self.store)

    async def tags(self, exchange: Exchange) -> None:
        answer_json(exchange, list((await self.store.list(limit=0)).tags))

    async def tag(self, exchange: Exchange) -> None:
        arguments = await told(exchange)
        await self.store.tag(texts(arguments, "IDs"), [tag[:100] for tag in texts(arguments, "Tags")[:100]])
        answer_ok(exchange)

    async def rename_tag(self, exchange: Exchange, tag: str) -> None:
        name = (await told(exchange)).get("name")
        if not isinstance(name, str) or not name.strip():
            raise UsageError('which name is the tag to have? {"Name": "billing"}')
        await self.store.rename_tag(tag, name.strip()[:100])
        answer_ok(exchange)

    async def delete_tag(self, exchange: Exchange, tag: str) -> None:
        """The messages that have it stay."""
        await self.store.rename_tag(tag, None)
        answer_ok(exchange)

    def chaos(self, exchange: Exchange) -> None:
        exchange.refuse(400, "what is to go wrong is said with --chaos when the sink is started, not here")

    async def info(self, exchange: Exchange) -> None:
        listing = await self.store.list(limit=0)
        path = self.store.database.path
        answer_json(
            exchange,
            {
                "Version": f"netlab {__version__}",
                "LatestVersion": f"netlab {__version__}",
                "Database": str(path or ""),
                "DatabaseSize": os.stat(path).st_size if path else 0,
                "Messages": listing.total,
                "Unread": listing.unread,
                "Tags": listing.tags,
                "RuntimeStats": {
                    "Uptime": int(time.monotonic() - self.begun),
                    "Memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                    "MessagesDeleted": self.store.deleted,
                    "SMTPAccepted": self.store.accepted,
                    "SMTPAcceptedSize": self.store.accepted_bytes,
                    "SMTPRejected": 0,
                    "SMTPIgnored": 0,
                },
            },
        )

    async def webui(self, exchange: Exchange) -> None:
        relay = dict.fromkeys(RELAY, "")
        told = {"Label": "netlab", "MessageRelay": {"Enabled": self.releases, **relay}, "SpamAssassin": False}
        answer_json(exchange, told | {"ChaosEnabled": False, "DuplicatesIgnored": False})

    def alive(self, exchange: Exchange) -> None:
        answer_ok(exchange)


def _shape(listing: Listing, start: int, query: Query) -> dict[str, Any]:
    return {
        "total": listing.total,
        "unread": listing.unread,
        "count": len(listing.summaries),
        "messages_count": listing.matching,
        "messages_unread": listing.matching_unread,
        "start": start,
        "tags": list(listing.tags),
        "messages": listing.summaries,
    }
