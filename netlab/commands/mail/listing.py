"""List the newest messages, or those that a search finds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from netlab.commands.mail.asking import Asking, MailApi, line
from netlab.config import positional
from netlab.text import counted

EXAMPLES = (
    ("netlab mail list", "the newest messages, unread ones with a star"),
    ("netlab mail list from:shop subject:invoice", "those that match"),
    ("netlab mail list --json has:attachment", "the same for a program"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Asking):
    query: Annotated[tuple[str, ...], positional] = ()
    """Words, phrases and fields: from: to: cc: subject: has:attachment is:unread larger:1M before:2026-12-31 -not."""
    limit: int = 50
    """How many at most."""
    mailbox: str = ""
    """Only of this mailbox, where the sink has several."""
    json: bool = False
    """Print JSON."""


async def run(config: Config) -> int:
    """0; 1 where a search finds nothing."""
    api = await MailApi.find(config)
    query = " ".join(config.query)
    path = "/api/v1/search" if query else "/api/v1/messages"
    told = await api.json(path, query=query, limit=config.limit, mailbox=config.mailbox)
    if config.json:
        print(json.dumps(told["messages"]))
    else:
        print("\n".join(map(line, told["messages"])) or "no messages")
        if told["messages_count"] > len(told["messages"]):
            print(f"  … of {counted(told['messages_count'], 'message')}; --limit shows more")
    return 1 if query and not told["messages"] else 0
