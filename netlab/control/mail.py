"""What the dashboard asks of a lab's mail sink: the newest messages, and where its own page is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlab.errors import NetlabError
from netlab.net.listen import Endpoint
from netlab.service import Service
from netlab.stores.mail import SqliteStore, Summary

NEWEST = 100


async def newest(services: Mapping[str, Service], endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The newest messages of the lab's sink, the newest first, each in a line."""
    store = next(
        (found for one in services.values() if isinstance(found := getattr(one, "store", None), SqliteStore)), None
    )
    if store is None:
        raise NetlabError("no mail sink runs in this lab (netlab serve smtp is one)")
    page = next((endpoint.url for endpoint in endpoints if endpoint.name == "mail"), "")
    listing = await store.list(limit=NEWEST)
    return {
        "total": listing.total,
        "unread": listing.unread,
        "page": page,
        "messages": list(map(line, listing.summaries)),
    }


def line(summary: Summary) -> dict[str, Any]:
    """One message in short, out of Mailpit's names for it."""
    return {
        "id": summary["ID"],
        "date": summary["Created"],
        "from": (summary["From"] or {}).get("Address", ""),
        "to": ", ".join(to["Address"] for to in summary["To"]),
        "subject": summary["Subject"],
        "size": summary["Size"],
    }
