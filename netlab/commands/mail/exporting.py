"""Write a sink's messages to an mbox, a Maildir, or one eml file each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from netlab.commands.mail.asking import Asking, MailApi, Refused
from netlab.config import positional
from netlab.errors import UsageError
from netlab.stores.mail_archive import ArchiveWriter, Filed, Format
from netlab.text import counted

EXAMPLES = (
    ("netlab mail export mail.mbox", "all messages, the oldest first"),
    ("netlab mail export --form maildir ~/Maildir-test", "for a mail program"),
    ("netlab mail export --form eml invoices subject:invoice", "what a search finds, a file each"),
)
PAGE = 200


@dataclass(frozen=True, kw_only=True)
class Config(Asking):
    path: Annotated[Path | None, positional] = None
    """The file or folder to make."""
    query: Annotated[tuple[str, ...], positional] = ()
    """Which messages, as for `netlab mail list`; all without it."""
    form: Format = "mbox"
    """What to write."""

    def __post_init__(self) -> None:
        if self.path is None:
            raise UsageError("netlab mail export needs the name of a file or folder to make")


async def run(config: Config) -> int:
    assert config.path is not None
    api = await MailApi.find(config)
    summaries = await _all(api, " ".join(config.query))
    writer = ArchiveWriter(config.path, config.form)
    for summary in reversed(summaries):
        path = f"/api/v1/message/{quote(summary['ID'], safe='')}"
        try:
            content = await api.call(f"{path}/raw")
        except Refused as refused:
            if refused.status != 404:
                raise
            continue  # deleted meanwhile
        received = datetime.fromisoformat(summary["Created"]).timestamp()
        sender = (summary["From"] or {}).get("Address", "").replace(" ", "")
        writer.add(Filed(content=content, sender=sender, received=received, read=summary["Read"]), summary["ID"])
    print(f"{counted(writer.count, 'message')} written to {config.path}")
    return 0


async def _all(api: MailApi, query: str) -> list[dict[str, Any]]:
    """Every summary, newest first; what comes meanwhile moves the pages, so that ids count once."""
    found: dict[str, dict[str, Any]] = {}
    start = 0
    while True:
        path = "/api/v1/search" if query else "/api/v1/messages"
        page = (await api.json(path, query=query, start=start, limit=PAGE))["messages"]
        found |= {each["ID"]: each for each in page}
        start += len(page)
        if len(page) < PAGE:
            return sorted(found.values(), key=lambda each: str(each["Created"]), reverse=True)
